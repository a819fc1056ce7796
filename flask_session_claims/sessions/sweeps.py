"""Many sessions at once: all of a user, and those that are due.

Page by page, each page one commit; where that loses, its sessions are changed one by one. So a
sweep that is cut off has done some pages entirely, and doing it again does the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from ..core.errors import UnavailableError
from ..core.flow import Flow
from .limits import KEEP_ENDED
from .model import BY_USER, SESSION, State, decode
from .records import PAGE, Commit, Delete, FindDue, FindRecords, LogEntry, Put, Record
from .steps import Step, settle

#: One record per user where sessions are capped; each new session writes it.
USER: Final = "user"


def of_user(user_id: str, now: float) -> Flow[list[State]]:
    """The live sessions of a user."""
    found: list[State] = []
    after: str | None = ""
    while after is not None:
        page = yield from FindRecords(SESSION, BY_USER, user_id, after)
        found += [state for state in map(decode, page.records) if state.is_live(now)]
        after = page.after
    return found


def change_all(
    user_id: str, change: Callable[[State], State | None], entry: LogEntry
) -> Flow[tuple[str, ...]]:
    """Change a user's sessions, where `change` gives a new state; the ids of those changed.

    `entry` is in every commit: whoever has seen it may have looked at a session too early.
    """
    changed: list[str] = []
    after: str | None = ""

    def decide(state: State | None) -> Step[bool]:
        new = change(state) if state else None
        return Step(new is not None, new, (entry,))

    while after is not None:
        page = yield from FindRecords(SESSION, BY_USER, user_id, after)
        news = [new for new in map(change, map(decode, page.records)) if new is not None]
        if news and (yield from Commit(tuple(new.put() for new in news), (), (entry,))):
            changed += [new.session_id for new in news]
        elif news:
            for new in news:
                if (yield from settle(new.session_id, decide)):
                    changed.append(new.session_id)
        after = page.after
    return tuple(changed)


def prune(now: float) -> Flow[int]:
    """Forget what is over: sessions a day after their end, and what a retry needed.

    Gives the number of records deleted. Those that somebody is changing are left for next time.
    """
    deleted = 0
    for kind, what_to_do in ((SESSION, _prune_session), (USER, _prune_user)):
        while True:
            records = yield from FindDue(kind, now)
            acts = [act for act in (what_to_do(record, now) for record in records) if act]
            done = yield from _commit_each(acts)
            deleted += sum(isinstance(act, Delete) for act in done)
            if len(records) < PAGE or not done:
                break
    return deleted


def _prune_session(record: Record, now: float) -> Put | Delete | None:
    try:
        state = decode(record)
    except UnavailableError:  # perhaps newer code's
        return None
    end = state.expires_at if state.revoked_at is None else state.revoked_at
    if end + KEEP_ENDED <= now:
        return Delete(SESSION, record.key, record.version)
    return replace(state, salt=None).put()


def _prune_user(record: Record, now: float) -> Put | Delete | None:
    return Delete(USER, record.key, record.version)


def _commit_each(acts: list[Put | Delete]) -> Flow[list[Put | Delete]]:
    """The acts that were committed: all at once, or those that went through alone."""
    if not acts or (yield from _commit(acts)):
        return acts
    done: list[Put | Delete] = []
    for act in acts:
        if (yield from _commit([act])):
            done.append(act)
    return done


def _commit(acts: list[Put | Delete]) -> Flow[bool]:
    puts = tuple(act for act in acts if isinstance(act, Put))
    deletes = tuple(act for act in acts if isinstance(act, Delete))
    return (yield from Commit(puts, deletes))
