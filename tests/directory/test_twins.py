"""`LocalDirectory` and `AsyncLocalDirectory`: the same acts, and what deletion does to sessions."""

from __future__ import annotations

import asyncio
import inspect
import random

import pytest

from flask_session_claims import UnavailableError
from flask_session_claims.directory.flows import DirectoryFlows
from flask_session_claims.io.directory import AsyncLocalDirectory, LocalDirectory
from flask_session_claims.io.runtime import AsyncRuntime, Runtime
from flask_session_claims.sessions import vault
from flask_session_claims.sessions.athand import KeysAtHand
from flask_session_claims.sessions.consult import Tell
from flask_session_claims.sessions.feed import Feed
from flask_session_claims.sessions.issuer import Issuer
from flask_session_claims.sessions.keyring import KeyPolicy, KeyringFlows
from flask_session_claims.sessions.lifecycle import SessionFlows
from flask_session_claims.sessions.limits import Limits
from flask_session_claims.sessions.records import Commit, record_handlers
from flask_session_claims.sessions.settings import IssuingSettings
from flask_session_claims.stores.memory import MemoryStore

from .hall import NOW

PUBLIC = [name for name, _ in inspect.getmembers(LocalDirectory, inspect.isfunction)
          if not name.startswith("_")]  # fmt: skip


def clock():
    return NOW


class House:
    """An issuer and a directory over one store, driven as an adapter drives them."""

    def __init__(self, twin):
        self.store = MemoryStore()
        self.told = []
        self.fails_at = None
        handlers = {**record_handlers(self.store), Tell: self._tell}
        commit = handlers[Commit]

        def committing(ask):
            if self.fails_at is not None and any(put.kind == self.fails_at for put in ask.puts):
                raise UnavailableError("The store is gone.", code="store-failed")
            return commit(ask)

        handlers[Commit] = committing
        keyring = KeyringFlows(
            KeyPolicy(), [vault.wrapping_key("secret")], clock=clock, random=random.randbytes
        )
        keys = KeysAtHand(keyring, clock=clock)
        feed = Feed(
            clock=clock, monotonic=clock, interval=0.5, max_age=1.0, keys_changed=keys.look_again
        )
        self.issuer = Issuer(
            IssuingSettings(),
            SessionFlows(Limits(), clock=clock),
            keys,
            feed,
            clock=clock,
            random=random.randbytes,
            provide=lambda: None,
            secure=True,
        )
        self.run = Runtime(handlers).run
        self.flows = DirectoryFlows(clock=clock)
        if twin is LocalDirectory:
            self.directory = LocalDirectory(self.flows, self.issuer, Runtime(handlers))
        else:
            self.directory = AsyncLocalDirectory(
                self.flows, self.issuer, AsyncRuntime(dict(map(awaited, handlers.items())))
            )

    def _tell(self, ask):
        self.told.append((ask.event, dict(ask.data)))

    def __getattr__(self, name):
        def act(*args, **given):
            done = getattr(self.directory, name)(*args, **given)
            return asyncio.run(done) if inspect.isawaitable(done) else done

        return act


def awaited(item):
    kind, handler = item

    async def handle(ask):
        await asyncio.sleep(0)
        return handler(ask)

    return kind, handle


@pytest.fixture(params=[LocalDirectory, AsyncLocalDirectory])
def house(request):
    return House(request.param)


def test_the_twins_have_the_same_acts():
    names = [name for name, _ in inspect.getmembers(AsyncLocalDirectory, inspect.isfunction)
             if not name.startswith("_")]  # fmt: skip
    assert names == PUBLIC
    assert len(PUBLIC) == 25


@pytest.mark.parametrize("name", PUBLIC)
def test_the_twins_take_the_same_arguments(name):
    sync, twin = getattr(LocalDirectory, name), getattr(AsyncLocalDirectory, name)
    assert inspect.signature(sync) == inspect.signature(twin)
    assert inspect.iscoroutinefunction(twin)
    assert twin.__doc__ == f"Async form of `LocalDirectory.{name}`."
    assert sync.__doc__


def test_every_act_does_what_its_flow_does(house):
    made = house.create_user("ada", first_name="Ada", public_metadata={"a": 1})
    assert house.get_user("ada") == made
    assert house.put_user("bob", username="bob", private_metadata={"a": 1}).username == "bob"
    assert house.update_user("ada", last_name="L", expected_version=1).version == 2
    assert house.update_user_metadata("ada", unsafe={"u": 1}).unsafe_metadata == {"u": 1}
    assert house.replace_user_metadata("ada", public={}).public_metadata == {}
    assert [user.user_id for user in house.find_users(username="bob")] == ["bob"]
    assert [user.user_id for user in house.list_users("ada").users] == ["bob"]
    acme = house.create_organization("Acme", org_id="acme", slug="a", public_metadata={"p": 1})
    assert house.get_organization("acme") == house.find_organization("a") == acme
    assert house.list_organizations().organizations == (acme,)
    assert house.update_organization("acme", name="A", slug="b", expected_version=1).slug == "b"
    merged = house.update_organization_metadata("acme", private={"k": 1})
    assert (merged.public_metadata, merged.private_metadata) == ({"p": 1}, {"k": 1})
    assert house.replace_organization_metadata("acme", public={}).public_metadata == {}
    member = house.add_member(
        "acme", "ada", "org:x", permissions=["org:a:b"], public_metadata={"a": 1}
    )
    assert house.get_member("acme", "ada") == member
    assert house.list_members("acme").memberships == house.list_memberships("ada") == (member,)
    assert house.update_member("acme", "ada", role="org:y", permissions=()).permissions == ()
    assert house.update_member_metadata("acme", "ada", private={"k": 1}).version == 3
    assert house.replace_member_metadata("acme", "ada", public={}).public_metadata == {}
    assert house.remove_member("acme", "ada") is True
    assert house.delete_organization("acme") is True
    assert house.delete_user("ada") is True
    told = [(data["user_id"], set(data["kinds"])) for _, data in house.told]
    assert told == [
        ("ada", {"public"}), ("bob", {"private"}), ("ada", {"unsafe"}), ("ada", {"public"})
    ]  # fmt: skip


def sessions_of(house, user_id):
    return house.run(house.issuer.flows.list_for_user(user_id))


def sign_in(house, user_id):
    house.run(house.issuer.create(user_id))
    house.told.clear()


def test_the_sessions_of_a_deleted_user_end_and_only_those(house):
    for user_id in ("ada", "ada", "bob"):
        sign_in(house, user_id)
    house.create_user("ada")
    assert house.delete_user("ada") is True
    assert sessions_of(house, "ada") == ()
    assert len(sessions_of(house, "bob")) == 1
    assert [event for event, _ in house.told] == ["session_revoked"] * 2
    entries = [(entry.key, entry.what) for entry in house.store.log_since(0).entries]
    assert entries[-2:] == [("ada", "deleted"), ("ada", "revoked")]


def test_a_deletion_that_was_cut_off_is_done_by_doing_it_again(house):
    sign_in(house, "ada")
    house.create_user("ada")
    house.fails_at = "session"
    with pytest.raises(UnavailableError):
        house.delete_user("ada")
    assert house.get_user("ada") is None
    assert len(sessions_of(house, "ada")) == 1
    house.fails_at = None
    assert house.delete_user("ada") is False
    assert sessions_of(house, "ada") == ()


def test_a_user_who_cannot_be_deleted_stays_signed_in(house):
    sign_in(house, "ada")
    house.create_user("ada")
    house.fails_at = "profile"
    with pytest.raises(UnavailableError):
        house.delete_user("ada")
    house.fails_at = None
    assert house.get_user("ada") is not None
    assert len(sessions_of(house, "ada")) == 1
