"""The queue of writers in one process: who asked first is served first."""

from __future__ import annotations

import threading
import time

from flask_session_claims.stores.turns import Turns


def wait_until(what):
    ends = time.monotonic() + 10
    while not what():
        assert time.monotonic() < ends
        time.sleep(0.001)


def queue_up(lock, names, served, first=()):
    """Threads that wait for the lock, one behind the other."""
    threads = []
    for number, name in enumerate(names, 1):

        def take(name=name):
            assert lock.acquire(10, first=name in first)
            served.append(name)
            lock.release()

        threads.append(threading.Thread(target=take))
        threads[-1].start()
        wait_until(lambda number=number: len(lock._waiting) == number)
    return threads


def test_who_waits_is_served_in_the_order_of_asking():
    lock, served = Turns(), []
    assert lock.acquire(1)
    threads = queue_up(lock, "abcd", served)
    lock.release()
    for thread in threads:
        thread.join(10)
    assert served == [*"abcd"]


def test_who_lost_a_race_goes_ahead_of_all():
    lock, served = Turns(), []
    assert lock.acquire(1)
    threads = queue_up(lock, "abcd", served, first="c")
    lock.release()
    for thread in threads:
        thread.join(10)
    assert served == [*"cabd"]


def test_who_gives_up_leaves_the_queue():
    lock, served = Turns(), []
    assert lock.acquire(1)
    threads = queue_up(lock, "a", served)
    assert not lock.acquire(0.01)
    assert len(lock._waiting) == 1
    lock.release()
    threads[0].join(10)
    assert served == ["a"]
    assert lock.acquire(0)
