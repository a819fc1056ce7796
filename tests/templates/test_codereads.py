"""The claims that code reads and gives, and those that nobody gives."""

from __future__ import annotations

from contextlib import suppress

import pytest

from flask_session_claims import ConfigurationError
from flask_session_claims.sessions.templates.codereads import Read, gives_of, not_given, reads_of
from flask_session_claims.sessions.templates.compiling import compile_template

READS = [
    ('g.auth.session_claims["plan"]', ["plan"]),
    ('auth.session_claims.get("plan")', ["plan"]),
    ('auth.session_claims.get("plan", "free")', ["plan"]),
    ('"plan" in request.auth.session_claims', ["plan"]),
    ('"plan" not in auth.session_claims', ["plan"]),
    ('get_auth().session_claims["a"]["b"]', ["a"]),
    ("f\"{current_auth.session_claims['name']!r}\"", ["name"]),
    ('session_claims["plan"]', ["plan"]),
    ('(await auth()).session_claims["plan"]', ["plan"]),
    ('lambda auth: auth.session_claims["plan"]', ["plan"]),
    ('[a.session_claims["x"] for a in b if "y" in a.session_claims]', ["x", "y"]),
    # No reads, or none whose name can be known.
    ('auth.session_claims["plan"] = 1', []),
    ('del auth.session_claims["plan"]', []),
    ("auth.session_claims[name]", []),
    ("auth.session_claims[0]", []),
    ("auth.session_claims.get(name)", []),
    ('auth.session_claims.pop("x")', []),
    ('auth.claims["plan"]', []),
    ('claims["plan"]', []),
    ('"auth.session_claims[\\"x\\"]"', []),
    ('# auth.session_claims["x"]', []),
]


@pytest.mark.parametrize(("code", "names"), READS)
def test_reads_in_one_line(code, names):
    source = f"async def view():\n    {code}\n    pass\n"
    assert [read.name for read in reads_of(source)] == names
    assert {read.line for read in reads_of(source)} <= {2}


def test_a_read_has_its_line_and_column():
    assert reads_of('x = 1\ny = auth.session_claims["plan"]\n') == (Read(2, 25, "plan"),)


def test_what_python_warns_of_is_read_all_the_same():
    source = 'x = "\\d"; 1 is 1; auth.session_claims["plan"]'
    assert [read.name for read in reads_of(source)] == ["plan"]


SCOPES = """
claims = current_auth.session_claims
claims["top"]

def one():
    mine: dict = g.auth.session_claims
    mine["one"]
    claims["outer"]

    def inner():
        return mine["inner"]

def two(claims):
    claims["hidden by the argument"]
    mine["of another function"]
    if (now := auth.session_claims) and now.get("walrus"):
        pass

def three():
    claims = {}
    claims["hidden by a name"]

class View:
    def get(self):
        return claims["method"]
"""


def test_names_bound_to_the_claims_are_followed_within_their_scope():
    names = {"top", "one", "outer", "inner", "walrus", "method"}
    assert {read.name for read in reads_of(SCOPES)} == names


TYPED = """
@dataclass(frozen=True)
class Base:
    base: int

class Mine(Base):
    plan: str = "free"
    full_name: str = field(default="", metadata={"claim": "fullName"})
    admin: Annotated[bool, ClaimName("https://example.com/admin")]
    count: ClassVar[int] = 0
    secret: InitVar[str]

    def method(self):
        inner: int = 1

class Shown(TypedDict, total=False):
    email: str

class Other(TypedDict):
    never: str

class Model(BaseModel):
    name: str = Field(alias="aliased")

class Circle(Circle):
    pass

def view():
    auth.claims_as(Mine)
    auth.claims_as(Shown)
    auth.claims_as(Model)
    auth.claims_as(Circle)
    auth.claims_as(Unknown)
    auth.claims_as(module.Type)
"""


def test_the_fields_of_a_type_in_the_same_file_are_reads():
    assert [(read.line, read.name) for read in reads_of(TYPED)] == [
        (4, "base"),
        (7, "plan"),
        (8, "fullName"),
        (9, "https://example.com/admin"),
        (17, "email"),
    ]


@pytest.mark.parametrize(
    ("code", "names"),
    [
        ('create_session(user.id, claims={"plan": 1, "a": 2})', {"plan", "a"}),
        ('claims.sessions.create("user_1", claims={"plan": 1})', {"plan"}),
        ('merge_session_claims({"plan": 1})', {"plan"}),
        ('merge_session_claims(patch={"plan": 1})', {"plan"}),
        ('sessions.merge_claims(sid, {"plan": 1})', {"plan"}),
        ('sessions.merge_claims_for_user("u", {"plan": 1})', {"plan"}),
        ("create_session(user.id, claims=made)", set()),
        ('create_session(user.id, data={"x": 1})', set()),
        ('merge_claims({"not": "here"})', set()),
        ('other({"plan": 1})', set()),
        ('merge_session_claims({**more, name: 1, "plan": 2})', {"plan"}),
    ],
)
def test_claims_that_code_gives_by_itself(code, names):
    assert gives_of(code) == names


def test_reads_that_nobody_gives_are_found_with_what_was_meant():
    session = compile_template({"fullName": "{{user.full_name}}", "plan": "x"})
    named = compile_template({"role": "x"})
    source = "\n".join(
        f'auth.session_claims["{name}"]'
        for name in ("fullName", "full_name", "plan", "role", "sub", "org_id", "cart", "zzz")
    )
    missing = not_given(reads_of(source), [session, named], also={"cart"})
    assert [(one.read.line, one.read.name, one.meant) for one in missing] == [
        (2, "full_name", "fullName"),
        (8, "zzz", None),
    ]
    assert [str(one) for one in missing] == [
        "line 2: no template gives 'full_name'. Did you mean 'fullName'?",
        "line 8: no template gives 'zzz'.",
    ]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def f(:\n", "line 1"),
        ("x = 1\n  y = 2\n", "line 2"),
        ("x = '\x00'", "no Python"),
        ("(" * 1000, "no Python"),
        ("\ud800", "no Python"),
    ],
    ids=range(5),
)
@pytest.mark.parametrize("ask", [reads_of, gives_of])
def test_what_is_no_python_is_refused(ask, source, said):
    with pytest.raises(ConfigurationError, match=said):
        ask(source)


@pytest.mark.parametrize(
    "source",
    [
        "-" * 200_000 + "1",
        "x = " + "a." * 100_000 + "b",
        "lambda: " * 1000 + "1",
        "merge_claims" + "()" * 1500,
        "auth.claims_as(T0)\n" + "".join(f"class T{i}(T{i + 1}): pass\n" for i in range(1500)),
    ],
    ids=range(5),
)
def test_what_is_nested_without_end_has_no_reads_or_is_refused(source):
    # Which of the two depends on the Python.
    for ask in (reads_of, gives_of):
        with suppress(ConfigurationError):
            assert not ask(source)
