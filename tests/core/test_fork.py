"""After a fork (K14): no inherited lock, no lost flight and no shared socket stops the child.

Each case is a script in a process of its own: it warms a verifier up, brings it into some state,
forks, and the child reports what it saw. A child that hangs is killed by its alarm and seen as
silent. The key server runs in the parent, which goes on serving.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")

PRELUDE = '''
import asyncio, json, os, signal, sys, threading, time
from flask_session_claims import (
    AsyncVerifier, TokenError, UnavailableError, Verifier, VerifierSettings,
)
from flask_session_claims.testing import FrozenClock, KeyServer, LocalIssuer, shared_key

ISSUER = "https://issuer.example"
clock = FrozenClock()
issuer = LocalIssuer(ISSUER, clock=clock, key=shared_key("ES256"))
server = KeyServer(issuer)
server.start()
settings = VerifierSettings(
    issuer=ISSUER, jwks_url=server.url, allow_loopback_http=True, jwks_timeout=10
)
verifier = Verifier(settings, clock=clock)

def outcome(token, who=None):
    try:
        (who or verifier).verify(token)
    except (TokenError, UnavailableError) as error:
        return error.code
    return "ok"

def stranger():
    return issuer.mint(headers={"kid": "stranger"})

def in_child(act):
    """What `act()` returns in a forked child, or None if it never does."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(8)
        try:
            os.write(writing, json.dumps(act()).encode())
        except BaseException as error:
            os.write(writing, json.dumps(repr(error)).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    os.waitpid(child, 0)
    return json.loads(said) if said else None

def report(**facts):
    print(json.dumps(facts))
    sys.stdout.flush()
    server.stop()
    os._exit(0)
'''

USUAL = """
def usual():
    # The cool-down that the parent may have begun holds in the child too: a second by its clock.
    clock.advance(2)
    first = [outcome(cached), outcome(uncached), outcome(stranger())]
    clock.advance(2)
    return [*first, outcome(new)]
"""


def run(script: str) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    done = subprocess.run(
        # From 3.12 on a fork beside threads warns; that it is safe is what is tested here.
        [sys.executable, "-W", "ignore", "-c", PRELUDE + USUAL + script],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    report: dict[str, Any] = json.loads(done.stdout)
    return report


#: A cached token, an uncached one, an unknown kid, and a key that is new since the fork.
GOOD = ["ok", "ok", "jwk-kid-mismatch", "ok"]

TOKENS = """
cached = issuer.mint(sub="cached")
assert outcome(cached) == "ok"
uncached = issuer.mint(sub="uncached")
before = server.requests
"""

ROTATE = """
issuer.rotate(keep=True, key=shared_key("ES256", 1))
new = issuer.mint(sub="new")
"""


def test_k14_after_first_use():
    """K14: the plain case of a pre-forking server whose master has verified something."""
    said = run(
        TOKENS
        + ROTATE
        + """
seen = in_child(usual)
report(child=seen, parent=usual(), fetches=server.requests - before)
"""
    )
    assert said["child"] == GOOD
    assert said["parent"] == GOOD
    assert 2 <= said["fetches"] <= 4


def test_k14_before_first_use():
    """K14: made before the fork and cold in the child, as with an application that is preloaded."""
    said = run(
        """
token = issuer.mint()
first = in_child(lambda: outcome(token))
second = in_child(lambda: outcome(token))
report(children=[first, second], parent=outcome(token), fetches=server.requests)
"""
    )
    assert said == {"children": ["ok", "ok"], "parent": "ok", "fetches": 3}


def test_k14_while_other_threads_hold_the_locks():
    """K14: every lock of the library is held by a thread that the child does not have."""
    said = run(
        TOKENS
        + ROTATE
        + """
from flask_session_claims.core import locks

held = list(locks._all)
taken, let_go = threading.Barrier(len(held) + 1), threading.Event()

def hold(lock):
    with lock:
        taken.wait()
        let_go.wait(30)

for lock in held:
    threading.Thread(target=hold, args=(lock,), daemon=True).start()
taken.wait()
seen = in_child(usual)
let_go.set()
report(child=seen, locks=len(held), parent=usual())
"""
    )
    assert said["child"] == GOOD
    assert said["parent"] == GOOD
    # The keys', the token cache's and the fetcher's.
    assert said["locks"] >= 3


@pytest.mark.parametrize("why", ["an unknown kid", "a refresh"])
def test_k14_while_a_flight_is_out(why):
    """K14: the child gives the parent's flight up for lost and begins its own when it needs one."""
    begin = {
        "an unknown kid": """
waiting = threading.Thread(target=lambda: ends.append(outcome(stranger())))
waiting.start()
""",
        "a refresh": """
clock.advance(271)
cached = issuer.mint(sub="cached")
assert outcome(cached) == "ok"
uncached = issuer.mint(sub="uncached")
waiting = threading.Thread(target=lambda: None)
waiting.start()
""",
    }[why]
    said = run(
        TOKENS
        + """
ends = []
server.mode = "hang"
"""
        + begin
        + """
server.wait_for_requests(before + 1)
server.mode = "ok"  # for those who come from now on; the one that hangs goes on hanging
"""
        + ROTATE
        + """
flying = [t.name for t in threading.enumerate() if t.name == "session-claims-keys"]
start = time.monotonic()
seen = in_child(usual)
took = time.monotonic() - start
still = [t.name for t in threading.enumerate() if t.name == "session-claims-keys"]
server.release()
waiting.join(5)
clock.advance(2)
report(child=seen, took=took, out=[len(flying), len(still)], waiter=ends, parent=usual())
"""
    )
    assert said["child"] == GOOD
    assert said["parent"] == GOOD
    assert said["out"] == [1, 1], "the parent's flight was out all the while"
    assert said["took"] < 5
    # The set that the flight brought holds the new key, but not the stranger's.
    assert said["waiter"] == (["jwk-kid-mismatch"] if why == "an unknown kid" else [])


def test_k14_while_a_cold_start_hangs():
    """K14: neither parent nor child has keys yet; the child does not wait for the parent's."""
    said = run(
        """
token, ends = issuer.mint(), []
server.mode = "hang"
waiting = threading.Thread(target=lambda: ends.append(outcome(token)))
waiting.start()
server.wait_for_requests(1)
server.mode = "ok"
seen = in_child(lambda: outcome(token))
asleep = waiting.is_alive()
server.release()
waiting.join(5)
report(child=seen, asleep=asleep, parent=ends)
"""
    )
    assert said == {"child": "ok", "asleep": True, "parent": ["ok"]}


def test_k14_children_share_nothing_with_one_another():
    """K14: four children and the parent fetch for themselves; no answer goes to the wrong one."""
    said = run(
        TOKENS
        + ROTATE
        + """
seen = [in_child(usual) for _ in range(4)]
grandchild = in_child(lambda: in_child(usual))
report(children=seen, grandchild=grandchild, parent=usual())
"""
    )
    assert said["children"] == [GOOD] * 4
    assert said["grandchild"] == GOOD
    assert said["parent"] == GOOD


def test_k14_the_async_form():
    """K14: used on a loop, forked beside it, used on a new loop in the child."""
    said = run(
        """
averifier = AsyncVerifier(settings, clock=clock)

class Loop:
    def verify(self, token):
        return asyncio.run(averifier.verify(token))

verifier = Loop()
"""
        + TOKENS
        + """
server.mode = "hang"

async def leave():
    asking = asyncio.create_task(averifier.verify(stranger()))
    while server.requests == before:
        await asyncio.sleep(0.005)
    asking.cancel()

asyncio.run(leave())
server.mode = "ok"
"""
        + ROTATE
        + """
seen = in_child(usual)
server.release()
report(child=seen, parent=usual())
"""
    )
    assert said["child"] == GOOD
    assert said["parent"] == GOOD


def test_k14_a_spawned_worker_starts_from_nothing():
    """K14: with spawn instead of fork a worker makes its own verifier; nothing is inherited."""
    said = run(
        """
assert outcome(issuer.mint()) == "ok"
token = issuer.mint(sub="spawned")
code = '''
import json, os, sys
from flask_session_claims import Verifier, VerifierSettings
url, token = sys.argv[1:]
verifier = Verifier(
    VerifierSettings(issuer="https://issuer.example", jwks_url=url, allow_loopback_http=True),
    clock=lambda: 1_800_000_000.0,
)
print(verifier.verify(token)["sub"])
'''
import subprocess
done = subprocess.run(
    [sys.executable, "-c", code, server.url, token], capture_output=True, text=True
)
report(child=done.stdout.strip(), fetches=server.requests)
"""
    )
    assert said == {"child": "spawned", "fetches": 2}
