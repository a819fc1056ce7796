"""What an import costs in a fresh interpreter: alone, and on top of the base dependencies.

A sample is one new process that reports its own CPU time, memory and modules; all samples
are interleaved. Bytecode is compiled before the first round.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile

import common
from common import Spread

BASE = """
import flask, jwt, requests, blinker
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
"""
OURS = """
import flask_session_claims as product
[getattr(product, name) for name in product.__all__]
"""
CORE = "from flask_session_claims import Auth, TokenError, Verifier, VerifierSettings"
DJANGO = "import django.core.handlers.wsgi, django.urls"
DJANGO_OURS = "import django_session_claims, django_session_claims.middleware"
ST = "import supertokens_python, supertokens_python.recipe.session"
ST_FLASK = (
    ST
    + """
import supertokens_python.framework.flask, supertokens_python.recipe.session.framework.flask"""
)
#: name, what is imported first (not counted), what is timed
CASES = [
    ("flask_session_claims, every name", BASE, OURS),
    ("flask_login", BASE, "import flask_login"),
    ("flask_jwt_extended", BASE, "import flask_jwt_extended"),
    ("clerk_backend_api.security", BASE, "import clerk_backend_api.security"),
    ("supertokens_python for Flask", BASE, ST_FLASK),
    ("django_session_claims", DJANGO, DJANGO_OURS),
    ("the base dependencies", "", BASE),
    ("flask_session_claims, the package alone", "", "import flask_session_claims"),
    ("flask_session_claims, verifier only", "", CORE),
    ("flask_session_claims, every name", "", OURS),
    ("PyJWT", "", "import jwt; jwt.PyJWKClient"),
    ("joserfc", "", "import joserfc.jwt, joserfc.jwk"),
    ("clerk_backend_api.security", "", "import clerk_backend_api.security"),
    ("supertokens_python", "", ST),
]
SAMPLE = """
import sys, time
def memory():
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024
{first}
known, before, start = len(sys.modules), memory(), time.process_time()
{timed}
taken = time.process_time() - start
import json
print(json.dumps([taken * 1e3, memory() - before, len(sys.modules) - known,
                  sorted({{"flask", "django", "quart", "werkzeug"}} & set(sys.modules))]))
"""


def sample(first: str, timed: str, folder: str) -> tuple[float, float, int, list[str]]:
    code = SAMPLE.format(first=first, timed=timed)
    # Bytecode goes to a folder of its own, and no source tree is at hand by accident.
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": folder}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, env=environment, cwd=folder
    )
    return tuple(json.loads(done.stdout))  # type: ignore[return-value]


def main() -> None:
    given = common.options(__doc__ or "")
    found = common.versions(
        "Flask-Session-Claims",
        "Flask",
        "Django",
        "PyJWT",
        "cryptography",
        "requests",
        "Flask-Login",
        "Flask-JWT-Extended",
        "joserfc",
        "clerk-backend-api",
        "supertokens-python",
    )
    cases = [case for case in CASES if given.only in case[0]]
    folder = tempfile.TemporaryDirectory()
    for _, first, timed in cases:
        sample(first, timed, folder.name)
    taken: list[list[tuple[float, float, int, list[str]]]] = [[] for _ in cases]
    for index in range(given.rounds):
        order = list(enumerate(cases))
        for at, (_, first, timed) in order if index % 2 == 0 else reversed(order):
            taken[at].append(sample(first, timed, folder.name))
    rows = []
    for (name, first, timed), samples in zip(cases, taken, strict=True):
        frameworks = samples[-1][3]
        if timed is DJANGO_OURS and "flask" in frameworks:
            raise SystemExit("the Django adapter imports Flask")
        after = {BASE: "base dependencies", DJANGO: "Django"}.get(first, "nothing")
        rows.append(
            [
                name,
                after,
                Spread.of(it[0] for it in samples).text(1),
                Spread.of(it[1] for it in samples).text(1),
                str(samples[-1][2]),
                " ".join(frameworks),
            ]
        )
    common.table(
        f"Import in a fresh interpreter ({given.rounds} samples)",
        ["import", "after", "ms: median (min..max)", "MiB", "modules", "frameworks in it"],
        rows,
    )
    common.save(given.json, versions=found, rows=rows)


if __name__ == "__main__":
    main()
