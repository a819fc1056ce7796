"""What a template is refused for: everything at once, each with line, column, name and a mend."""

from __future__ import annotations

import json
import pickle

import pytest

from flask_session_claims import SessionClaimsError, SessionError
from flask_session_claims.core.claims import PROTECTED_NAMES
from flask_session_claims.sessions.templates import compiling
from flask_session_claims.sessions.templates.compiling import compile_template
from flask_session_claims.sessions.templates.faults import TemplateRefused
from flask_session_claims.sessions.templates.located import MAX_DEPTH


def problems(template, **more):
    with pytest.raises(TemplateRefused) as caught:
        compile_template(template, **more)
    return caught.value.problems


#: Text, place, the beginning of the message, the mend.
NO_JSON = [
    ("", 1, 1, "the text ends too early", None),
    ("  \n ", 2, 2, "the text ends too early", None),
    ("{", 1, 2, "a name in double quotes", None),
    ('{"a"', 1, 5, "a colon is missing", None),
    ('{"a":', 1, 6, "the text ends too early", None),
    ('{"a": 1', 1, 8, "a comma or } is missing", None),
    ('{"a": [1', 1, 9, "a comma or ] is missing", None),
    ('{"a": 1,}', 1, 9, "a comma stands before }", "Remove the comma."),
    ('{"a": [1,]}', 1, 10, "a comma stands before ]", "Remove the comma."),
    ('{"a": 1 "b": 2}', 1, 9, "a comma or } is missing", "Write , or } here."),
    ('{"a": }', 1, 7, "a value is missing", None),
    ("{a: 1}", 1, 2, "a name in double quotes", 'Write "name": value.'),
    ("{'a': 1}", 1, 2, "a name in double quotes", None),
    ("{\"a\": 'x'}", 1, 7, "a value stands without quotes", "Put text in double quotes."),
    ('{"a": x}', 1, 7, "a value stands without quotes", "Put text in double quotes."),
    ('{"a": True}', 1, 7, "a value stands without quotes", "Write true."),
    ('{"a": None}', 1, 7, "a value stands without quotes", "Write null."),
    ('{"a": NaN}', 1, 7, "a value stands without quotes", "JSON has no such number."),
    ('{"a": -Infinity}', 1, 7, "a value stands without quotes", "JSON has no such number."),
    ('{"a": 01}', 1, 7, "a value stands without quotes", None),
    ('{"a": +1}', 1, 7, "a value stands without quotes", None),
    ('{"a": 1e999}', 1, 7, "a number is out of range", None),
    ('{"a": 18446744073709551616}', 1, 7, "a number is out of range", None),
    ('{"a": ' + "9" * 5000 + "}", 1, 7, "a number is out of range", None),
    ('{"a": {{user.id}}}', 1, 7, "a shortcode stands outside", 'Write "{{…}}".'),
    ('{"a": 1, "a": 2}', 1, 10, "this object has that name already", None),
    ('{"a": 1, "\\u0061": 2}', 1, 10, "this object has that name already", None),
    ('{"a": "x}', 1, 7, "a text does not end", None),
    ('{"a":\n "x\ny"}', 2, 2, "a text does not end", None),
    ('{"a": "\\x41"}', 1, 7, "a text does not end", None),
    ('{"a": "\\ud800"}', 1, 7, "a text holds half a surrogate", None),
    ('{"\\udfff": 1}', 1, 2, "a text holds half a surrogate", None),
    ('{"a": 1} x', 1, 10, "something stands after", "Remove it."),
    ('{"a": 1}{"a": 1}', 1, 9, "something stands after", None),
    ('{"a": 1 /* no */}', 1, 9, "a comma or } is missing", None),
    ('\ufeff{"a": 1}', 1, 1, "a value stands without quotes", None),
    ('{"a":\u00a01}', 1, 6, "a value is missing", None),
]


@pytest.mark.parametrize(("text", "line", "column", "said", "mend"), NO_JSON)
def test_what_is_no_json_is_refused_at_its_place(text, line, column, said, mend):
    (problem,) = problems(text)
    assert (problem.code, problem.line, problem.column) == ("json", line, column)
    assert problem.message.startswith(f"This is no JSON: {said}")
    assert mend in (None, problem.mend)


@pytest.mark.parametrize("text", ["[]", '"x"', "1", "null", "[{}]"])
def test_a_template_is_an_object(text):
    assert problems(text)[0].message == "A template is a JSON object."


#: The value of a claim, column in it from 0, code, a part of the message, the mend.
SLIPS = [
    ("{{user.id", 0, "shortcode", "does not end", "Write }} at its end."),
    ("{{user.id ", 0, "shortcode", "does not end", None),
    ("{{user.id}", 9, "shortcode", "Only || or }} can stand here", None),
    ("{{", 0, "shortcode", "does not end", None),
    ("{{}}", 2, "shortcode", "A name is missing", "Write a name, such as user.id."),
    ("a {{ }} b", 5, "shortcode", "A name is missing", None),
    ("{{{user.id}}}", 2, "shortcode", "cannot begin with '{'", None),
    ("{{ {{user.id}} }}", 3, "shortcode", "cannot begin with '{'", None),
    ("{{user.id || }}", 13, "shortcode", "A name is missing", None),
    ("{{|| user.id}}", 2, "shortcode", "cannot begin with '|'", None),
    ("{{user.id | upper}}", 10, "shortcode", "One | means nothing", None),
    ("{{user.id user.id}}", 10, "shortcode", "Only || or }}", None),
    ("{{user.first_name || \"x\"}}", 21, "shortcode", "is no name", "Write text in single quotes."),
    ("{{user.first_name || 'x}}", 21, "shortcode", "does not end", "Write ' at its end."),
    ("{{'a\\'b'}}", 2, "shortcode", "has no escapes", None),
    ("{{'a''b'}}", 5, "shortcode", "Only || or }}", None),
    ("{{user..id}}", 2, "shortcode", "is no name", None),
    ("{{.user.id}}", 2, "shortcode", "is no name", None),
    ("{{user.id.}}", 2, "shortcode", "is no name", None),
    ("{{user.public_metadata.a[0]}}", 2, "shortcode", "is no name",
     "Keys follow a dot: user.public_metadata.a.key; a list is only given as a whole."),
    ("{{user.__class__}}", 2, "shortcode", "is no name",
     "No name in a path begins with an underscore."),
    ("{{user.public_metadata._x}}", 2, "shortcode", "is no name", None),
    ("{{user.id()}}", 2, "shortcode", "is no name", None),
    ("{{user}}", 2, "shortcode", "'user' alone is no value", None),
    ("{{user.private_metadata}}", 2, "private", "never goes into a token",
     "Use user.public_metadata."),
    ("{{org.private_metadata.x}}", 2, "private", "never goes", "Use org.public_metadata."),
    ("{{x}}", 2, "unknown-root", "there is no 'x' to look up", None),
    ("{{null}}", 2, "unknown-root", "there is no 'null'", "Leave it out: what is missing is null."),
    ("{{organization.public_metadata.x}}", 2, "unknown-root", "there is no 'organization'",
     "Did you mean org.public_metadata.x?"),
    ("{{ users.firstName }}", 3, "unknown-root", "there is no 'users'",
     "Did you mean user.first_name?"),
    ("{{User.id}}", 2, "unknown-root", "there is no 'User'", "Did you mean user.id?"),
    ("{{membership.permissions}}", 2, "unknown-root", "",
     "Did you mean org_membership.permissions?"),
    ("{{user.id || env.SECRET}}", 13, "unknown-root", "there is no 'env'", None),
    ("\u00e9\U0001f600 {{env.x}}", 5, "unknown-root", "there is no 'env'", None),
]  # fmt: skip


@pytest.mark.parametrize(("value", "column", "code", "said", "mend"), SLIPS)
def test_a_shortcode_that_means_nothing_is_refused_at_its_place(value, column, code, said, mend):
    found = problems({"a": {"b": ["ok", value]}})
    assert [found[0].code, found[0].name] == [code, "a.b[1]"]
    # The text of a mapping is indented: the fifth line holds the value.
    written = value[:column].replace("\\", "\\\\").replace('"', '\\"')
    assert (found[0].line, found[0].column) == (5, 8 + len(written))
    assert said in found[0].message
    assert mend in (None, found[0].mend)


def test_the_place_counts_escapes_as_they_are_written():
    (problem,) = problems('{"a":\n  "\\u00e9\\ud83d\\ude00\\n\\"{{env.x}}"}')
    assert (problem.line, problem.column) == (2, 3 + 1 + 6 + 12 + 2 + 2 + 2)


def test_an_unknown_root_names_the_roots():
    (problem,) = problems({"a": "{{qqq.x}}"})
    assert problem.allowed == ("user", "org", "org_membership", "session")
    assert str(problem) == (
        "line 2, column 11 (a): 'qqq.x': there is no 'qqq' to look up."
        " Allowed: user, org, org_membership, session."
    )


def test_a_bare_root_names_its_fields():
    (problem,) = problems({"a": "{{org}}"})
    assert problem.allowed == (
        "org.id",
        "org.name",
        "org.slug",
        "org.role",
        "org.public_metadata.…",
    )


def full_width(name):
    return "".join(chr(ord(x) + 0xFEE0) if x.isalnum() else x for x in name)


@pytest.mark.parametrize("name", sorted(PROTECTED_NAMES))
@pytest.mark.parametrize(
    "spell", [str, str.upper, str.title, lambda name: f" {name}\t", full_width]
)
def test_a_protected_name_is_refused_in_any_spelling(name, spell):
    (problem,) = problems({"plan": "x", spell(name): 1})
    assert (problem.code, problem.line, problem.name) == ("protected-name", 3, spell(name))


def test_a_protected_name_is_refused_when_it_is_written_with_escapes():
    (problem,) = problems('{"\\u0073u\\u0062": 1}')
    assert (problem.code, problem.column, problem.name) == ("protected-name", 2, "sub")


def test_for_the_audience_the_option_is_named():
    assert problems({"aud": "x"})[0].mend == "Set the template's audience instead."


@pytest.mark.parametrize("name", ["{{user.id}}", "x{{user.id}}", "{{"])
def test_a_name_holds_no_shortcode(name):
    for template in ({name: 1}, {"a": [{name: 1}]}):
        assert problems(template)[0].code == "name"


def test_names_of_claims_have_1_to_128_characters():
    assert problems({"": 1})[0].code == problems({"x" * 129: 1})[0].code == "name"
    compile_template({"x" * 128: 1, "in": {"": 1}})


def test_all_problems_are_told_at_once_in_the_order_of_the_text():
    with pytest.raises(TemplateRefused) as caught:
        compile_template(
            '{"sub": "{{user.id}}",\n "b": "{{env.x}} {{user.id | y}} {{user.id",\n "{{": 1}'
        )
    error = caught.value
    assert [(p.line, p.code) for p in error.problems] == [
        (1, "protected-name"), (2, "unknown-root"), (2, "shortcode"), (2, "shortcode"), (3, "name"),
    ]  # fmt: skip
    assert error.message.startswith("The template has 5 problems:\n  line 1, column 2 (sub): ")
    assert isinstance(error, SessionError)
    assert (error.code, error.status) == ("template-invalid", 400)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (copy.problems, str(copy), copy.code) == (error.problems, str(error), error.code)


def test_of_many_problems_twenty_are_told_and_ten_mends_are_looked_for():
    told = problems({f"c{i}": "{{usr.id}}" for i in range(60)})
    assert [problem.mend for problem in told] == ["Did you mean user.id?"] * 10 + [None] * 10


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (None, "must be a mapping"),
        (b"{}", "must be a mapping"),
        ([], "must be a mapping"),
        ({"a": object()}, "template['a'] is of type object"),
        ({"a": float("nan")}, "is nan"),
        ({1: 2}, "names are text"),
        ({"a": "\ud800"}, "surrogate"),
    ],
)
def test_a_mapping_that_is_no_json_is_refused(given, said):
    (problem,) = problems(given)
    assert problem.code == "json"
    assert said in problem.message


def test_a_text_that_is_no_utf_8_is_refused():
    assert problems('{"a": "\ud800"}')[0].message == "The text is no UTF-8."


# --- limits: n fits, n + 1 does not ---------------------------------------------------------


def nested(depth):
    return '{"a":' * (depth - 1) + "{}" + "}" * (depth - 1)


def only_limit(template, **more):
    (problem,) = problems(template, **more)
    return problem.code, problem.message


def test_the_depth_is_limited():
    assert compile_template(nested(MAX_DEPTH)).names == ("a",)
    assert problems(nested(MAX_DEPTH + 1))[0].message == (
        "This is no JSON: more than 8 objects and arrays in one another."
    )
    assert problems("[" * 100_000)[0].code == "limit"


def test_the_length_is_limited_in_bytes():
    def of(size, fill):
        return '{"a":1,"b":[' + fill * ((size - 14) // len(fill.encode())) + "]}"

    text = of(compiling.TEMPLATE_BYTES, " ")
    assert len(text) == compiling.TEMPLATE_BYTES
    compile_template(text)
    assert only_limit(text + " ") == ("limit", "The template has 8193 bytes; 8192 are allowed.")
    assert problems(text[:-2] + "é]}")[0].code == "limit"


def test_the_length_of_a_text_is_limited_in_bytes():
    compile_template({"a": "é" * (compiling.TEXT_BYTES // 2)})
    code, said = only_limit({"a": "é" * (compiling.TEXT_BYTES // 2) + "x"})
    assert (code, said) == ("limit", "A text of 1025 bytes; 1024 are allowed.")


def test_members_and_items_are_limited():
    compile_template({f"c{i}": i for i in range(64)})
    assert only_limit({f"c{i}": i for i in range(65)})[1].startswith("65 values in one object")
    compile_template({"a": [0] * 64})
    assert only_limit({"a": [0] * 65})[0] == "limit"


def lookups(count):
    lists = [["{{user.x}}"] * 64] * (count // 64) + [["{{user.x}}"] * (count % 64)]
    return json.dumps({f"a{i}": each for i, each in enumerate(lists)})


def test_look_ups_are_limited():
    assert compile_template(lookups(256), most=10_000).lookups == ("user.x",)
    assert only_limit(lookups(257)) == (
        "limit",
        "The template has 257 look-ups; 256 are allowed.",
    )


def test_a_template_that_can_never_fit_is_refused_when_it_is_saved():
    template = {"a": "x" * 1000, "b": "{{user.id}}", "c": "Hi {{user.id || 'y'}}"}
    least = len('{"a":"' + "x" * 1000 + '","b":1,"c":"Hi "}')
    compile_template(template, most=least)
    assert only_limit(template, most=least - 1)[1] == (
        f"The claims would take at least {least} bytes; {least - 1} are allowed."
    )


def test_a_refusal_is_an_error_of_this_library():
    assert issubclass(TemplateRefused, SessionClaimsError)


def test_messages_are_short_and_have_no_control_characters():
    long = "é" * 400
    hostile = [
        {"\x1b[31m\n\u202e": "{{x}}"},
        {"a": f"{{{{{long}.x}}}}"},
        {"a": f"{{{{user.x{long}.y}}}}", "b": f"{{{{user.x{long}[0]}}}}"},
        {long: "{{x}}"},
        {" " * 4000 + "sub": 1},
        {"a": "{{org." + "private_metadata." * 40 + "x}}"},
    ]
    for template in hostile:
        for problem in problems(template):
            assert len(str(problem)) < 600
            assert str(problem).isprintable()
    assert str(problems(hostile[0])[0]).startswith(
        "line 2, column 23 ('\\x1b[31m\\n\\u202e'): 'x': there is no 'x'"
    )


def test_a_root_without_metadata_has_none_to_use_instead():
    assert problems({"a": "{{session.private_metadata}}"})[0].mend is None
