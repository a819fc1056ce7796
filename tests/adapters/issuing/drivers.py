"""What a driver of a framework must do for the issuing contract, and the browsers that tests use.

It knows no framework: `driver_flask`, `driver_quart` and `driver_django` do. A browser is a
`Client`: a cookie jar of its own around `Driver.play`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

from flask_session_claims import Auth, UnavailableError
from flask_session_claims.io.directory import LocalDirectory
from flask_session_claims.io.sessions import Sessions
from flask_session_claims.io.templates import Templates
from flask_session_claims.sessions.faults import ClaimsRefused
from flask_session_claims.sessions.model import Session
from flask_session_claims.testing.record import record

from ..drivers import Ask, Reply
from .jar import Clock as Clock
from .jar import Jar, cookies_of, secrets_in

if TYPE_CHECKING:
    from .people import Functions

#: The app's hook: (user id, the session or None) -> claims or None, or an awaitable of that.
Provide = Callable[[str, "Session | None"], Any]
#: What was sent: the signal's name as in `SIGNALS`, and its keyword data without the sender.
Signalled = tuple[str, dict[str, Any]]
Fields = Sequence[tuple[str, str]]

#: Every app under the contract has it, so that several apps over one store share its keys.
SECRET_KEY = "the contract's own secret key, for no other use"
#: Where the endpoints are mounted; the well-known addresses are at the root.
MOUNT = "/auth"
SIGNALS = (
    "session_created", "session_refreshed", "session_revoked", "refresh_token_reused",
    "claims_oversize", "claims_refreshed", "keys_rotated", "token_rejected",
    "organization_switched", "user_metadata_changed", "impersonation_started",
    "impersonation_stopped",
)  # fmt: skip


class Driver(Protocol):
    """A framework's app and test client, as the issuing contract uses them.

    Routes of every app; JSON out, parameters in the query string:

    - POST /sign-in: `create_session(*arguments, **keywords)` of `sign_in_arguments`; answers
      `signed_in(session, auth)`.
    - POST /sign-in-fails: the same, then answers with the status of `?status=`.
    - POST /sign-in-raises: the same, then raises RuntimeError: answered with 500.
    - GET /sign-in-by-get: as /sign-in.
    - GET /me (login_required), GET, POST and OPTIONS /peek (no gate): `about(auth)`.
    - GET /cached (no gate): as /peek, with Cache-Control: public, max-age=60 from the app.
    - GET /still: `{"still": true}`, without a look at auth.
    - POST /merge (login_required): `merge_session_claims(json of ?patch=)`; answers
      `merged(returned, auth)`, where `auth` is what the request has by then.
    - POST /merge-fails (login_required): merges, then answers with 500.
    - POST /sign-out: `{"ended": revoke_session()}`.
    - GET /session: `session_json(current_session())`.
    - GET, HEAD, POST /answer (no gate): as /peek, with the status of `?status=` and the
      Cache-Control of `?cache=`; with `?raises=1` it raises RuntimeError once auth was read.
    - GET /live (login_required(live=True)): `about(auth)`.
    - GET /live-pro (login_required(live=True), and claims_required(claims={"plan": "pro"},
      live=True)): `about(auth)`.
    - GET /verified (login_required(validators=[IS_VERIFIED])), /verified-teams (that, and
      claims_required(validators=[IN_A])), /unverified
      (login_required(validators=without_verified)): `about(auth)`; see `fetched.py`.
    - GET /watch: a streamed response, one line for each look at what `is_current` says of the
      request's auth: first, and after each of `app.meanwhile`, which is called in a thread
      where there is a loop. It is of `line(…)`; with `?plain=1` the auth is that of
      `get_auth()`, called ahead of the stream.
    - GET /stream: a streamed response: one space, and once the headers are sent `about(auth)`
      read only then.
    - POST /act: the act of the request named by `?do=`, with the JSON of `?with=` as keywords,
      answers `acted(returned, auth)` with the status of `?status=`.
    - GET, POST /user: `seen_user(current_user, current_user)`; with `?then=` that one is signed in
      between the two.
    - POST /sync: `synced(sync_user(?user=))`.
    - GET /known: `known(…)` of the user of `?user=` in the directory, and of the session
      token's template; awaited where the view is async.
    - GET /admin (claims_required(role="org:admin")), /invoices
      (claims_required(permission="org:invoices:manage")), /strict
      (claims_required(reverification="strict")), /own (login_required(allow_actor=False)):
      `about(auth)`.

    Where an act raises a SessionError, the view answers `refusal(error)`; /act, /user and /sync
    also where it raises a ConfigurationError. Everything else is the adapter's and the
    framework's: 401, 403, 503, 500; exceptions are not propagated to the test.
    """

    #: Auth is settled ahead of the view, so that a view that never reads it, or reads it late,
    #: has been refreshed all the same (async frameworks).
    settles_first: bool

    def build(
        self,
        settings: Mapping[str, Any],
        clock: Clock,
        *,
        provide: Provide | None = None,
        functions: Functions | None = None,
    ) -> Any:
        """An app that is its own issuer, with the routes above and the endpoints.

        Args:
            settings: upper case, without prefix, ISSUER = "self" among them; a store object as
                STORE so that several apps can share it. The framework's secret key is
                `SECRET_KEY`; the app is neither in debug nor in testing mode.
            clock: for everything in the app.
            provide: the hook for provided claims, sync or async.
            functions: the app's other functions, given by `Functions.give`.

        Its attribute `meanwhile`, a list of functions and empty at first, is for /watch.
        """
        ...

    def play(self, app: Any, asks: Sequence[Ask]) -> list[Reply]:
        """The replies, in order, to requests that are made at the same time.

        In threads, or in tasks of one loop. A single one may be played as it comes. The test
        client's own cookies are off.
        """
        ...

    def client(self, app: Any) -> Client:
        """A browser of its own: `Client(self, app, clock)` with the app's clock."""
        ...

    def sessions(self, app: Any) -> Sessions:
        """The acts on sessions from anywhere, in their sync form."""
        ...

    def directory(self, app: Any) -> LocalDirectory:
        """The same for users and organisations."""
        ...

    def templates(self, app: Any) -> Templates:
        """The same for templates."""
        ...

    def signals(
        self, app: Any, told: Callable[[str, dict[str, Any]], None] | None = None
    ) -> AbstractContextManager[list[Signalled]]:
        """The `SIGNALS` of this app, in order, while it is open.

        Args:
            told: called by each receiver, at once.
        """
        ...


# --- what the views answer ------------------------------------------------------------------


def sign_in_arguments(query: Mapping[str, str]) -> tuple[str, dict[str, Any]]:
    """User id and keywords for `create_session`.

    `?user=` (default "user_1"), `&claims=` and `&data=` as JSON, `&persistent=` ("0", "1"),
    `&lifetime=` (seconds), `&device=`, `&address=`, `&org_id=`.
    """
    keywords: dict[str, Any] = {
        name: json.loads(query[name])
        for name in ("claims", "data", "lifetime")
        if query.get(name) is not None
    }
    if query.get("persistent") is not None:
        keywords["persistent"] = query["persistent"] != "0"
    for name in ("device", "address", "org_id"):
        if query.get(name) is not None:
            keywords[name] = query[name]
    return query.get("user", "user_1"), keywords


def about(auth: Any) -> dict[str, Any]:
    """An `Auth`, or what stands for it in a request."""
    return {
        "user": auth.user_id,
        "session": auth.session_id,
        "claims": auth.session_claims,
        "source": auth.source,
        "reason": auth.reason,
    }


def session_json(session: Session | None) -> dict[str, Any] | None:
    if session is None:
        return None
    return {
        "session": session.session_id,
        "user": session.user_id,
        "claims": session.claims,
        "data": session.data,
        "persistent": session.persistent,
        "expires_at": session.expires_at,
        "absolute_end": session.absolute_end,
        "device": session.device,
        "address": session.address,
    }


def signed_in(session: Session, auth: Any) -> dict[str, Any]:
    return {"created": session_json(session), "auth": about(auth)}


def merged(returned: Auth, auth: Any) -> dict[str, Any]:
    return {"returned": about(returned), "auth": about(auth)}


def line(said: bool | UnavailableError) -> str:
    """A line of /watch: what `is_current` has said, or the code of what it has raised."""
    return f"{said.code if isinstance(said, UnavailableError) else said}\n"


def refusal(error: Any) -> tuple[dict[str, Any], int]:
    """Body and status for a SessionError that an act raised."""
    names = sorted(error.names) if isinstance(error, ClaimsRefused) else []
    return {"error": error.code, "names": names, "message": error.message}, error.status


# --- browsers -------------------------------------------------------------------------------

#: What a browser says of a script or a form of the same site.
SAME: tuple[tuple[str, str], ...] = (("Sec-Fetch-Site", "same-origin"),)


class Client:
    """A browser: every reply goes through its jar. Requests may be made by several threads."""

    def __init__(self, driver: Driver, app: Any, clock: Clock) -> None:
        self._driver, self._app, self._clock = driver, app, clock
        self.jar = Jar(clock)

    def send(
        self, path: str, method: str = "GET", headers: Fields = (), cookies: bool = True
    ) -> Reply:
        """One request, with the jar's cookies unless `cookies` is False."""
        return self.absorb(
            self._driver.play(self._app, [self.ask(path, method, headers, cookies)])[0]
        )

    def get(self, path: str, **query: Any) -> Reply:
        return self.send(target(path, **query))

    def post(self, path: str, headers: Fields = SAME, **query: Any) -> Reply:
        return self.send(target(path, **query), "POST", headers)

    def sign_in(self, user: str = "user_1", **query: Any) -> str:
        """The id of the user's new session."""
        reply = self.post("/sign-in", user=user, **query)
        assert reply.status == 200, reply
        session_id: str = reply.json["created"]["session"]
        return session_id

    def user(self) -> str | None:
        """Who is signed in, as a view without gates sees it."""
        reply = self.get("/peek")
        assert reply.status == 200, reply
        user: str | None = reply.json["user"]
        return user

    def ask(
        self, path: str, method: str = "GET", headers: Fields = (), cookies: bool = True
    ) -> Ask:
        """The request as `send` would make it, to be played with others."""
        fields = tuple(headers)
        cookie = self.jar.header(path) if cookies else None
        return Ask(path, method, (*fields, ("Cookie", cookie)) if cookie else fields)

    def absorb(self, reply: Reply) -> Reply:
        """What a browser does with a reply; no secret of it is where a script could read it."""
        check_body(reply)
        self.jar.take(reply)
        return reply

    def to(self, app: Any) -> Client:
        """The same browser at another app of the same site."""
        other = Client(self._driver, app, self._clock)
        other.jar = self.jar
        return other

    def twin(self) -> Client:
        """Somebody else with a copy of the cookies."""
        other = Client(self._driver, self._app, self._clock)
        other.jar = self.jar.copy()
        return other

    def together(self, asks: Sequence[Ask]) -> list[Reply]:
        """Requests at the same time; the replies go through the jar in order."""
        return [self.absorb(reply) for reply in self._driver.play(self._app, asks)]


def check_body(reply: Reply) -> None:
    """No body holds what a cookie or an FDI header of the same reply carries."""
    values = [cookie.value for cookie in cookies_of(reply).values()]
    values += [*reply.all("st-access-token"), *reply.all("st-refresh-token")]
    secrets = [secret for value in values for secret in secrets_in(value)]
    record(secrets)
    text = reply.body.decode("utf-8", "replace")
    assert not [secret for secret in secrets if secret in text], "a token is in the body"


def target(path: str, **query: Any) -> str:
    """A path with a query; what is no text goes as JSON, True and False as 1 and 0."""
    given = {name: _shown(value) for name, value in query.items()}
    return f"{path}?{urlencode(given)}" if given else path


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    return value if isinstance(value, str) else json.dumps(value)
