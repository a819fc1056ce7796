"""What somebody might try: in a template, in a profile, in metadata. Run as a program, it watches.

As a program it compiles and renders all of it under an audit hook, and prints as JSON what was
executed, opened or imported meanwhile, and the CPU time of each.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from typing import Any

from flask_session_claims import SessionClaimsError
from flask_session_claims.core.jsontext import freeze
from flask_session_claims.sessions.claims import accept
from flask_session_claims.sessions.templates.compiling import compile_template
from flask_session_claims.sessions.templates.rendering import preview, render
from flask_session_claims.sessions.templates.subject import (
    MembershipView,
    OrganizationView,
    Subject,
    UserView,
)

#: Expressions of many languages, to stand between double braces and elsewhere.
EXPRESSIONS = [
    "7*7", "7 * 7", "user.id * 2", "user.id + 1", "1+1", "-user.id", "!user.email_verified",
    "not user.email_verified", "user.id == 'x'", "user.id ? 1 : 2", "user.id if 1 else 2",
    "user.id && user.id", "user.id and user.id", "user.id ?? 'x'", "user.id or 'x'",
    "user.id | upper", "user.id|length", "user.id | default('x')", "user.id | safe",
    "user.first_name.upper()", "user.id()", "user()", "user.public_metadata.keys()",
    "user.public_metadata.get('plan')", "user.public_metadata['plan']", "user['id']",
    "user.public_metadata.tags[0]", "user.public_metadata.tags[-1]", "user.id[0:2]",
    "user.__class__", "user.__class__.__mro__", "user.__dict__", "user.__init__.__globals__",
    "user.id.__class__.__base__.__subclasses__()", "''.__class__", "''.__class__.__mro__[1]",
    "user.public_metadata.__class__", "user.public_metadata.plan.__class__",
    "user._private", "user.public_metadata._x", "_", "__builtins__", "__import__('os')",
    "__import__('os').system('id')", "eval('1')", "exec('1')", "open('/etc/passwd')",
    "import os", "os.environ", "lambda: 1", "[x for x in user]", "{'a': 1}", "[1, 2]", "(1)",
    "`id`", "$(id)", "${7*7}", "#{7*7}", "%{7*7}", "<%= 7*7 %>", "{% if 1 %}", "{# x #}", "@{7*7}",
    "config", "self", "request", "g", "cycler.__init__.__globals__.os", "range.constructor",
    "constructor", "constructor.constructor('return 1')()", "user.constructor", "user.__proto__",
    "user.prototype", "process.env", "globalThis", "this", "env.SECRET_KEY", "settings.SECRET_KEY",
    "session.token", "session.refresh_token", "session.id", "user.password_hash",
    "user.private_metadata", "user.private_metadata.ssn", "org.private_metadata",
    "org_membership.private_metadata", "user.privateMetadata", "user . private_metadata",
    "user.public_metadata.../private_metadata", "user/private_metadata", "..", ".", "user.*", "*",
    "user.public_metadata.**", "user.%s", "{0}", "{0.__class__}", "%(id)s", "{user}", "!r",
    "user.id!r", "user.id:>10000000", "'a' * 1000000000", "9**9**9", "1e999", "0x10", "1_000",
    "' || '", "'; DROP TABLE users; --", "\\", "\\u007d\\u007d", "user.id\\", "<script>x</script>",
    "user.id\x00", "\x00", "\r\nSet-Cookie: a=b", "include 'x'", "extends x", "raw", "endraw",
]  # fmt: skip

ODD = [
    "\u202euser.id", "user\u200b.id", "\uff55ser.id", "user\uff0eid", "user.\ufb01rst_name",
    "us\u0435r.id", "user.id\u0301", "u\u0308ser.id", "\u2028user.id\u2029", "\u00a0user.id",
    "\U000e0001user.id", "user.\u4e2d\u6587", "user.public_metadata.\u0645\u062b\u0627\u0644",
    "\U0001f600", "user.\U0001f600", "\ufeffuser.id", "user.id\ufffe", "\U0010ffff",
    "\uff5b\uff5buser.id\uff5d\uff5d", "user.\u0131d", "USER.ID", "user.ID",
]  # fmt: skip


def texts() -> Iterator[str]:
    for word in [*EXPRESSIONS, *ODD]:
        yield f"{{{{{word}}}}}"
        yield f"{{{{ user.public_metadata.gone || {word} }}}}"
        yield f"x {{{{user.id}}}} {word} {{{{user.id"
        yield word


def templates() -> Iterator[str]:
    """Templates that should be refused, or mean only what they say."""
    for text in texts():
        yield json.dumps({"a": text})
    for word in [*EXPRESSIONS, *ODD]:
        yield json.dumps({word: "{{user.id}}"})
        yield json.dumps({f"{{{{{word}}}}}": 1})
    for piece in ("{{", "}}", "{", "}", "|", "||", "'", "'||", "{{'", "{{{{}}}}", "{{a||",
                  "{{x}}", " ", "\\\\", "\\n", "\\u0000", "\U0001f600",
                  "{{user.id}}", "{{user.id||"):  # fmt: skip
        yield '{"a": "' + piece * (1023 // len(piece.encode())) + '"}'
        yield '{"a": "' + piece * (8180 // len(piece.encode())) + '"}'
    for piece in ("[", "{", '{"a":', "[[],", '["a",', '"', "-", "1", ",", ":", "\t", "\\", "/*",
                  '{"a":[', "nul", "\ufeff", "\x00", "\U0001f600", "{{"):  # fmt: skip
        yield piece * (8191 // len(piece.encode()))
        yield piece * 100_000
    for value in ("9" * 8000, "1e" + "9" * 8000, "0." + "0" * 8000, "-" * 8000, '"' + "x" * 8000):
        yield '{"a": ' + value + "}"
    path = ".".join(["user.public_metadata", *["a"] * 480])
    yield json.dumps({f"a{i}": f"{{{{{path}}}}}" for i in range(8)})
    yield json.dumps({f"c{i}": f"{{{{user.public_metadata_{i}}}}}" for i in range(64)})
    yield json.dumps({f"c{i}": f"{{{{uzer.publik_metadata_{i}.x}}}}" for i in range(64)})


def big(kind: str) -> Any:
    """8 KB of metadata."""
    chain: Any = "x"
    for _ in range(15):
        chain = {"a": chain, "b": ["y" * 500]}
    return {
        "text": {"a": "x" * 8100},
        "quotes": {"a": '"' * 4000},
        "wide": {"a": "\U0001f600" * 2000},
        "controls": {"a": "\x00\x1f" * 600},
        "numbers": {"a": [0] * 4000},
        "names": {f"k{i}": i for i in range(900)},
        "lists": {"a": [[]] * 2700},
        "chain": chain,
    }[kind]


BIG = ["text", "quotes", "wide", "controls", "numbers", "names", "lists", "chain"]


def bombs() -> Iterator[tuple[str, dict[str, Any]]]:
    """Templates that ask for the same much as often as they may."""
    roots = ["user.public_metadata", "user.unsafe_metadata", "org.public_metadata",
             "org_membership.public_metadata"]  # fmt: skip
    often = [f"{{{{{roots[i % 4]}}}}}" for i in range(8)]
    yield "whole", {f"c{i}": often for i in range(32)}
    yield "as text", {f"c{i}": " ".join(often) for i in range(32)}
    yield "one text", {"c": " ".join(often * 4)}
    deep = ["".join([".a"] * n) for n in range(16)]
    yield (
        "levels",
        {
            f"c{i}": [f"{{{{{root}{deep[i]}}}}}" for root in roots]
            + [f"x{{{{{roots[0]}{deep[i]}}}}}"]
            for i in range(16)
        },
    )
    chain = " || ".join(["user.id_x"] * 25)
    yield "fallbacks", {f"c{i}": f"{{{{{chain}}}}}" for i in range(10)}
    yield "nested", {"a": {"a": {"a": {"a": {"a": {"a": [often[0]] * 60}}}}}}


def subjects() -> Iterator[tuple[str, Subject]]:
    for kind in BIG:
        data = freeze(big(kind))
        yield kind, Subject(
            UserView(id="user_1", first_name="N" * 8000, public_metadata=data,
                     unsafe_metadata=data, organizations={f"org_{i}": "m" for i in range(400)}),
            OrganizationView(id="org_1", public_metadata=data),
            MembershipView(role="m", permissions=["p" * 30] * 200, public_metadata=data),
        )  # fmt: skip


def attempts() -> Iterator[tuple[str, Any, Subject]]:
    """What to try: a name, a template, and whose claims."""
    plain = Subject(UserView(id="user_1", public_metadata={"plan": "pro", "tags": ["a"]}))
    for text in templates():
        yield text[:60], text, plain
    for kind, subject in subjects():
        for name, bomb in bombs():
            yield f"{name} of {kind}", json.dumps(bomb), subject
    echo = {"a": "{{user.first_name}}", "b": "<{{user.public_metadata.t}}>",
            "c": "{{user.public_metadata}}"}  # fmt: skip
    for text in texts():
        data = freeze({"t": text, text: {text: text}})
        yield (
            f"profile {text}"[:60],
            json.dumps(echo),
            Subject(UserView(id="user_1", first_name=text, public_metadata=data)),
        )


def attempt(template: str, subject: Subject) -> tuple[str, float]:
    """What came of it, and the greatest of the CPU seconds that each step took."""
    times: list[float] = []
    outcome = "given"
    compiled = None
    for step in ("compile", "render", "preview"):
        start = time.process_time()
        try:
            if step == "compile":
                compiled = compile_template(template)
            elif compiled is not None:
                claims = (render if step == "render" else preview)(compiled, subject)
                if step == "render":
                    accept(claims)
        except SessionClaimsError as error:
            outcome = error.code
        times.append(time.process_time() - start)
        if compiled is None:
            break
    return outcome, max(times)


def main() -> None:
    events: list[str] = []
    watching = False
    harmless = {"object.__getattr__", "sys._getframe", "gc.get_referrers"}

    def hook(event: str, args: tuple[object, ...]) -> None:
        if watching and event not in harmless:
            events.append(f"{event} {args!r}"[:200])

    sys.addaudithook(hook)
    attempt('{"a": "{{usr.id}}"}', Subject(UserView(id="u")))  # what is loaded late, is now
    tried = list(attempts())
    took: dict[str, float] = {}
    outcomes: dict[str, int] = {}
    watching = True
    for name, template, subject in tried:
        outcome, seconds = attempt(template, subject)
        took[name] = max(took.get(name, 0), seconds)
        outcomes[outcome] = outcomes.get(outcome, 0) + 1
    watching = False
    slowest = sorted(took.items(), key=lambda pair: -pair[1])[:5]
    result = {"tried": len(tried), "events": events, "slowest": slowest, "outcomes": outcomes}
    sys.stdout.write(json.dumps(result))


if __name__ == "__main__":
    main()
