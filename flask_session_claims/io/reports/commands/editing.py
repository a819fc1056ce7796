"""`template edit`: a template in the user's own editor, again until it is right.

What was written is never lost: until it is saved, its file stays.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from ....sessions.saved import SavedTemplate
from ....sessions.savedrecords import most_of
from ....sessions.templates.compiling import compile_template
from ....sessions.templates.faults import TemplateRefused
from ...issuing import Issuing
from ...reading import Reading
from ..layout import Cell
from ..templates import label, problem_lines
from . import sources
from .answers import Answer, Ended, Misused, rows_answer, told
from .own_templates import keep
from .terminal import plain, spelled, width

#: Lines that begin so are for the person who writes; JSON has no such lines.
_REMARK: Final = "//"
_STARTER: Final = """\
// The claims of the {name}: a JSON object. Lines that begin with // are left out.
// Values in double braces are looked up for the user, such as
//   {{{{user.id}}}}  {{{{user.public_metadata.plan || 'free'}}}}  {{{{org.slug}}}}
// A file that is left as it is saves nothing.
{{
  "fullName": "{{{{user.full_name}}}}"
}}
"""


class Desk:
    """A file and an editor for it. What was written stays behind, and is told, unless cleared."""

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._begun = b""

    def __enter__(self) -> Desk:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise Misused(
                "there is no terminal to edit at; write the template to a file and run template"
                " save FILE."
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._folder is None:
            return
        file = self._folder / _FILE
        if file.exists() and file.read_bytes() != self._begun:
            self.say([f"What you wrote is kept in {file}"])
        else:
            self.clear()

    def edit(self, text: str) -> str:
        """The text as it is after the editor has ended.

        Raises:
            Ended: the editor cannot be started, or ended with an error.
        """
        command = _editor()
        data = text.encode("utf-8")
        if self._folder is None:
            self._folder, self._begun = Path(tempfile.mkdtemp(prefix="session-claims-")), data
        file = self._folder / _FILE
        _ = file.write_bytes(data)
        try:
            done = subprocess.run([*command, str(file)], check=False)  # noqa: S603 (the user's own)
        except OSError as error:
            raise Ended(
                f"the editor {command[0]} cannot be started ({error.strerror}); set VISUAL or"
                " EDITOR to another.",
                2,
            ) from None
        if done.returncode:
            raise Ended(f"the editor ended with {done.returncode}; nothing was saved.", 1)
        try:
            return sources.decoded(file.read_bytes(), "the file")
        except OSError as error:
            raise Ended(f"the file is gone ({error.strerror}); nothing was saved.", 1) from None

    def say(self, lines: Sequence[str]) -> None:
        """Tell it at once, beside what the command prints at its end."""
        for line in lines:
            print(spelled(line, sys.stderr.encoding), file=sys.stderr)  # noqa: T201

    def is_again(self) -> bool:
        """Whether the person wants to go on."""
        print("Edit it again? [Y/n] ", end="", file=sys.stderr, flush=True)  # noqa: T201
        answer = sys.stdin.readline()
        return bool(answer) and answer.strip().lower() in ("", "y", "yes")

    def clear(self) -> None:
        """Nothing of it is needed any more."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


_FILE: Final = "template.json"


def edit(side: Reading, issuing: Issuing, name: str | None, *, desk: Desk | None = None) -> Answer:
    """Write the template NAME, or the session token's own, in your editor and save it.

    The editor is what VISUAL or EDITOR says. If the template is refused, it can be edited again;
    if somebody else has saved it meanwhile, nothing is saved. A named template keeps its options.

    Exits with 1 if nothing could be saved; the file that you wrote stays then.
    """
    with desk or Desk() as at:
        with told():
            standing = issuing.templates.get(name)
        draft = _STARTER.format(name=label(name) if name is None else f"template {name}")
        if standing is not None:
            draft = standing.text.rstrip() + "\n"
        first = _without_remarks(draft)
        while True:
            draft = at.edit(draft)
            source = _without_remarks(draft)
            if source.strip() in ("", first.strip()):
                at.clear()
                rows = [[Cell("no change", "dim"), Cell("nothing was written, nothing saved")]]
                return rows_answer({"saved": None, "problems": [], "notes": []}, rows)
            try:
                # With its empty lines: problems are told where they stand in the file.
                _ = compile_template(source, most=most_of(name))
                break
            except TemplateRefused as refused:
                at.say(problem_lines(refused.problems, plain, width(is_seen=True)))
            if not at.is_again():
                raise Ended("the template is refused; nothing was saved.", 1)
        answer = keep(
            issuing,
            source.strip(),
            name=name,
            author=sources.author(None),
            expected_version=0 if standing is None else standing.version,
            **_options(standing),
        )
        if not answer.exit_code:
            at.clear()
        return answer


def _options(standing: SavedTemplate | None) -> dict[str, Any]:
    options = None if standing is None else standing.options
    if options is None:
        return {}
    return {"lifetime": options.lifetime, "skew": options.skew, "audience": options.audience}


def _without_remarks(text: str) -> str:
    """The text with an empty line for each remark."""
    lines = text.replace("\r\n", "\n").split("\n")
    return "\n".join("" if line.lstrip().startswith(_REMARK) else line for line in lines)


def _editor() -> list[str]:
    usual = "notepad" if os.name == "nt" else "vi"
    said = os.environ.get("VISUAL") or os.environ.get("EDITOR") or usual
    try:
        words = shlex.split(said, posix=os.name != "nt")
    except ValueError:
        words = []
    if not words:
        raise Misused("VISUAL or EDITOR is no command; write one such as: EDITOR=nano.")
    return words
