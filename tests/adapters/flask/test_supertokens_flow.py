"""SuperTokens' custom-claims flow with our own sessions, call by call.

Each test is one call of SuperTokens' Python SDK, or one method of its session object; it says
which. Everything runs twice: sync views with `claims.sessions`, async views with
`claims.asessions`.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g

from flask_session_claims import (
    ClaimsRefused,
    ConfigurationError,
    Issued,
    RefreshRefused,
    Session,
    SessionClaims,
    SessionError,
    TokenError,
    Verifier,
    VerifierSettings,
    claims_required,
    create_session,
    current_session,
    login_required,
    merge_session_claims,
    refresh_token_reused,
    revoke_session,
    session_created,
)
from flask_session_claims.core.claims import PROTECTED_NAMES
from flask_session_claims.testing import FrozenClock

pytest.importorskip("asgiref", reason="async views in Flask need the extra async")

ISSUER = "https://app.example.com"
HERE = {"Sec-Fetch-Site": "same-origin"}
#: An id of the right shape that no session has.
NOBODYS = f"sess_{'A' * 32}"
#: SuperTokens' list in each of its versions and SDKs.
THEIRS = (
    "sub iat exp sessionHandle refreshTokenHash1 parentRefreshTokenHash1 antiCsrfToken rsub tId stt"
).split()
OURS = (
    "iss sub aud azp exp nbf iat jti sid act v o org_id org_slug org_role org_permissions fva sts"
    " pla fea cat rev sessionHandle refreshTokenHash1 parentRefreshTokenHash1 antiCsrfToken rsub"
    " tId stt"
).split()
#: For readers that fold case or normalise these would be the same names.
SPELLED = ["Sub", "EXP", "sessionhandle", "ＳＵＢ", " iss"]


class Site:
    """An app that is its own issuer, its views and its calls in one of the two ways."""

    def __init__(self, way: str, folder: Path, **config: Any) -> None:
        self.way = way
        self.clock = FrozenClock()
        self.app = app = Flask(__name__, instance_path=str(folder))
        app.config.update(
            SECRET_KEY="tests only " * 4,
            SESSION_CLAIMS_ISSUER="self",
            SESSION_CLAIMS_ISSUER_URL=ISSUER,
            SESSION_CLAIMS_STORE="sqlite:///sessions.db",
            SESSION_CLAIMS_DEV_COOKIES=True,
            SESSION_CLAIMS_ORIGINS=[ISSUER],
        )
        app.config.update(config)
        self.claims = SessionClaims(app, clock=self.clock)
        app.register_blueprint(self.claims.blueprint(), url_prefix="/auth")
        app.register_blueprint(self.claims.well_known())
        self.client: Any = app.test_client()
        self._acts: list[Callable[[], Any]] = []
        app.add_url_rule("/act", "act", self._view(lambda: self._acts.pop()()), methods=["POST"])
        app.add_url_rule("/me", "me", login_required(self._view(lambda: g.auth.session_claims)))
        pro = claims_required(claims={"plan": "pro"})
        app.add_url_rule("/pro", "pro", pro(self._view(lambda: {"done": True})))
        live = login_required(live=True)
        app.add_url_rule("/live", "live", live(self._view(lambda: {"done": True})))
        app.add_url_rule("/open", "open", self._view(lambda: {"user": g.auth.user_id}))

    def _view(self, view: Callable[[], Any]) -> Callable[[], Any]:
        if self.way == "sync":
            return lambda: view()

        async def aview() -> Any:
            await asyncio.sleep(0)
            return view()

        return aview

    def call(self, name: str, *args: Any, **given: Any) -> Any:
        """A method of `claims.sessions`, or of its async twin."""
        if self.way == "sync":
            return getattr(self.claims.sessions, name)(*args, **given)
        return asyncio.run(getattr(self.claims.asessions, name)(*args, **given))

    def during(self, act: Callable[[], Any], client: Any = None, **headers: str) -> Any:
        """What `act` gives inside a view, in a request of the client."""
        result: list[Any] = []

        def run() -> Any:
            result.append(act())
            return {"done": True}

        self._acts.append(run)
        reply = (client or self.client).post("/act", headers={**HERE, **headers})
        assert reply.status_code == 200, reply.text
        return result[0]

    def sign_in(self, user: str = "ada", client: Any = None, **given: Any) -> Session:
        session: Session = self.during(lambda: create_session(user, **given), client)
        return session

    def me(self, client: Any = None) -> dict[str, Any]:
        """What a view of the next request reads: the custom claims."""
        claims: dict[str, Any] = (client or self.client).get("/me").get_json()
        return {name: value for name, value in claims.items() if name not in PROTECTED_NAMES}

    def cookie(self, kind: str) -> str:
        jar = self.client._cookies
        [value] = [c.value for (_, _, name), c in jar.items() if name.startswith(f"{kind}_")]
        return str(value)


def payload(token: str) -> dict[str, Any]:
    """What a token says, as any reader sees it."""
    body = token.split(".")[1]
    said: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return said


def custom(token: str) -> dict[str, Any]:
    return {name: value for name, value in payload(token).items() if name not in PROTECTED_NAMES}


@pytest.fixture(params=["sync", "async"])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Site:
    return Site(request.param, tmp_path)


# --- create -------------------------------------------------------------------------------


def test_create_new_session_puts_the_access_token_payload_into_the_token(site: Site) -> None:
    def act() -> Any:
        session = create_session("ada", claims={"plan": "pro", "roles": ["a", "b"]})
        return session, g.auth.user_id, g.auth.session_claims["plan"]

    session, user, plan = site.during(act)
    assert (session.user_id, user, plan) == ("ada", "ada", "pro")  # in the same request already
    assert site.me() == {"plan": "pro", "roles": ["a", "b"]}
    said = payload(site.cookie("session"))
    assert (said["sub"], said["sid"], said["plan"]) == ("ada", session.session_id, "pro")


def test_create_new_session_keeps_the_session_data_out_of_the_token(site: Site) -> None:
    session = site.sign_in(claims={"plan": "pro"}, data={"secret note": "n"})
    assert custom(site.cookie("session")) == {"plan": "pro"}
    assert site.call("get", session.session_id).data == {"secret note": "n"}


def test_create_new_session_without_request_response_gives_all_tokens(site: Site) -> None:
    issued = site.call("create", "ada", claims={"plan": "pro"})
    assert isinstance(issued, Issued)
    assert custom(issued.session_token) == {"plan": "pro"}
    reply = site.client.get("/me", headers={"Authorization": f"Bearer {issued.session_token}"})
    assert reply.get_json()["plan"] == "pro"
    assert site.call("refresh", issued.refresh_token).session.user_id == "ada"


def test_an_override_of_create_new_session_is_a_provider(site: Site) -> None:
    asked: list[Any] = []

    def claims_of(user_id: str, session: Session | None) -> Any:
        asked.append((user_id, session))
        return {"fullName": f"{user_id} L.", "plan": "free"}

    async def aclaims_of(user_id: str, session: Session | None) -> Any:
        return claims_of(user_id, session)

    _ = site.claims.provide(claims_of if site.way == "sync" else aclaims_of)
    site.sign_in(claims={"plan": "pro"})
    # As in `{**access_token_payload, ...}` of an override, but the call's own claims win.
    assert site.me() == {"fullName": "ada L.", "plan": "pro"}
    assert site.call("create", "eve").session.claims == {"fullName": "eve L.", "plan": "free"}
    assert asked == [("ada", None), ("eve", None)]


def test_a_provider_is_asked_again_at_each_refresh(site: Site) -> None:
    plans = iter(["free", "pro", None])

    @site.claims.provide
    def plan_of(user_id: str, session: Session | None) -> Any:
        plan = next(plans)
        return None if plan is None else {"plan": plan}

    issued = site.call("create", "ada")
    assert custom(issued.session_token) == {"plan": "free"}
    for _ in range(2):  # None leaves what was given before
        issued = site.call("refresh", issued.refresh_token)
        assert custom(issued.session_token) == {"plan": "pro"}


def test_an_async_provider_serves_both_twins(site: Site) -> None:
    @site.claims.provide
    async def claims_of(user_id: str, session: Session | None) -> Any:
        await asyncio.sleep(0)
        return {"fullName": f"{user_id} L."}

    issued = site.call("create", "ada")
    assert custom(issued.session_token) == {"fullName": "ada L."}
    assert custom(site.call("refresh", issued.refresh_token).session_token) == {
        "fullName": "ada L."
    }


# --- read ---------------------------------------------------------------------------------


def test_get_session_is_g_auth_and_says_401_where_it_is_required(site: Site) -> None:
    assert site.client.get("/me").status_code == 401
    assert site.client.get("/open").get_json() == {"user": None}  # session_required=False
    session = site.sign_in(claims={"plan": "pro"})
    assert site.me() == {"plan": "pro"}
    read = site.during(lambda: (g.auth.user_id, g.auth.session_id, g.auth.session_claims["plan"]))
    assert read == ("ada", session.session_id, "pro")


def test_get_session_with_check_database_is_a_live_gate(site: Site, tmp_path: Path) -> None:
    session = site.sign_in()
    elsewhere = Site(site.way, tmp_path)
    assert site.client.get("/me").status_code == site.client.get("/live").status_code == 200
    assert elsewhere.call("revoke", session.session_id)
    assert site.client.get("/me").status_code == 200  # for less than a second
    assert site.client.get("/live").status_code == 401
    assert site.client.get("/me").status_code == 401  # by now it is known here


def test_get_session_without_request_response_is_a_verifier(site: Site) -> None:
    issued = site.call("create", "ada", claims={"plan": "pro"})
    keys = site.client.get("/.well-known/jwks.json").get_json()
    settings = VerifierSettings(issuer=ISSUER, jwks=keys, allow_missing_azp=True)
    verifier = Verifier(settings, clock=site.clock)
    assert verifier.verify(issued.session_token)["plan"] == "pro"
    site.clock.advance(306)
    with pytest.raises(TokenError) as caught:
        _ = verifier.verify(issued.session_token)
    assert caught.value.code == "token-expired"


def test_the_getters_of_a_session_object(site: Site) -> None:
    created = site.sign_in(claims={"plan": "pro"}, data={"n": 1})

    def act() -> Any:
        at_hand = current_session()
        assert at_hand is not None
        return at_hand, g.auth.get_token(), g.auth.session_claims

    session, token, claims = site.during(act)
    # get_user_id, get_handle, get_time_created, get_session_data_from_database
    assert (session.user_id, session.session_id) == ("ada", created.session_id)
    assert (session.created_at, session.data) == (site.clock(), {"n": 1})
    # get_expiry: sliding; get_access_token, get_access_token_payload
    assert session.expires_at == site.clock() + 7 * 86_400
    assert session.absolute_end == site.clock() + 30 * 86_400
    assert (token, claims) == (site.cookie("session"), payload(site.cookie("session")))


def test_get_session_information_offline(site: Site) -> None:
    start = site.clock()
    site.claims.directory.create_user("ada")
    site.claims.directory.create_organization("Acme", org_id="org_1")
    site.claims.directory.add_member("org_1", "ada", "org:admin", permissions=["org:a:b"])
    issued = site.call(
        "create", "ada", claims={"plan": "pro"}, data={"n": 1}, device="Laptop", org_id="org_1"
    )
    site.clock.advance(60)
    _ = site.call("refresh", issued.refresh_token)
    found = site.call("get", issued.session.session_id)
    assert {field.name: getattr(found, field.name) for field in fields(found)} == {
        "session_id": issued.session.session_id,
        "user_id": "ada",
        "claims": {"plan": "pro"},
        "data": {"n": 1},
        "created_at": start,
        "last_seen_at": start + 60,
        "expires_at": start + 60 + 7 * 86_400,
        "absolute_end": start + 30 * 86_400,
        "persistent": True,
        "org_id": "org_1",
        "device": "Laptop",
        "address": None,
        "azp": None,
        "org_slug": "acme",
        "org_role": "org:admin",
        "org_permissions": ("org:a:b",),
        "actor": None,
        "first_verified_at": start,
        "second_verified_at": None,
    }


@pytest.mark.parametrize("unknown", [NOBODYS, "", "sess_1", "x" * 5000])
def test_get_session_information_of_no_session_is_none(site: Site, unknown: str) -> None:
    assert site.call("get", unknown) is None


def test_get_session_information_of_an_expired_session_is_none(site: Site) -> None:
    issued = site.call("create", "ada", lifetime=60)
    site.clock.advance(60)
    assert site.call("get", issued.session.session_id) is None


def test_get_all_session_handles_for_user_lists_live_sessions_the_last_used_first(
    site: Site,
) -> None:
    ids = []
    for _ in range(3):
        ids.append(site.call("create", "ada").session.session_id)
        site.clock.advance(1)
    _ = site.call("create", "eve")
    short = site.call("create", "ada", lifetime=1).session.session_id
    assert site.call("list_for_user", "ada")[0].session_id == short
    site.clock.advance(1)
    assert site.call("revoke", ids[1])
    assert [session.session_id for session in site.call("list_for_user", "ada")] == [ids[2], ids[0]]
    assert site.call("list_for_user", "nobody") == ()


# --- merge --------------------------------------------------------------------------------


def test_merge_into_access_token_payload_online_makes_a_new_token_now(site: Site) -> None:
    site.sign_in(claims={"plan": "free", "seats": 1})
    before = payload(site.cookie("session"))
    site.clock.advance(10)

    def act() -> Any:
        auth = merge_session_claims({"plan": "pro", "seats": None, "since": {"year": None}})
        assert g.auth == auth
        return dict(g.auth.session_claims)

    at_once = site.during(act)
    token = site.cookie("session")
    # None removes a name at the root; below the root it is a value like any other.
    assert custom(token) == {"plan": "pro", "since": {"year": None}} == site.me()
    assert at_once == payload(token)
    after = payload(token)
    assert (after["exp"], after["iat"]) == (before["exp"], before["iat"] + 10)
    assert (after["sid"], after["sub"]) == (before["sid"], before["sub"])


def test_merge_into_access_token_payload_offline_is_in_force_with_the_next_request(
    site: Site,
) -> None:
    session = site.sign_in(claims={"plan": "free", "seats": 1, "a": {"b": 1, "c": 2}})
    merged = site.call(
        "merge_claims", session.session_id, {"plan": "pro", "seats": None, "a": {"b": None}}
    )
    expected = {"plan": "pro", "a": {"b": None}}  # one level deep
    assert merged.claims == expected == site.call("get", session.session_id).claims
    assert site.me() == expected
    assert custom(site.cookie("session")) == expected  # that response brought a new one
    assert site.client.post("/auth/session/refresh", headers=HERE).status_code == 200
    assert custom(site.cookie("session")) == expected


def test_merge_into_access_token_payload_of_no_session_is_none(site: Site) -> None:
    ended = site.call("create", "ada").session.session_id
    assert site.call("revoke", ended)
    for session_id in (ended, NOBODYS, "no id"):
        assert site.call("merge_claims", session_id, {"plan": "pro"}) is None


def test_merge_for_all_sessions_of_a_user_is_one_call(site: Site) -> None:
    ids = [site.call("create", "ada", claims={"n": n, "old": 1}).session.session_id for n in (1, 2)]
    other = site.call("create", "eve", claims={"old": 1}).session.session_id
    assert site.call("merge_claims_for_user", "ada", {"plan": "pro", "old": None}) == 2
    for n, session_id in enumerate(ids, 1):
        assert site.call("get", session_id).claims == {"n": n, "plan": "pro"}
    assert site.call("get", other).claims == {"old": 1}
    assert site.call("merge_claims_for_user", "ada", {"plan": "pro", "old": None}) == 0  # no change
    assert site.call("merge_claims_for_user", "nobody", {"plan": "pro"}) == 0


def test_a_removed_claim_stays_removed_though_it_is_provided_again(site: Site) -> None:
    _ = site.claims.provide(lambda user_id, session: {"plan": "free"})
    session = site.sign_in()
    _ = site.during(lambda: merge_session_claims({"plan": None}))
    assert site.me() == {}
    assert site.client.post("/auth/session/refresh", headers=HERE).status_code == 200
    assert site.me() == {} == site.call("get", session.session_id).claims


def test_merge_when_nobody_is_signed_in_is_an_error(site: Site) -> None:
    def act() -> str:
        with pytest.raises(SessionError) as caught:
            _ = merge_session_claims({"plan": "pro"})
        return caught.value.code

    assert site.during(act) == "session-missing"


def test_merge_into_a_session_that_ended_in_the_same_moment_is_an_error(site: Site) -> None:
    session = site.sign_in()

    def act() -> str:
        assert g.auth.user_id == "ada"
        assert site.claims.sessions.revoke(session.session_id)  # by somebody else, as it were
        with pytest.raises(SessionError) as caught:
            _ = merge_session_claims({"plan": "pro"})
        return caught.value.code

    assert site.during(act) == "session-revoked"


def test_set_get_and_remove_claim_value_are_merge_and_get(site: Site) -> None:
    session_id = site.call("create", "ada").session.session_id
    assert site.call("merge_claims", session_id, {"role": "admin"}) is not None
    assert site.call("get", session_id).claims.get("role") == "admin"
    assert site.call("merge_claims", session_id, {"role": None}) is not None
    assert site.call("get", session_id).claims.get("role") is None


def test_fetch_and_set_claim_is_a_merge_of_what_you_fetch(site: Site) -> None:
    session = site.sign_in()

    def fetch(user_id: str) -> dict[str, Any]:
        return {"emailVerified": user_id == "ada"}

    merged = site.call("merge_claims", session.session_id, fetch(session.user_id))
    assert merged.claims == {"emailVerified": True} == site.me()


def test_assert_claims_is_claims_required(site: Site) -> None:
    site.sign_in(claims={"plan": "free"})
    refused = site.client.get("/pro")
    assert (refused.status_code, refused.get_json()["code"]) == (403, "permission-denied")
    _ = site.during(lambda: merge_session_claims({"plan": "pro"}))
    assert site.client.get("/pro").status_code == 200


# --- protected names ----------------------------------------------------------------------


def test_the_list_of_protected_names_holds_theirs_and_is_complete() -> None:
    assert set(OURS) == PROTECTED_NAMES
    assert set(THEIRS) <= PROTECTED_NAMES


@pytest.fixture(params=["sync", "async"], scope="module")
def shared(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Site, Session]:
    """A site with somebody signed in, whom no refused call may change."""
    site = Site(request.param, tmp_path_factory.mktemp("site"))
    return site, site.sign_in(claims={"plan": "pro"})


@pytest.mark.parametrize("name", [*OURS, *SPELLED])
@pytest.mark.parametrize("value", ["x", None])
def test_a_protected_name_is_refused_at_create_and_at_every_merge(
    shared: tuple[Site, Session], name: str, value: str | None
) -> None:
    site, session = shared
    patch = {"fine": 1, name: value}

    def refused(act: Callable[[], Any]) -> bool:
        with pytest.raises(ClaimsRefused) as caught:
            _ = act()
        assert (caught.value.code, caught.value.status) == ("claims-protected", 400)
        return caught.value.names == (name,) and repr(name) in str(caught.value)

    assert refused(lambda: site.call("create", "ada", claims=patch))
    assert refused(lambda: site.call("merge_claims", session.session_id, patch))
    assert refused(lambda: site.call("merge_claims_for_user", "ada", patch))
    assert site.during(lambda: refused(lambda: create_session("ada", claims=patch)))
    assert site.during(lambda: refused(lambda: merge_session_claims(patch)))
    # Nobody was signed in or out, and nothing was merged.
    assert [s.session_id for s in site.call("list_for_user", "ada")] == [session.session_id]
    assert site.me() == {"plan": "pro"}


def test_a_protected_name_is_refused_from_the_provider(site: Site) -> None:
    _ = site.claims.provide(lambda user_id, session: {"sub": "eve"})
    with pytest.raises(ClaimsRefused) as caught:
        _ = site.call("create", "ada")
    assert (caught.value.code, caught.value.names) == ("claims-protected", ("sub",))
    assert site.call("list_for_user", "ada") == ()


def test_a_protected_name_below_the_root_is_a_name_like_any_other(site: Site) -> None:
    site.sign_in(claims={"profile": {"sub": "x", "exp": 1}})
    assert site.me() == {"profile": {"sub": "x", "exp": 1}}


# --- data, refresh, revoke ----------------------------------------------------------------


def test_update_session_data_in_database_replaces_all_of_it(site: Site) -> None:
    session = site.sign_in(data={"a": 1, "b": 2})
    changed = site.call("set_data", session.session_id, {"b": 3})
    assert changed.data == {"b": 3} == site.call("get", session.session_id).data
    assert site.during(lambda: current_session().data) == {"b": 3}  # type: ignore[union-attr]
    assert custom(site.cookie("session")) == {}
    assert site.call("set_data", NOBODYS, {}) is None


def test_refresh_session_is_an_address_and_needs_no_script(site: Site) -> None:
    session = site.sign_in(claims={"plan": "pro"})
    first = site.cookie("refresh")
    assert site.client.post("/auth/session/refresh", headers=HERE).status_code == 200
    second = site.cookie("refresh")
    site.clock.advance(400)  # the session token has expired: the next page refreshes
    assert site.me() == {"plan": "pro"}
    assert len({first, second, site.cookie("refresh")}) == 3
    assert payload(site.cookie("session"))["sid"] == session.session_id


def test_refresh_session_without_request_response(site: Site) -> None:
    issued = site.call("create", "ada", claims={"plan": "pro"})
    next_ = site.call("refresh", issued.refresh_token)
    assert next_.session.session_id == issued.session.session_id
    assert custom(next_.session_token) == {"plan": "pro"}
    again = site.call("refresh", issued.refresh_token)  # a lost response, a second tab
    assert again.refresh_token == next_.refresh_token


def test_token_theft_detected_ends_the_session(site: Site) -> None:
    issued = site.call("create", "ada")
    _ = site.call("refresh", issued.refresh_token)
    site.clock.advance(31)
    with pytest.raises(RefreshRefused) as caught:
        _ = site.call("refresh", issued.refresh_token)
    assert (caught.value.code, caught.value.revoked) == ("refresh-token-reused", True)
    assert (caught.value.session_id, caught.value.user_id) == (issued.session.session_id, "ada")
    assert site.call("get", issued.session.session_id) is None


def test_on_token_theft_detected_is_a_signal(site: Site) -> None:
    heard: list[Any] = []

    def note(sender: Flask, **told: Any) -> None:
        heard.append(told)

    issued = site.call("create", "ada")
    _ = site.call("refresh", issued.refresh_token)
    site.clock.advance(31)
    with refresh_token_reused.connected_to(note, sender=site.app), pytest.raises(RefreshRefused):
        _ = site.call("refresh", issued.refresh_token)
    assert heard == [{"session_id": issued.session.session_id, "user_id": "ada"}]


@pytest.mark.parametrize("text", ["", "nonsense", f"{NOBODYS}.1.{'A' * 43}.{'A' * 22}"])
def test_a_refresh_token_that_was_never_issued_is_refused(site: Site, text: str) -> None:
    _ = site.call("create", "ada")
    with pytest.raises(RefreshRefused) as caught:
        _ = site.call("refresh", text)
    assert not caught.value.revoked
    assert len(site.call("list_for_user", "ada")) == 1


def test_revoke_session_says_whether_it_was_live(site: Site) -> None:
    session_id = site.call("create", "ada").session.session_id
    assert [site.call("revoke", session_id) for _ in range(2)] == [True, False]
    assert site.call("revoke", NOBODYS) is False


def test_revoke_multiple_sessions_is_a_loop(site: Site) -> None:
    ids = [site.call("create", "ada").session.session_id for _ in range(3)]
    assert [i for i in [*ids[:2], NOBODYS] if site.call("revoke", i)] == ids[:2]
    assert [session.session_id for session in site.call("list_for_user", "ada")] == ids[2:]


def test_revoke_all_sessions_for_user_gives_their_ids_and_may_keep_one(site: Site) -> None:
    ids = [site.call("create", "ada").session.session_id for _ in range(3)]
    other = site.call("create", "eve").session.session_id
    assert set(site.call("revoke_all", "ada", keep=ids[0])) == set(ids[1:])
    assert site.call("revoke_all", "ada") == (ids[0],)
    assert site.call("revoke_all", "ada") == ()
    assert site.call("get", other) is not None


def test_revoke_session_of_the_session_object_clears_the_cookies(site: Site) -> None:
    session = site.sign_in()
    assert site.during(lambda: (revoke_session(), g.auth.is_authenticated)) == (True, False)
    assert site.call("get", session.session_id) is None
    assert not site.client._cookies
    assert site.client.get("/me").status_code == 401


def test_revoke_session_clears_the_cookies_though_the_session_was_gone(site: Site) -> None:
    session = site.sign_in()
    assert site.call("revoke", session.session_id)
    assert site.during(revoke_session) is False
    assert not site.client._cookies


def test_sign_out_is_an_address(site: Site) -> None:
    site.sign_in()
    reply = site.client.post("/auth/signout", headers=HERE)
    assert (reply.status_code, reply.get_json()) == (200, {"status": "OK"})
    assert site.client.get("/me").status_code == 401


def test_without_its_blueprint_the_app_answers_for_refresh_and_sign_out(
    tmp_path: Path,
) -> None:
    app = Flask(__name__, instance_path=str(tmp_path))
    app.config.update(SECRET_KEY="tests only " * 4, SESSION_CLAIMS_STORE="memory:")
    _ = SessionClaims(app, issuer="self")
    client = app.test_client()
    assert [
        client.post(path).status_code for path in ("/auth/session/refresh", "/auth/signout")
    ] == [404, 404]


# --- headers instead of cookies -----------------------------------------------------------


def test_st_auth_mode_header_delivers_tokens_and_front_token_in_headers(site: Site) -> None:
    site._acts.append(lambda: {"id": create_session("ada", claims={"plan": "pro"}).session_id})
    fdi = {**HERE, "rid": "anti-csrf", "st-auth-mode": "header"}
    reply = site.client.post("/act", headers=fdi)
    assert "Set-Cookie" not in reply.headers
    token = reply.headers["st-access-token"]
    front = json.loads(base64.b64decode(reply.headers["front-token"]))
    said = payload(token)
    assert front == {"uid": "ada", "ate": said["exp"] * 1000, "up": said}
    exposed = {name.strip() for name in reply.headers["Access-Control-Expose-Headers"].split(",")}
    assert exposed == {"st-access-token", "st-refresh-token", "front-token"}
    bearer = {"Authorization": f"Bearer {reply.headers['st-refresh-token']}"}
    reply = site.client.post("/auth/session/refresh", headers={**bearer, "st-auth-mode": "header"})
    assert (reply.status_code, reply.get_json()) == (200, {})
    assert custom(reply.headers["st-access-token"]) == {"plan": "pro"}


def test_a_refused_refresh_tells_the_client_to_forget_its_tokens(site: Site) -> None:
    issued = site.call("create", "ada")
    assert site.call("revoke", issued.session.session_id)
    bearer = {"Authorization": f"Bearer {issued.refresh_token}", "st-auth-mode": "header"}
    reply = site.client.post("/auth/session/refresh", headers=bearer)
    assert (reply.status_code, reply.headers["front-token"]) == (401, "remove")
    assert (reply.headers["st-access-token"], reply.headers["st-refresh-token"]) == ("", "")


def test_without_st_auth_mode_tokens_are_in_cookies(site: Site) -> None:
    site._acts.append(lambda: {"id": create_session("ada").session_id})
    reply = site.client.post("/act", headers={**HERE, "rid": "anti-csrf"})
    assert len(reply.headers.getlist("Set-Cookie")) == 2
    assert "st-access-token" not in reply.headers
    assert json.loads(base64.b64decode(reply.headers["front-token"]))["uid"] == "ada"


# --- tokens for others, keys --------------------------------------------------------------


def test_create_jwt_is_mint_for_a_session(site: Site) -> None:
    session_id = site.call("create", "ada", claims={"plan": "pro"}).session.session_id
    said = payload(site.call("mint", session_id, lifetime=3600))
    assert (said["sub"], said["sid"], said["plan"]) == ("ada", session_id, "pro")
    assert said["exp"] - said["iat"] == 3600
    with pytest.raises(SessionError) as caught:
        _ = site.call("mint", NOBODYS)
    assert caught.value.code == "session-unknown"
    with pytest.raises(ConfigurationError, match="lifetime got 3601"):
        _ = site.call("mint", session_id, lifetime=3601)


def test_get_jwks_is_published_at_both_addresses(site: Site) -> None:
    issued = site.call("create", "ada")
    kid = json.loads(base64.urlsafe_b64decode(issued.session_token.split(".")[0] + "=="))["kid"]
    for path in ("/auth/jwt/jwks.json", "/.well-known/jwks.json"):
        reply = site.client.get(path)
        assert [key["kid"] for key in reply.get_json()["keys"]] == [kid]
        assert reply.headers["Access-Control-Allow-Origin"] == "*"
        assert reply.headers["Cache-Control"] == "public, max-age=300"
        again = site.client.get(path, headers={"If-None-Match": reply.headers["ETag"]})
        assert (again.status_code, again.data) == (304, b"")


def test_get_open_id_discovery_configuration(site: Site) -> None:
    reply = site.client.get("/.well-known/openid-configuration")
    assert reply.get_json()["issuer"] == ISSUER
    assert reply.get_json()["jwks_uri"] == f"{ISSUER}/.well-known/jwks.json"
    assert reply.headers["Access-Control-Allow-Origin"] == "*"


def test_signals_of_the_async_twin_reach_sync_and_async_receivers(site: Site) -> None:
    heard: list[str] = []

    def note(sender: Flask, *, session: Session, **extra: Any) -> None:
        heard.append(f"sync {session.user_id}")

    async def anote(sender: Flask, *, session: Session, **extra: Any) -> None:
        heard.append(f"async {session.user_id}")

    with (
        session_created.connected_to(note, sender=site.app),
        session_created.connected_to(anote, sender=site.app),
    ):
        _ = site.call("create", "ada")
        site.sign_in("eve")
    assert sorted(heard) == ["async ada", "async eve", "sync ada", "sync eve"]


def test_sync_and_async_are_two_ways_to_the_same_sessions(site: Site) -> None:
    session_id = site.claims.sessions.create("ada").session.session_id
    merged = asyncio.run(site.claims.asessions.merge_claims(session_id, {"plan": "pro"}))
    assert merged == site.claims.sessions.get(session_id)
