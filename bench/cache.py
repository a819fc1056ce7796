"""How much memory the verified-token cache takes under a flood of distinct, valid tokens.

Each measurement is a process of its own, since memory once taken is seldom given back. Tokens
are ES256, which signs fast; each is dropped as soon as it is verified.
"""

from __future__ import annotations

import gc
import json
import subprocess
import sys
import time
import tracemalloc

import common
from common import ISSUER, PARTY, Signer, claims

FLOOD = 30_000
LENGTHS = (900, 8_000)
SIZES = (0, 10_000)


def rss() -> int:
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) * 1024


def flood(size: int, length: int, count: int, traced: bool) -> dict[str, float]:
    """Verifies `count` tokens of about `length` characters with a cache of `size` entries."""
    from flask_session_claims import Verifier, VerifierSettings, credentials_from

    signer = Signer("ES256")
    settings = VerifierSettings(
        issuer=ISSUER, jwks=signer.jwks, token_cache_size=size, authorized_parties=(PARTY,)
    )
    verifier = Verifier(settings)
    padding = {f"claim{index}": f"value {index} " * 4 for index in range((length - 632) // 65)}

    def mint(index: int) -> str:
        return signer.token(
            claims(
                **padding, jti=f"{index:016x}", sid=f"sess_{index:027d}", sub=f"user_{index:027d}"
            )
        )

    def verify(token: str) -> None:
        auth = verifier.authenticate(credentials_from(["Bearer " + token], [], settings))
        if not auth.is_authenticated:
            raise SystemExit(f"a valid token is refused: {auth.reason}")

    for index in range(200):  # What the first calls load is not the cache's.
        verify(mint(count + index))
    gc.collect()
    if traced:
        tracemalloc.start()
    before, worst, start = rss(), 0.0, time.perf_counter()
    for index in range(count):
        verify(mint(index))
        if traced and index % 500 == 0:
            worst = max(worst, tracemalloc.get_traced_memory()[0])
    seconds = time.perf_counter() - start
    gc.collect()
    cache = verifier.flows.cache
    return {
        "characters": len(mint(0)),
        "entries": len(cache),
        "estimated": cache.bytes,
        "traced": max(worst, tracemalloc.get_traced_memory()[0]) if traced else 0,
        "rss": rss() - before,
        "microseconds": seconds / count * 1e6,
    }


def apart(*given: object) -> dict[str, float]:
    code = f"import json, cache; print(json.dumps(cache.flood(*{given!r})))"
    done = subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, check=True, cwd=sys.path[0]
    )
    return dict(json.loads(done.stdout))


def main() -> None:
    given = common.options(__doc__ or "", rounds=1)
    found = common.versions("Flask-Session-Claims", "cryptography", "PyJWT")
    count = FLOOD // 10 if given.quick else FLOOD
    measured, rows = [], []
    for length in LENGTHS:
        for size in SIZES:
            size = size // 10 if given.quick else size
            plain = apart(size, length, count, False)
            traced = apart(size, length, count, True)
            if traced["entries"] > size or plain["entries"] > size:
                raise SystemExit(f"{traced['entries']} entries where {size} were allowed")
            entries = int(traced["entries"])
            each = f"{traced['traced'] / entries:,.0f}" if entries else ""
            rows.append(
                [
                    f"{size:,} entries, {int(plain['characters']):,} characters",
                    f"{entries:,}",
                    f"{traced['traced'] / 2**20:.1f}",
                    each,
                    f"{traced['estimated'] / 2**20:.1f}",
                    f"{plain['rss'] / 2**20:.1f}",
                    f"{plain['microseconds']:.0f}",
                ]
            )
            measured.append({"size": size, "plain": plain, "traced": traced})
    common.table(
        f"The token cache after {count:,} distinct valid tokens",
        [
            "allowed, token",
            "entries",
            "peak MiB (tracemalloc)",
            "bytes an entry",
            "its own estimate MiB",
            "RSS added MiB",
            "µs a token, minting too",
        ],
        rows,
    )
    common.save(given.json, versions=found, measured=measured)


if __name__ == "__main__":
    main()
