"""Two issuers in one app: staff of one, customers of the other; whose token counts is for the
app to say, by the host or the path of a request and never by the token.
"""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask, g, render_template_string, request

from flask_session_claims import (
    ConfigurationError,
    SessionClaims,
    claims_refreshed,
    claims_required,
    current_auth,
    get_auth,
    is_safe_redirect,
    login_required,
    redirect_target,
    token_rejected,
)
from flask_session_claims.testing import KeyServer, LocalIssuer, auth_as, shared_key

from ..flask_site import APP, NAVIGATE, show

STAFF = "https://staff.example"
#: Why a token of the one is none at the other: no key of that name is trusted there.
OTHERS = "jwk-kid-mismatch"


@pytest.fixture
def staff() -> LocalIssuer:
    """The issuer of the further side."""
    return LocalIssuer(STAFF, key=shared_key("ES256", 1), azp=APP)


@pytest.fixture
def users(issuer: LocalIssuer) -> LocalIssuer:
    issuer.azp = APP
    return issuer


def by_path(here: Any) -> str | None:
    return "admin" if here.path.startswith("/admin") else None


def by_host(here: Any) -> str | None:
    return "admin" if here.host == "admin.example" else None


def two(config: dict[str, Any], staff: LocalIssuer, select: Any = by_path, **admin: Any) -> Flask:
    """An app with both, and one view at each side."""
    app = Flask("site")
    app.config.update(config)
    SessionClaims(app, select=select)
    SessionClaims(
        app,
        name="admin",
        **{"issuer": staff.issuer, "jwks": staff.jwks(), "origins": [APP]} | admin,
    )
    show(app, "/me")
    show(app, "/admin/me")
    show(app, "/member", login_required)
    show(app, "/admin/member", login_required)
    return app


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def get(app: Flask, path: str, *headers: dict[str, str], **options: Any) -> Any:
    merged = {name: value for each in headers for name, value in each.items()}
    return app.test_client(use_cookies=False).get(path, headers=merged, **options)


# --- whose token counts where -------------------------------------------------------------


@pytest.mark.parametrize("carried", ["header", "cookie"])
def test_a_token_of_one_never_signs_in_at_the_other(config, users, staff, carried):
    app = two(config, staff)

    def sent(token: str) -> dict[str, str]:
        return bearer(token) if carried == "header" else {"Cookie": f"__session={token}"}

    ada, sue = sent(users.mint("ada")), sent(staff.mint("sue"))
    for _ in range(3):  # known to its own side or not, it is nobody at the other
        assert get(app, "/me", ada).json == {"user": "ada", "reason": None}
        assert get(app, "/admin/me", sue).json == {"user": "sue", "reason": None}
        assert get(app, "/admin/me", ada).json == {"user": None, "reason": OTHERS}
        assert get(app, "/me", sue).json == {"user": None, "reason": OTHERS}
        assert get(app, "/admin/member", ada).status_code == 401
        assert get(app, "/member", sue).status_code == 401


def test_nor_where_somebody_says_the_other_issuers_name(config, users, staff):
    """The key decides too: what one issuer signs in the other's name is a forgery."""
    app = two(config, staff)
    said = {"as staff": LocalIssuer(STAFF, key=shared_key("ES256"), kid=staff.kid, azp=APP),
            "as users": LocalIssuer(users.issuer, key=shared_key("ES256", 1), kid=users.kid,
                                    azp=APP)}  # fmt: skip
    forged = {"user": None, "reason": "token-invalid-signature"}
    assert get(app, "/admin/me", bearer(said["as staff"].mint())).json == forged
    assert get(app, "/me", bearer(said["as users"].mint())).json == forged


def test_select_by_host(config, users, staff):
    app = two(config, staff, by_host)
    ada, sue = bearer(users.mint("ada")), bearer(staff.mint("sue"))
    admin = {"base_url": "https://admin.example"}
    assert get(app, "/me", ada).json["user"] == "ada"
    assert get(app, "/me", ada, **admin).json["reason"] == OTHERS
    assert get(app, "/me", sue, **admin).json["user"] == "sue"
    assert get(app, "/me", sue).json["reason"] == OTHERS


def test_one_side_goes_on_while_the_keys_of_the_other_cannot_be_had(config, users, staff):
    with KeyServer(staff) as server:
        server.mode = "status"
        app = two(config, staff, jwks=None, jwks_url=server.url, allow_loopback_http=True)
        assert get(app, "/admin/member", bearer(staff.mint("sue"))).status_code == 503
        assert get(app, "/member", bearer(users.mint("ada"))).json["user"] == "ada"


def test_every_way_to_auth_tells_of_the_side_that_judges(config, users, staff):
    app = two(config, staff)
    seen: list[Any] = []

    @app.get("/admin/all")
    def everything() -> str:
        seen.append((g.auth.issuer, current_auth.issuer, get_auth().issuer))
        return render_template_string("{{ auth.issuer }} {{ g.auth.issuer }}")

    reply = get(app, "/admin/all", bearer(staff.mint("sue")))
    assert reply.text == f"{STAFF} {STAFF}"
    assert seen == [(STAFF,) * 3]


def test_auth_read_ahead_of_any_hook_is_judged_by_the_selected_side(config, users, staff):
    app = two(config, staff)
    seen: list[Any] = []
    app.url_value_preprocessor(lambda endpoint, values: seen.append(current_auth.user_id))
    get(app, "/admin/me", bearer(staff.mint("sue")))
    get(app, "/me", bearer(users.mint("ada")))
    with app.test_request_context("/admin/me", headers=bearer(staff.mint("sue"))):
        seen.append(g.auth.user_id)
    assert seen == ["sue", "ada", "sue"]


# --- settings of each side ----------------------------------------------------------------


def test_each_side_has_its_own_settings_for_gates_cookies_and_vary(config, users, staff):
    config["SESSION_CLAIMS_SIGN_IN_URL"] = "/sign-in"
    config["ADMIN_SESSION_CLAIMS_SIGN_IN_URL"] = "/admin/sign-in"
    config["ADMIN_SESSION_CLAIMS_REDIRECT_PARAM"] = "back"
    config["ADMIN_SESSION_CLAIMS_COOKIE_NAME"] = "__staff"
    config["ADMIN_SESSION_CLAIMS_TOKEN_SOURCES"] = ["cookie"]
    config["ADMIN_SESSION_CLAIMS_DEFAULT_POLICY"] = "required"
    app = two(config, staff)
    assert get(app, "/member", NAVIGATE).location == "/sign-in?redirect_url=%2Fmember"
    assert get(app, "/admin/me", NAVIGATE).location == "/admin/sign-in?back=%2Fadmin%2Fme"
    assert get(app, "/me").status_code == 200  # the policy of the other side is not its own
    both = {"Cookie": f"__session={users.mint('ada')}; __staff={staff.mint('sue')}"}
    ours, theirs = get(app, "/me", both), get(app, "/admin/me", both)
    assert (ours.json["user"], theirs.json["user"]) == ("ada", "sue")
    assert (ours.headers["Vary"], theirs.headers["Vary"]) == ("Authorization, Cookie", "Cookie")
    assert get(app, "/admin/me", bearer(staff.mint("sue"))).status_code == 401


def test_a_view_that_both_sides_serve_meets_the_policy_of_each(config, users, staff):
    app = two(config, staff, by_host, default_policy="required")
    admin = {"base_url": "https://admin.example"}
    for _ in range(2):  # the plan of a view is kept for each side
        assert get(app, "/me").status_code == 200
        assert get(app, "/me", **admin).status_code == 401


def test_origins_are_each_sides_own(config, users, staff):
    app = two(config, staff, origins=[STAFF], authorized_parties=[APP])
    app.add_url_rule("/do", "do", login_required(lambda: "ok"), methods=["POST"])
    app.add_url_rule("/admin/do", "admin_do", login_required(lambda: "ok"), methods=["POST"])
    client = app.test_client(use_cookies=False)

    def post(path: str, token: str, origin: str) -> int:
        headers = {"Cookie": f"__session={token}", "Origin": origin}
        return client.post(path, headers=headers).status_code

    assert post("/do", users.mint(), APP) == 200
    assert post("/do", users.mint(), STAFF) == 403
    assert post("/admin/do", staff.mint(), STAFF) == 200
    assert post("/admin/do", staff.mint(), APP) == 403


def test_redirects_are_judged_by_the_side_at_hand(config, staff):
    app = two(config, staff, origins=[STAFF], redirect_param="back")
    with app.test_request_context("/admin/sign-in?back=/admin/a&redirect_url=/b"):
        assert redirect_target() == "/admin/a"
        assert (is_safe_redirect(f"{STAFF}/x"), is_safe_redirect(f"{APP}/x")) == (True, False)
    with app.test_request_context("/sign-in?back=/admin/a&redirect_url=/b"):
        assert redirect_target() == "/b"
        assert (is_safe_redirect(f"{STAFF}/x"), is_safe_redirect(f"{APP}/x")) == (False, True)
    with app.app_context():
        assert is_safe_redirect(f"{APP}/x")


def test_callbacks_are_each_sides_own(config, staff):
    app = Flask("site")
    app.config.update(config)
    home = SessionClaims(app, select=by_path)
    admin = SessionClaims(app, name="admin", issuer=staff.issuer, jwks=staff.jwks())
    show(app, "/member", login_required)
    show(app, "/admin/member", login_required)
    home.unauthenticated(lambda error: ("home", 401))
    assert get(app, "/admin/member").json["code"] == "session-token-missing"
    admin.unauthenticated(lambda error: ("admin", 401))
    assert [get(app, path).text for path in ("/member", "/admin/member")] == ["home", "admin"]


def test_signals_tell_of_refusals_and_changes_at_every_side(config, users, staff):
    app = two(config, staff)
    heard: list[Any] = []

    def rejected(sender: Any, reason: str, **extra: Any) -> None:
        heard.append((sender is app, reason))

    def refreshed(sender: Any, auth: Any, changed: Any, **extra: Any) -> None:
        heard.append((sender is app, auth.issuer, set(changed)))

    with token_rejected.connected_to(rejected), claims_refreshed.connected_to(refreshed):
        get(app, "/admin/me", bearer(users.mint("ada")))
        # One session id at two issuers is two sessions.
        get(app, "/me", bearer(users.mint("ada", sid="s", iat=100, nbf=100, plan="a")))
        get(app, "/admin/me", bearer(staff.mint("sue", sid="s", iat=200, nbf=200, plan="b")))
        get(app, "/admin/me", bearer(staff.mint("sue", sid="s", iat=300, nbf=300, plan="c")))
    assert heard == [(True, OTHERS), (True, STAFF, {"plan"})]


def test_auth_as_is_seen_at_both(config, staff):
    app = two(config, staff)
    with auth_as("ada"):
        assert get(app, "/me").json["user"] == get(app, "/admin/me").json["user"] == "ada"


# --- select -------------------------------------------------------------------------------


@pytest.fixture
def failing(config, staff) -> Any:
    def make(select: Any) -> Any:
        app = two(config, staff, select)
        app.testing = True
        return app

    return make


@pytest.mark.parametrize("given", ["admn", "", 3, ["admin"], True, b"admin"])
def test_an_unknown_name_is_a_mistake_that_names_the_known(failing, users, given):
    app = failing(lambda here: given)
    with pytest.raises(ConfigurationError, match=r"select: gave .*\('admin'\)"):
        get(app, "/me", bearer(users.mint()))


def test_what_select_raises_is_the_apps_own_and_signs_nobody_in(failing, users, monkeypatch):
    def select(here: Any) -> str | None:
        raise LookupError("the app's own mistake")

    app = failing(select)
    ran: list[int] = []
    app.add_url_rule("/ran", "ran", lambda: ran.append(1) or "ran")
    with pytest.raises(LookupError, match="own mistake"):
        get(app, "/me", bearer(users.mint()))
    app.testing = False
    app.config["PROPAGATE_EXCEPTIONS"] = False
    monkeypatch.setattr(app.logger, "disabled", True)
    for path in ("/me", "/member", "/ran"):
        assert get(app, path, bearer(users.mint())).status_code == 500
    assert ran == []


def test_select_may_not_be_async(failing, users):
    async def select(here: Any) -> str | None:
        return "admin"

    with pytest.raises(ConfigurationError, match="plain function"):
        get(failing(select), "/me", bearer(users.mint()))


@pytest.mark.parametrize("read", [
    lambda: g.auth.user_id, lambda: current_auth.user_id, lambda: get_auth(),
    lambda: is_safe_redirect("/"),
])  # fmt: skip
def test_select_may_not_read_what_it_is_to_choose(failing, users, read):
    def select(here: Any) -> str | None:
        return "admin" if read() else None

    with pytest.raises(ConfigurationError, match="select: it reads auth"):
        get(failing(select), "/me", bearer(users.mint()))


def test_select_is_asked_once_for_each_request(config, users, staff):
    asked: list[str] = []

    def select(here: Any) -> str | None:
        asked.append(here.path)
        return by_path(here)

    app = two(config, staff, select)
    app.add_url_rule("/free", "free", lambda: "ok")

    @app.get("/admin/much")
    @login_required
    @claims_required(predicate=lambda auth: True)
    def much() -> str:
        return "".join(str(each) for each in (g.auth.user_id, current_auth.user_id, request.path))

    get(app, "/admin/much", bearer(staff.mint()))
    get(app, "/free")
    get(app, "/nowhere")
    assert asked == ["/admin/much", "/free", "/nowhere"]


def test_a_request_made_inside_a_view_has_a_side_of_its_own(config, users, staff):
    app = two(config, staff)

    @app.get("/outer")
    def outer() -> dict[str, Any]:
        before = g.auth.user_id
        inner = get(app, "/admin/me", bearer(staff.mint("sue"))).json["user"]
        return {"seen": [before, inner, g.auth.user_id, get_auth().user_id]}

    reply = get(app, "/outer", bearer(users.mint("ada")))
    assert reply.json == {"seen": ["ada", "sue", "ada", "ada"]}


# --- setting up ---------------------------------------------------------------------------


def test_the_one_without_a_name_comes_first(config, staff):
    app = Flask("site")
    app.config.update(config)
    admin = SessionClaims(name="admin", issuer=staff.issuer, jwks=staff.jwks())
    with pytest.raises(ConfigurationError, match=r"name='admin': make the one without a name"):
        admin.init_app(app)
    SessionClaims(app)
    admin.init_app(app)
    with pytest.raises(ConfigurationError, match=r"name='admin': this app has that one"):
        admin.init_app(app)
    with pytest.raises(ConfigurationError, match=r"name='admin': this app has that one"):
        SessionClaims(app, name="admin", issuer=staff.issuer, jwks=staff.jwks())
    with pytest.raises(ConfigurationError, match=r"give a further issuer a name"):
        SessionClaims(app)


@pytest.mark.parametrize("name", ["", "an admin", "2nd", "a-b", 3, True, b"admin"])
def test_a_name_is_a_word(name):
    with pytest.raises(ConfigurationError, match="name: got"):
        SessionClaims(name=name)


def test_select_belongs_to_the_one_without_a_name():
    with pytest.raises(ConfigurationError, match="select: give it to the SessionClaims without"):
        SessionClaims(name="admin", select=by_path)


def test_settings_stand_under_a_prefix_that_its_messages_name(config, users, staff):
    app = Flask("site")
    app.config.update(
        config,
        ADMIN_SESSION_CLAIMS_ISSUER=staff.issuer,
        ADMIN_SESSION_CLAIMS_JWKS=staff.jwks(),
        ADMIN_SESSION_CLAIMS_ORIGINS=[APP],
    )
    SessionClaims(app, select=by_path)
    SessionClaims(app, name="admin")
    show(app, "/admin/me")
    assert get(app, "/admin/me", bearer(staff.mint("sue"))).json["user"] == "sue"
    for key, value in (("LEEWAY", 600), ("ORIGNS", [APP]), ("TOKEN_USE", "x")):
        again = Flask("again")
        again.config.update(app.config)
        again.config[f"ADMIN_SESSION_CLAIMS_{key}"] = value
        SessionClaims(again)
        with pytest.raises(ConfigurationError, match=f"^ADMIN_SESSION_CLAIMS_{key}: "):
            SessionClaims(again, name="admin")


def test_a_name_without_an_issuer_does_not_become_the_first_one_again(monkeypatch, issuer):
    """Clerk's variables stand for one issuer; a forgotten setting must not borrow them."""
    monkeypatch.setenv("CLERK_PUBLISHABLE_KEY", "pk_test_Y2xlcmsuZXhhbXBsZS5jb20k")
    app = Flask("site")
    app.config["CLERK_JWT_KEY"] = issuer.public_pem()
    SessionClaims(app)
    with pytest.raises(ConfigurationError, match=r"^ADMIN_SESSION_CLAIMS_ISSUER: is unset"):
        SessionClaims(app, name="admin")
    SessionClaims(app, name="other", clerk_publishable_key="pk_test_Y2xlcmsuc3RhZmYuZXhhbXBsZSQ")


def test_a_failed_set_up_leaves_nothing_behind(config, staff):
    app = Flask("site")
    app.config.update(config)
    SessionClaims(app, select=by_path)
    with pytest.raises(ConfigurationError, match="ADMIN_SESSION_CLAIMS_LEEWAY"):
        SessionClaims(app, name="admin", issuer=staff.issuer, jwks=staff.jwks(), leeway=600)
    SessionClaims(app, name="admin", issuer=staff.issuer, jwks=staff.jwks(), origins=[APP])
    show(app, "/admin/me")
    assert get(app, "/admin/me", bearer(staff.mint("sue"))).json["user"] == "sue"


def test_the_same_two_objects_serve_several_apps(config, users, staff):
    home = SessionClaims(select=by_path)
    admin = SessionClaims(name="admin", issuer=staff.issuer, jwks=staff.jwks(), origins=[APP])
    for number in range(3):
        app = Flask(f"site{number}")
        app.config.update(config)
        home.init_app(app)
        if number < 2:
            admin.init_app(app)
        show(app, "/me")
        show(app, "/admin/me")
        assert get(app, "/me", bearer(users.mint("ada"))).json["user"] == "ada"
        if number < 2:
            assert get(app, "/admin/me", bearer(staff.mint("sue"))).json["user"] == "sue"
        else:  # this app has no such side
            app.testing = True
            with pytest.raises(ConfigurationError, match=r"select: gave 'admin'.*\(none yet\)"):
                get(app, "/admin/me", bearer(staff.mint("sue")))


def test_the_start_of_each_is_logged(config, staff, logged):
    two(config, staff)
    lines = [text for text in logged if "session claims: issuer" in text]
    assert [STAFF in line for line in lines] == [False, True]
