"""The acts on users."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from ..core.flow import Flow
from ..sessions.claims import Claims
from ..sessions.consult import Tell
from ..sessions.model import log_entry
from ..sessions.records import Delete
from . import faults, given, metadata
from .acts import Acts
from .changes import (
    Combine,
    Draft,
    all_of,
    change,
    current,
    metadata_after,
    page_of,
    remove_with_members,
    settle,
)
from .entries import Profile, User, UserPage
from .keeping import ALL, METADATA, USER, USER_INDEXES, Kept, read

if TYPE_CHECKING:
    from typing_extensions import Unpack

ID_BYTES: Final = 16
_Choose = Callable[[Kept[User]], User]


class UserActs(Acts):
    """Every act on users, as flows."""

    def create_user(
        self,
        user_id: str | None = None,
        *,
        public_metadata: Mapping[str, Any] | None = None,
        private_metadata: Mapping[str, Any] | None = None,
        unsafe_metadata: Mapping[str, Any] | None = None,
        **profile: Unpack[Profile],
    ) -> Flow[User]:
        """A new user; `user-exists` if the id is in use."""
        now, key = self._clock(), self._user_id(user_id)
        fill = _filling(profile, public_metadata, private_metadata, unsafe_metadata)

        def choose(kept: Kept[User]) -> User:
            if kept.entry is not None:
                raise faults.user_exists(key)
            return fill(_new(key, now))

        return _settle_user(key, choose, now)

    def put_user(
        self,
        user_id: str,
        *,
        public_metadata: Mapping[str, Any] | None = None,
        private_metadata: Mapping[str, Any] | None = None,
        unsafe_metadata: Mapping[str, Any] | None = None,
        **profile: Unpack[Profile],
    ) -> Flow[User]:
        """A user with these fields, created or changed; metadata is merged at every depth."""
        now, key = self._clock(), given.identity(user_id, "user_id")
        fill = _filling(profile, public_metadata, private_metadata, unsafe_metadata)

        def choose(kept: Kept[User]) -> User:
            return fill(_new(key, now) if kept.entry is None else kept.entry)

        return _settle_user(key, choose, now)

    def update_user(
        self, user_id: str, *, expected_version: int | None = None, **profile: Unpack[Profile]
    ) -> Flow[User]:
        """A user after a change of some fields; None clears one."""
        fields = given.profile(profile)
        return self._change_user(user_id, expected_version, lambda user: replace(user, **fields))

    def update_user_metadata(
        self,
        user_id: str,
        *,
        public: Mapping[str, Any] | None = None,
        private: Mapping[str, Any] | None = None,
        unsafe: Mapping[str, Any] | None = None,
        expected_version: int | None = None,
    ) -> Flow[User]:
        """A user after metadata was merged at every depth; None removes a name."""
        patches = given.some_metadata(public=public, private=private, unsafe=unsafe)
        return self._set_user_metadata(user_id, expected_version, patches, metadata.merge)

    def replace_user_metadata(
        self,
        user_id: str,
        *,
        public: Mapping[str, Any] | None = None,
        private: Mapping[str, Any] | None = None,
        unsafe: Mapping[str, Any] | None = None,
        expected_version: int | None = None,
    ) -> Flow[User]:
        """A user after the given kinds of metadata were replaced; {} clears one."""
        kinds = given.some_metadata(public=public, private=private, unsafe=unsafe)
        return self._set_user_metadata(user_id, expected_version, kinds, metadata.replace_with)

    def get_user(self, user_id: str) -> Flow[User | None]:
        """A user, or None."""
        return (yield from read(USER, given.identity(user_id, "user_id"))).entry

    def find_users(
        self,
        *,
        primary_email_address: str | None = None,
        username: str | None = None,
        external_id: str | None = None,
    ) -> Flow[tuple[User, ...]]:
        """The users that have this value, by id."""
        sought = given.sought({
            "primary_email_address": primary_email_address,
            "username": username,
            "external_id": external_id,
        })  # fmt: skip
        if sought is None:
            return ()
        name, value = sought
        return (yield from all_of(USER, USER_INDEXES[name], value))

    def list_users(self, after: str | None = None) -> Flow[UserPage]:
        """Some of all users, by id."""
        users, following = yield from page_of(USER, *ALL, given.position(after))
        return UserPage(users, following)

    def delete_user(self, user_id: str) -> Flow[bool]:
        """Remove a user with all memberships; whether there was one."""
        key = given.identity(user_id, "user_id")
        return remove_with_members(USER, key, self._clock(), _nothing_else)

    # --- parts ----------------------------------------------------------------------------

    def _user_id(self, user_id: str | None) -> str:
        if user_id is None:
            return f"user_{self._random(ID_BYTES).hex()}"
        return given.identity(user_id, "user_id")

    def _set_user_metadata(
        self,
        user_id: str,
        expected_version: int | None,
        patches: Mapping[str, Claims],
        combine: Combine,
    ) -> Flow[User]:
        def combined(user: User) -> User:
            return replace(user, **metadata_after(user, patches, combine))

        return self._change_user(user_id, expected_version, combined)

    def _change_user(
        self, user_id: str, expected_version: int | None, changed: Callable[[User], User]
    ) -> Flow[User]:
        now, key = self._clock(), given.identity(user_id, "user_id")
        expected = given.version(expected_version)

        def choose(kept: Kept[User]) -> User:
            return changed(current(kept, faults.user_unknown(key), expected))

        return _settle_user(key, choose, now)


def _new(user_id: str, now: float) -> User:
    return User(user_id=user_id, created_at=now, updated_at=now, version=0)


def _filling(
    profile: Profile,
    public: Mapping[str, Any] | None,
    private: Mapping[str, Any] | None,
    unsafe: Mapping[str, Any] | None,
) -> Callable[[User], User]:
    """What sets the given fields of a user, and merges the given metadata."""
    fields = given.profile(profile)
    patches = given.metadata(
        public_metadata=public, private_metadata=private, unsafe_metadata=unsafe
    )
    return lambda user: replace(user, **fields, **metadata_after(user, patches))


def _settle_user(user_id: str, choose: _Choose, now: float) -> Flow[User]:
    """The user as chosen, once it is so; then it is told which metadata has changed."""

    def decide() -> Flow[Draft[tuple[User, frozenset[str]]]]:
        kept = yield from read(USER, user_id)
        done = change(kept, choose(kept), now)
        log = (log_entry("user", user_id, "profile", now),) if done.is_seen else ()
        return Draft((done.entry, done.fields), done.puts, (), log)

    user, fields = yield from settle(decide)
    kinds = frozenset(name.removesuffix("_metadata") for name in fields.intersection(METADATA))
    if kinds:
        yield from Tell("user_metadata_changed", {"user_id": user_id, "kinds": kinds})
    return user


def _nothing_else(user: User) -> Flow[tuple[Delete, ...]]:
    yield from ()
    return ()
