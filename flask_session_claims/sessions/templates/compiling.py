"""From the text of a template to its parts, or to everything that is wrong with it.

What would only show at a sign-in is refused here: unknown roots, protected names, names that no
claim can have, a template that is too large to ever fit.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, cast

from ..claims import accept, encode, plain_object
from ..faults import ClaimsRefused
from ..limits import CLAIMS_BYTES
from .faults import Problem, TemplateRefused, near, shown
from .lexing import Code, Literal, Path, pieces_of
from .located import Array, Misread, Object, Reader, Scalar, Value, has_lone_surrogate, place
from .nodes import Choice, Constant, Insert, Items, Lookup, Members, Mixed, Node, constant, member
from .shortcodes import ROOTS, SHORTCODES

#: Bytes of a template's text, and of one text in it.
TEMPLATE_BYTES: Final = 8192
TEXT_BYTES: Final = 1024
#: Members of an object, and items of an array.
MAX_MEMBERS: Final = 64
#: Shortcodes of a template, each operand of `||` counted.
MAX_LOOKUPS: Final = 256
_TOLD: Final = 20
#: To look for what was meant takes its time: nobody reads more of it.
_MENDED: Final = 10
#: What the roots are easily taken for.
_OTHER_WORDS: Final = {
    "organization": "org",
    "organisation": "org",
    "membership": "org_membership",
    "organization_membership": "org_membership",
}
_ALL: Final = tuple(name + (".…" if code.goes_on else "") for name, code in SHORTCODES.items())


@dataclass(frozen=True, slots=True)
class Template:
    """A compiled template; two of the same meaning are equal. Made by `compile_template`."""

    #: SHA-256 (hex) of what it says; white space between the values does not count.
    digest: str
    #: As it was given; of a mapping, as indented JSON.
    text: str = field(compare=False, repr=False)
    #: Odd but allowed: look-ups that always give null, fall-backs that are never reached.
    notes: tuple[Problem, ...] = field(compare=False, repr=False)
    root: Members = field(compare=False, repr=False)

    @property
    def names(self) -> tuple[str, ...]:
        """The claims that it gives, in its order."""
        return tuple(name for name, _, _ in self.root.members)

    @property
    def lookups(self) -> tuple[str, ...]:
        """What it looks up, each once, sorted: `user.public_metadata.plan`."""
        return tuple(sorted({found.name for found in lookups_in(self.root)}))

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return _compiled, (self.text,)


def compile_template(source: str | Mapping[str, Any], *, most: int = CLAIMS_BYTES) -> Template:
    """The template that JSON text, or a mapping, describes.

    Args:
        most: bytes that the claims may take, as compact JSON.

    Raises:
        TemplateRefused: with everything that is wrong, each with its place and a mend.
    """
    if isinstance(source, str):
        text = source
    else:
        try:
            text = json.dumps(plain_object(source, "template"), indent=2, ensure_ascii=False)
        except ClaimsRefused as refused:
            raise TemplateRefused([Problem("json", 1, 1, "", refused.message)]) from None
    return _Compiler(text, most).compiled()


@functools.lru_cache(maxsize=64)
def cached_template(text: str, *, most: int = CLAIMS_BYTES) -> Template:
    """`compile_template` of a text that was saved: once for each text in a process."""
    return compile_template(text, most=most)


@functools.lru_cache(maxsize=64)
def wants_user(template: Template) -> bool:
    """Whether it looks up more of the user than the id, which takes a look at the directory."""
    return any(one.startswith("user.") and one != "user.id" for one in template.lookups)


@functools.lru_cache(maxsize=64)
def wants_organizations(template: Template) -> bool:
    """Whether it looks up the user's roles in all organisations, which takes a search."""
    name = "user.organizations"
    return any(one == name or one.startswith(f"{name}.") for one in template.lookups)


def _compiled(text: str) -> Template:
    return compile_template(text, most=TEMPLATE_BYTES)  # it passed its own bound when it was made


def lookups_in(node: object) -> Iterator[Lookup]:
    """All look-ups below a part."""
    match node:
        case Lookup():
            yield node
        case Choice(operands=parts) | Mixed(pieces=parts) | Items(items=parts):
            for part in parts:
                yield from lookups_in(part)
        case Members():
            for _, _, part in node.members:
                yield from lookups_in(part)
        case _:
            pass


class _Compiler:
    """One text on its way."""

    def __init__(self, text: str, most: int) -> None:
        self._text = text
        self._most = most
        self._problems: list[Problem] = []
        self._notes: list[Problem] = []
        self._lookups = 0

    def compiled(self) -> Template:
        value = self._read()
        root = self._object(value, "", top=True)
        if self._lookups > MAX_LOOKUPS:
            said = f"The template has {self._lookups} look-ups; {MAX_LOOKUPS} are allowed."
            self._refuse("limit", value.offset, "", said)
        if not self._problems and root.least > self._most:
            said = f"The claims would take at least {root.least} bytes; {self._most} are allowed."
            self._refuse("limit", value.offset, "", said)
        if self._problems:
            self._problems.sort(key=lambda problem: (problem.line, problem.column))
            raise TemplateRefused(self._problems[:_TOLD])
        digest = hashlib.sha256(encode(json.loads(self._text))).hexdigest()
        return Template(digest, self._text, tuple(self._notes), root)

    def _read(self) -> Object:
        if has_lone_surrogate(self._text):
            raise TemplateRefused([Problem("json", 1, 1, "", "The text is no UTF-8.")])
        length = len(self._text.encode("utf-8"))
        if length > TEMPLATE_BYTES:
            said = f"The template has {length} bytes; {TEMPLATE_BYTES} are allowed."
            raise TemplateRefused([Problem("limit", 1, 1, "", said)])
        try:
            value = Reader(self._text).read()
        except Misread as misread:
            line, column = place(self._text, misread.offset)
            problem = Problem("json", line, column, "", misread.message, mend=misread.mend)
            raise TemplateRefused([problem]) from None
        if not isinstance(value, Object):
            self._refuse(
                "json", value.offset, "", "A template is a JSON object.", mend="Write {…}."
            )
            raise TemplateRefused(self._problems)
        return value

    def _refuse(
        self,
        code: str,
        offset: int,
        name: str,
        message: str,
        *,
        allowed: tuple[str, ...] = (),
        mend: str | None = None,
    ) -> None:
        place_of = place(self._text, offset)
        self._problems.append(Problem(code, *place_of, name, message, allowed, mend))

    def _note(self, code: str, offset: int, name: str, said: str, mend: str | None = None) -> None:
        if len(self._notes) < _TOLD:
            self._notes.append(Problem(code, *place(self._text, offset), name, said, mend=mend))

    def _node(self, value: Value, name: str) -> Node:
        if isinstance(value, Object):
            return self._object(value, name)
        if isinstance(value, Array):
            if len(value.items) > MAX_MEMBERS:
                self._crowded(value, name, len(value.items))
            nodes = (self._node(item, f"{name}[{i}]") for i, item in enumerate(value.items))
            return Items(tuple(nodes))
        if isinstance(value.value, str):
            return self._text_node(value, value.value, name)
        return constant(value.value)

    def _crowded(self, value: Object | Array, name: str, count: int) -> None:
        said = f"{count} values in one object or array; {MAX_MEMBERS} are allowed."
        self._refuse("limit", value.offset, name, said)

    def _object(self, value: Object, outer: str, *, top: bool = False) -> Members:
        if len(value.members) > MAX_MEMBERS:
            self._crowded(value, outer, len(value.members))
        made: list[tuple[str, int, Node]] = []
        for key, inner in value.members:
            name = cast("str", key.value)
            path = name if top else f"{outer}.{name}"
            self._check_name(key, name, path, top=top)
            made.append(member(name, self._node(inner, path)))
        return Members(tuple(made))

    def _check_name(self, key: Scalar, name: str, path: str, *, top: bool) -> None:
        if "{{" in name:
            said = "A name cannot hold a shortcode; only values can."
            self._refuse("name", key.offset, path, said, mend="Write the name itself.")
        if not top:
            return
        try:
            accept({name: None}, "template")
        except ClaimsRefused as refused:
            if refused.code == "claims-protected":
                mend = "Set the template's audience instead." if name == "aud" else None
                said = f"{shown(name)!r} is for the issuer alone."
                self._refuse("protected-name", key.offset, path, said, mend=mend)
            else:
                self._refuse("name", key.offset, path, "A claim's name has 1 to 128 characters.")

    def _text_node(self, at: Scalar, text: str, name: str) -> Node:
        size = len(text.encode("utf-8"))
        if size > TEXT_BYTES:
            said = f"A text of {size} bytes; {TEXT_BYTES} are allowed."
            self._refuse("limit", at.offset, name, said)
            return constant(None)
        pieces, slips = pieces_of(text)
        places = at.places()
        for slip in slips:
            self._refuse("shortcode", places[slip.index], name, slip.message, mend=slip.mend)
        made = [
            constant(piece) if isinstance(piece, str) else self._insert(places, piece, name)
            for piece in pieces
        ]
        if not any(isinstance(piece, Code) for piece in pieces):
            return constant(text)
        return made[0] if len(made) == 1 else Mixed(tuple(made))

    def _insert(self, places: Sequence[int], code: Code, name: str) -> Insert:
        operands = tuple(self._operand(places, operand, name) for operand in code.operands)
        for operand in operands[:-1]:
            if isinstance(operand, Constant) and operand.value is not False:
                where = places[code.index]
                self._note("unreachable", where, name, "What follows a literal is never reached.")
                break
        return operands[0] if len(operands) == 1 else Choice(operands)

    def _operand(
        self, places: Sequence[int], operand: Literal | Path, name: str
    ) -> Constant | Lookup:
        if isinstance(operand, Literal):
            return constant(operand.value)
        self._lookups += 1
        where = places[operand.index]
        code = SHORTCODES.get(".".join(operand.parts[:2]))
        if code is None:
            self._check_unknown(operand, where, name)
            return Lookup(operand.name, None)
        keys = operand.parts[2:]
        if keys and not code.goes_on:
            said = f"Nothing lies below {code.name}: {shown(operand.name)} always gives null."
            self._note("unknown-field", where, name, said, f"Write {code.name}.")
            return Lookup(operand.name, None)
        if code.name == "user.unsafe_metadata":
            said = "The user can write unsafe metadata: decide nothing by this claim."
            self._note("user-controlled", where, name, said)
        return Lookup(operand.name, code, keys)

    def _check_unknown(self, path: Path, where: int, name: str) -> None:
        """No entry of the table: a fault if the root is unknown, else null for good."""
        root, *rest = path.parts
        mend: str | None = None
        if path.name == "null":
            mend = "Leave it out: what is missing is null."
        elif len(self._problems) + len(self._notes) < _MENDED:
            mend = _meant(path)
        if root not in ROOTS:
            said = f"{shown(path.name)!r}: there is no {shown(root)!r} to look up."
            self._refuse("unknown-root", where, name, said, allowed=ROOTS, mend=mend)
        elif not rest:
            fields = tuple(entry for entry in _ALL if entry.startswith(f"{root}."))
            said = f"{root!r} alone is no value; a field has to follow."
            self._refuse("shortcode", where, name, said, allowed=fields)
        elif rest[0] == "private_metadata":
            said = "Private metadata never goes into a token: browsers can read those."
            public = f"{root}.public_metadata"
            mend = f"Use {public}." if public in SHORTCODES else None
            self._refuse("private", where, name, said, mend=mend)
        else:
            said = f"There is no {root}.{shown(rest[0])}: it always gives null."
            self._note("unknown-field", where, name, said, mend)


def _meant(path: Path) -> str | None:
    """The look-up that an unknown one was most likely meant to be."""
    parts = [*path.parts, ""]
    root = near(parts[0], [*ROOTS, *_OTHER_WORDS])
    root = _OTHER_WORDS.get(root or "", root)
    fields = [name.partition(".")[2] for name in SHORTCODES if name.startswith(f"{root}.")]
    found = near(parts[1], fields)
    if found is None:
        return None
    entry = SHORTCODES[f"{root}.{found}"]
    keys = path.parts[2:] if entry.goes_on else ()
    return f"Did you mean {shown('.'.join((entry.name, *keys)))}?"
