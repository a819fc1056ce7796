"""The frozen clock: time moves when a test says so, and on which clock it says."""

import threading
import time

import pytest

from flask_session_claims.testing import FrozenClock, LocalIssuer


def test_it_starts_where_it_is_told_and_stands_still():
    clock = FrozenClock(now=1234.5)
    before = (clock(), clock.monotonic())
    time.sleep(0.01)
    assert (clock(), clock.monotonic()) == before
    assert clock() == 1234.5


def test_advance_moves_both_clocks():
    clock = FrozenClock()
    wall, monotonic = clock(), clock.monotonic()
    clock.advance(2.5)
    assert clock() - wall == 2.5
    assert clock.monotonic() - monotonic == 2.5


@pytest.mark.parametrize("seconds", [3600, -3600])
def test_a_step_of_the_wall_clock_leaves_monotonic_time_alone(seconds):
    clock = FrozenClock()
    wall, monotonic = clock(), clock.monotonic()
    clock.step_wall(seconds)
    assert clock() - wall == seconds
    assert clock.monotonic() == monotonic


def test_time_cannot_be_advanced_backwards():
    clock = FrozenClock()
    with pytest.raises(ValueError, match="step_wall"):
        clock.advance(-1)
    assert clock() == FrozenClock()()


def test_threads_advance_it_without_losing_a_second():
    clock = FrozenClock(now=0)
    barrier = threading.Barrier(8)

    def advance():
        barrier.wait()
        for _ in range(500):
            clock.advance(1)

    threads = [threading.Thread(target=advance) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clock() == 4000


def test_the_clock_of_the_machine_is_not_touched():
    real = time.time()
    clock = FrozenClock(now=0)
    clock.advance(1e9)
    assert abs(time.time() - real) < 60


def test_an_issuer_tells_the_time_by_it():
    clock = FrozenClock(now=1000)
    issuer = LocalIssuer(algorithm="EdDSA", clock=clock)
    first = issuer.mint(jti="x")
    assert issuer.mint(jti="x") == first
    clock.advance(1)
    assert issuer.mint(jti="x") != first
