"""Several processes on one store, and processes that are killed in the middle of it.

What a process was told is written down outside of it, line by line, and compared with the store.
Each test is a script in a process of its own, which forks.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from tests.stores.places import fresh_url, integrity, rounds_of

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork")

PRELUDE = """
import json, multiprocessing, os, random, select, signal, sys, time
from flask_session_claims.core.flow import run
from flask_session_claims.sessions.faults import RefreshRefused
from flask_session_claims.sessions.lifecycle import SessionFlows
from flask_session_claims.sessions.limits import Limits
from flask_session_claims.sessions.model import decode
from flask_session_claims.sessions.records import record_handlers
from flask_session_claims.stores import open_store

url, rounds = sys.argv[1], int(sys.argv[2])
store = open_store(url)
handlers = record_handlers(store)
flows = SessionFlows(Limits(grace=60), clock=time.time)

def do(flow):
    return run(flow, lambda ask: handlers[type(ask)](ask))

def state(session_id):
    return decode(store.load("session", session_id))
"""

RACE = """
created = do(flows.create("user_1"))
context = multiprocessing.get_context("fork")
barrier = context.Barrier(8)
results = context.Queue()

def race():
    token, seen = created.refresh_token, []
    for _ in range(rounds):
        barrier.wait(60)
        answer = do(flows.refresh(token))
        token = answer.refresh_token
        seen.append((token, answer.rotated))
    results.put(seen)

workers = [context.Process(target=race) for _ in range(8)]
for worker in workers:
    worker.start()
answers = [results.get(timeout=100) for _ in workers]
for worker in workers:
    worker.join()
by_round = list(zip(*answers))
print(json.dumps({
    "successors": sorted({len({token for token, _ in seen}) for seen in by_round}),
    "rotations": sorted({sum(rotated for _, rotated in seen) for seen in by_round}),
    "generation": state(created.session.session_id).generation,
    "live": do(flows.get(created.session.session_id)) is not None,
}))
"""

KILLED = """
def victim(pipe, session_id, token, ends_after):
    def said(*words):
        os.write(pipe, (" ".join(map(str, words)) + "\\n").encode())
    for count in range(10**6):
        if count == ends_after:
            do(flows.revoke(session_id))
            said("revoked")
        token = do(flows.refresh(token)).refresh_token
        said("token", token)
        do(flows.merge_claims(session_id, {"count": count}))
        said("merged", count)

faults, told, ends = [], 0, {"live": 0, "revoked": 0}
for number in range(rounds):
    created = do(flows.create("user_1"))
    session_id, token = created.session.session_id, created.refresh_token
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        try:
            victim(writing, session_id, token, random.randrange(12))
        except RefreshRefused:
            time.sleep(60)
        os._exit(1)
    os.close(writing)
    if random.random() < 0.8:  # else perhaps before it has said anything
        select.select([reading], [], [], 10)
    time.sleep(random.uniform(0.001, 0.04))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    if not url.startswith("sqlite:"):
        time.sleep(0.1)  # a server may still do what the killed one had asked for
    with os.fdopen(reading) as pipe:
        lines = [line.split() for line in pipe if line.endswith("\\n")]
    told += len(lines)
    merged, revoked = -1, False
    for line in lines:
        if line[0] == "token":
            token = line[1]
        elif line[0] == "merged":
            merged = int(line[1])
        else:
            revoked = True
    now = state(session_id)
    if now.layers.own.get("count", -1) < merged:
        faults.append(f"{number}: a merge that was answered is lost")
    if revoked and now.revoked_at is None:
        faults.append(f"{number}: a revocation that was answered is lost")
    try:
        answer = do(flows.refresh(token))
    except RefreshRefused as error:
        if now.revoked_at is None:
            faults.append(f"{number}: locked out: {error.code}")
        elif error.code != "session-revoked":
            faults.append(f"{number}: {error.code}")
    else:
        if now.revoked_at is not None:
            faults.append(f"{number}: let in after the end")
    ends["live" if now.revoked_at is None else "revoked"] += 1
print(json.dumps({"faults": faults, "told": told, "ends": ends}))
"""


def run(script, rounds, url):
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore",
            "-c",
            PRELUDE + script,
            url,
            str(rounds),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize(("kind", "rounds"), rounds_of(20, 200))
def test_eight_processes_with_one_token_all_get_the_same_successor(kind, rounds, tmp_path):
    url = fresh_url(kind, tmp_path)
    assert run(RACE, rounds, url) == {
        "successors": [1],
        "rotations": [1],
        "generation": rounds + 1,
        "live": True,
    }
    assert integrity(url) == "ok"


@pytest.mark.parametrize(("kind", "rounds"), rounds_of(20, 200))
def test_nothing_that_was_answered_is_lost_when_a_process_is_killed(kind, rounds, tmp_path):
    url = fresh_url(kind, tmp_path)
    report = run(KILLED, rounds, url)
    assert report["faults"] == []
    assert integrity(url) == "ok"
    assert report["told"] > rounds, "the processes lived long enough to be told something"
    assert sum(report["ends"].values()) == rounds
