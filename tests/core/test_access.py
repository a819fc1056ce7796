"""What organisation claims grant, and what `has()` answers: tables, and that nothing raises.

The vectors are those that Clerk documents, or on which its SDKs were seen to differ.
"""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flask_session_claims import Auth
from flask_session_claims.core.access import (
    NO_ORGANIZATION,
    Organization,
    factor_ages,
    organization_of,
)
from flask_session_claims.core.auth import auth_from_claims
from flask_session_claims.core.jsontext import freeze

DIFFERING = {
    "fea": "o:reservations,u:dashboard,uo:support-chat,o:impersonation",
    "per": "read,manage",
    "fpm": "2,3",
}


def claims_of(**claims: object) -> dict:
    usual = {"iss": "https://issuer.example", "sub": "user_1", "iat": 1, "exp": 2}
    return freeze({**usual, **claims})


def auth_of(*, strict: bool = False, **claims: object) -> Auth:
    return auth_from_claims(claims_of(**claims), "header", strict_permissions=strict)


def permissions(fea: object, per: object, fpm: object, *, strict: bool = False) -> tuple[str, ...]:
    o = {"id": "org_1", "per": per, "fpm": fpm}
    return organization_of({"v": 2, "fea": fea, "o": o}, strict=strict).permissions


# Version 1


def test_flat_claims_are_the_organisation():
    claims = {
        "org_id": "org_1",
        "org_slug": "acme",
        "org_role": "org:admin",
        "org_permissions": ["org:teams:read"],
    }
    wanted = Organization("org_1", "acme", "org:admin", ("org:teams:read",))
    assert organization_of(claims, strict=False) == wanted
    assert organization_of(claims, strict=True) == wanted
    assert organization_of({"v": 1, **claims}, strict=False) == wanted


@pytest.mark.parametrize("org_id", [None, "", 1, True, [], {}, ["org_1"]])
def test_without_an_id_there_is_no_flat_organisation(org_id):
    claims = {"org_id": org_id, "org_role": "org:admin", "org_permissions": ["org:a:b"]}
    assert organization_of(claims, strict=False) == NO_ORGANIZATION


@pytest.mark.parametrize(
    "listed", [None, "org:a:b", {"org:a:b": True}, 7, ["org:a:b", 1], [["org:a:b"]], [None]]
)
def test_a_malformed_flat_list_grants_nothing(listed):
    claims = {"org_id": "org_1", "org_role": "org:admin", "org_permissions": listed}
    assert organization_of(claims, strict=False) == Organization("org_1", None, "org:admin", ())


@pytest.mark.parametrize("odd", [None, "", 1, [], {}, True])
def test_an_odd_flat_role_or_slug_is_none(odd):
    claims = {"org_id": "org_1", "org_slug": odd, "org_role": odd}
    assert organization_of(claims, strict=False) == Organization("org_1")


@pytest.mark.parametrize("version", [None, 1, "2", True, [2], 3])
def test_the_compact_claim_counts_in_version_2_only(version):
    claims = {"v": version, "o": {"id": "org_1", "rol": "admin"}}
    assert organization_of(claims, strict=False) == NO_ORGANIZATION


# Version 2


@pytest.mark.parametrize("strict", [False, True])
def test_the_documented_example(strict):
    assert permissions("o:dashboard,o:teams", "manage,read", "3,2", strict=strict) == (
        "org:dashboard:manage",
        "org:dashboard:read",
        "org:teams:read",
    )


def test_where_the_published_sdks_differ():
    """JavaScript counts the organisation's features; Go and Python count all of them."""
    assert set(permissions(**DIFFERING)) == {
        "org:reservations:manage",
        "org:support-chat:read",
        "org:support-chat:manage",
    }
    assert permissions(**DIFFERING, strict=True) == ("org:reservations:manage",)


@pytest.mark.parametrize(
    ("fea", "per", "fpm", "default", "strict"),
    [
        ("o:a", "r", "1", "a:r", "a:r"),
        ("o:a", "r", "0", "", ""),
        ("o:a", "r,w", "2", "a:w", "a:w"),
        ("o:a, o:b", " r , w ", " 1 , 2 ", "a:r b:w", "a:r b:w"),
        # a bit beyond the permissions: ignored, or the whole feature is lost
        ("o:a", "r", "2", "", ""),
        ("o:a", "r", "3", "a:r", ""),
        ("o:a,o:b", "r", "3,1", "a:r b:r", "b:r"),
        ("o:a", "r", str(2**1000 + 1), "a:r", ""),
        # more features than numbers, more numbers than features
        ("o:a,o:b", "r", "1", "a:r", "a:r"),
        ("o:a", "r", "1,1", "a:r", "a:r"),
        # of users only
        ("u:a", "r", "1", "", ""),
        ("u:a,o:b", "r", "1", "b:r", ""),
        ("u:a,o:b", "r", "0,1", "", ""),
        ("u:a,o:b", "r", "1,1", "b:r", "b:r"),
        ("ou:a", "r", "1", "a:r", "a:r"),
    ],
)
def test_bits_grant_permissions(fea, per, fpm, default, strict):
    assert permissions(fea, per, fpm) == tuple(f"org:{each}" for each in default.split())
    found = permissions(fea, per, fpm, strict=True)
    assert found == tuple(f"org:{each}" for each in strict.split())


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    "mask", ["1x", "-1", "+1", "1.5", "1e0", "0x1", "", "1_0", "\uff11", "\u0661", "1 1", "9" * 401]
)
def test_a_malformed_number_costs_its_feature(mask, strict):
    assert permissions("o:a", "r", mask, strict=strict) == ()
    assert permissions("o:a,o:b", "r", f"{mask},1", strict=strict) == ("org:b:r",)


@pytest.mark.parametrize("strict", [False, True])
@pytest.mark.parametrize(
    ("fea", "per", "fpm"),
    [
        ("a", "r", "1"),
        ("o:a,b", "r", "1,1"),
        ("o:", "r", "1"),
        (":a", "r", "1"),
        ("o:a,", "r", "1"),
        ("", "r", "1"),
        ("o:a", "", "1"),
        ("o:a", "r,,w", "1"),
        ("o:a", "r,", "1"),
        (None, "r", "1"),
        ("o:a", None, "1"),
        ("o:a", "r", None),
        (["o:a"], "r", "1"),
        ("o:a", ["r"], "1"),
        ("o:a", "r", 1),
        ("o:a", "r", [1]),
        ({"o": "a"}, {"r": 1}, {"1": 1}),
        (True, True, True),
    ],
)
def test_malformed_lists_and_odd_types_grant_nothing(fea, per, fpm, strict):
    assert permissions(fea, per, fpm, strict=strict) == ()


@pytest.mark.parametrize("o", [None, "org_1", [], ["org_1"], {}, {"id": ""}, {"id": 1}, 1, True])
def test_a_malformed_compact_claim_is_no_organisation(o):
    assert organization_of({"v": 2, "o": o}, strict=False) == NO_ORGANIZATION


@pytest.mark.parametrize("o", [None, {}, {"id": "org_2", "rol": "member"}])
def test_flat_names_decide_nothing_under_version_2(o):
    flat = {"org_id": "org_1", "org_role": "org:admin", "org_permissions": ["org:a:b"]}
    claims = {"v": 2, **flat} if o is None else {"v": 2, "o": o, **flat}
    org = organization_of(claims, strict=False)
    assert (org.id, org.role, org.permissions) in [
        (None, None, ()),
        ("org_2", "org:member", ()),
    ]
    auth = auth_of(**claims)
    assert not auth.has(role="admin")
    assert not auth.has(permission="a:b")


@pytest.mark.parametrize(
    ("rol", "role"),
    [("admin", "org:admin"), ("org:admin", "org:admin"), ("", None), (1, None), (None, None)],
)
def test_a_version_2_role_has_the_prefix_once(rol, role):
    assert organization_of({"v": 2, "o": {"id": "org_1", "rol": rol}}, strict=False).role == role


# has()

FULL = auth_of(
    v=2,
    o={"id": "org_1", "rol": "admin", "per": "read,manage", "fpm": "1"},
    fea="o:teams,u:export,uo:both",
    pla="o:pro",
    fva=[5, -1],
)
GOOD = {
    "role": "admin",
    "permission": "teams:read",
    "feature": "teams",
    "plan": "pro",
    "reverification": "strict",
}
BAD = {
    "role": "member",
    "permission": "teams:manage",
    "feature": "chat",
    "plan": "free",
    "reverification": {"level": "second_factor", "after_minutes": 5},
}


@pytest.mark.parametrize(
    "asked", list(itertools.product([None, True, False], repeat=5)), ids=lambda asked: str(asked)
)
def test_everything_that_is_named_must_hold(asked):
    named = {
        name: GOOD[name] if good else BAD[name]
        for name, good in zip(GOOD, asked, strict=True)
        if good is not None
    }
    wanted = bool(named) and False not in asked
    assert FULL.has(**named) is wanted
    assert Auth().has(**named) is False


def test_nothing_asked_is_false():
    assert FULL.has() is False
    assert FULL.has(role=None, permission=None) is False
    assert Auth().has() is False


def test_fields_without_a_signed_in_user_grant_nothing():
    for auth in (
        Auth(user_id="user_1", org_id="org_1", org_role="org:admin"),
        Auth(is_authenticated=True, org_id="org_1", org_role="org:admin"),
    ):
        assert auth.has(role="admin") is False


@pytest.mark.parametrize(
    ("role", "answer"),
    [
        ("admin", True),
        ("org:admin", True),
        ("Admin", False),
        ("adm", False),
        ("org:", False),
        ("", False),
        ("user:admin", False),
        (b"admin", False),
        (["admin"], False),
    ],
)
@pytest.mark.parametrize("held", ["admin", "org:admin"])
def test_roles_are_compared_with_one_prefix(role, answer, held):
    auth = auth_of(org_id="org_1", org_role=held)
    assert auth.has(role=role) is answer


@pytest.mark.parametrize(
    ("permission", "answer"),
    [
        ("org:teams:read", True),
        ("teams:read", True),
        ("org:teams:rea", False),
        ("org:teams", False),
        ("teams", False),
        ("org:teams:read:more", False),
        ("org:Teams:read", False),
        ("", False),
        (("org:teams:read",), False),
    ],
)
@pytest.mark.parametrize("held", ["teams:read", "org:teams:read"])
def test_permissions_match_whole(permission, answer, held):
    auth = auth_of(org_id="org_1", org_permissions=["org:a:b", held])
    assert auth.has(permission=permission) is answer


SCOPED = [
    ("teams", True),
    ("o:teams", True),
    ("org:teams", True),
    ("organization:teams", True),
    ("u:teams", False),
    ("user:teams", False),
    ("export", True),
    ("u:export", True),
    ("user:export", True),
    ("o:export", False),
    ("both", True),
    ("o:both", True),
    ("u:both", True),
    ("x:teams", False),
    ("ORG:teams", False),
    ("uo:both", False),
    (":teams", False),
    ("o:", False),
    ("o:teams:", False),
    ("o:o:teams", False),
    ("Teams", False),
    ("team", False),
    ("", False),
    (" teams", False),
    (b"teams", False),
    (["teams"], False),
    (7, False),
]


@pytest.mark.parametrize(("wanted", "answer"), SCOPED)
def test_features_and_plans_by_scope(wanted, answer):
    auth = auth_of(fea="o:teams,u:export,uo:both", pla="o:teams, u:export, uo:both")
    assert auth.has(feature=wanted) is answer
    assert auth.has(plan=wanted) is answer


@pytest.mark.parametrize("claim", ["teams", "o:teams,export", "", None, ["o:teams"], 1, True, {}])
def test_a_malformed_feature_claim_grants_nothing(claim):
    auth = auth_of(fea=claim, pla=claim)
    assert not auth.has(feature="teams")
    assert not auth.has(plan="o:teams")


# Reverification


@pytest.mark.parametrize(
    ("wanted", "fva", "answer"),
    [
        ("strict_mfa", [9, 9], True),
        ("strict_mfa", [10, 9], False),
        ("strict_mfa", [9, 10], False),
        ("strict_mfa", [9, -1], True),
        ("strict_mfa", [10, -1], False),
        ("strict_mfa", [-1, 9], False),
        ("strict", [99, 9], True),
        ("strict", [0, 10], False),
        ("strict", [9, -1], True),
        ("strict", [10, -1], False),
        ("strict", [-1, 9], True),
        ("moderate", [99, 59], True),
        ("moderate", [0, 60], False),
        ("moderate", [59, -1], True),
        ("moderate", [60, -1], False),
        ("lax", [0, 1439], True),
        ("lax", [0, 1440], False),
        ("lax", [1439, -1], True),
        ("lax", [1440, -1], False),
        ({"level": "first_factor", "after_minutes": 10}, [9, 99], True),
        ({"level": "first_factor", "after_minutes": 10}, [10, 0], False),
        ({"level": "first_factor", "after_minutes": 10}, [-1, 0], False),
        ({"level": "second_factor", "after_minutes": 1}, [9, 0], True),
        ({"level": "second_factor", "after_minutes": 1}, [0, 1], False),
        ({"level": "multi_factor", "afterMinutes": 3}, [2, 2], True),
        ({"level": "multi_factor", "afterMinutes": 3}, [2, 3], False),
    ],
)
def test_reverification(wanted, fva, answer):
    assert auth_of(fva=fva).has(reverification=wanted) is answer


RULES = [
    "strict_mfa",
    "strict",
    "moderate",
    "lax",
    {"level": "first_factor", "after_minutes": 10**9},
    {"level": "second_factor", "after_minutes": 10**9},
    {"level": "multi_factor", "after_minutes": 10**9},
]


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize(
    "fva",
    [
        [-1, -1],
        None,
        [],
        [0],
        [0, 0, 0],
        "00",
        {"0": 0, "1": 0},
        [True, False],
        [0, -2],
        [-2, 0],
        ["0", "0"],
        [0.0, 0.0],
        [None, None],
        [[0], [0]],
        0,
    ],
    ids=str,
)
def test_never_verified_or_malformed_is_not_fresh(rule, fva):
    assert auth_of(fva=fva).has(reverification=rule) is False


@pytest.mark.parametrize(
    "rule",
    [
        "",
        "Strict",
        "first_factor",
        {},
        {"level": "strict", "after_minutes": 10},
        {"level": "first_factor"},
        {"level": "first_factor", "after_minutes": 0},
        {"level": "first_factor", "after_minutes": -1},
        {"level": "first_factor", "after_minutes": "10"},
        {"level": "first_factor", "after_minutes": 10.0},
        {"level": "first_factor", "after_minutes": True},
        {"level": "first_factor", "after_minutes": None},
        {"level": ["first_factor"], "after_minutes": 10},
        {"after_minutes": 10},
        ["strict"],
        ("first_factor", 10),
        True,
        10,
    ],
    ids=str,
)
def test_a_rule_that_is_none_denies(rule):
    assert auth_of(fva=[0, 0]).has(reverification=rule) is False


def test_ages_are_a_pair_of_minutes():
    assert factor_ages([0, -1]) == (0, -1)
    assert factor_ages((3, 4)) == (3, 4)
    assert factor_ages([3]) is None


# Nothing raises

ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.sampled_from(["", "o:a", "u:a,o:b", "a,b", "org:", ":", "1,2", "strict", "first_factor"])
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "rol", "slg", "per", "fpm", "level", "after_minutes"]),
            inner,
            max_size=5,
        )
    ),
    max_leaves=8,
)
NAMES = ["o", "org_id", "org_slug", "org_role", "org_permissions", "fea", "pla", "fva"]


@settings(max_examples=200, deadline=None)
@given(
    claims=st.dictionaries(st.sampled_from(NAMES), ODD),
    version=st.sampled_from([None, 1, 2]) | ODD,
    asked=st.dictionaries(st.sampled_from(list(GOOD)), ODD | st.binary() | st.sets(st.integers())),
    strict=st.booleans(),
)
def test_odd_claims_and_questions_never_raise(claims, version, asked, strict):
    auth = auth_of(strict=strict, **claims, v=version)
    assert auth.has(**asked) in (True, False)
    assert all(isinstance(permission, str) for permission in auth.org_permissions)
    assert Auth().has(**asked) is False


@settings(max_examples=150, deadline=None)
@given(
    fea=st.lists(st.sampled_from(["o:a", "u:b", "uo:c", "o:d"]), min_size=1, max_size=4),
    per=st.lists(st.sampled_from(["r", "w", "x"]), min_size=1, max_size=3, unique=True),
    fpm=st.lists(st.integers(0, 15), min_size=1, max_size=5),
)
def test_strict_never_grants_more(fea, per, fpm):
    lists = (",".join(fea), ",".join(per), ",".join(map(str, fpm)))
    assert set(permissions(*lists, strict=True)) <= set(permissions(*lists))
