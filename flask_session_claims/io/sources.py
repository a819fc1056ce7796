"""Where one issuer's claims come from, assembled: templates, and the directory of users."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from ..core.flow import Flow
from ..directory.flows import DirectoryFlows
from ..sessions.composing import Composer
from ..sessions.people import Entitled
from ..sessions.saved import TemplateFlows
from ..sessions.settings import IssuingSettings
from ..sessions.shelf import TemplateShelf
from ..sessions.templates.compiling import Template


class Sources:
    """The flows of templates and directory, and what composes claims of them."""

    def __init__(self, settings: IssuingSettings, *, clock: Callable[[], float]) -> None:
        self.templates: TemplateFlows = TemplateFlows(clock=clock)
        self.directory: DirectoryFlows = DirectoryFlows(clock=clock, random=secrets.token_bytes)
        self.shelf: TemplateShelf = TemplateShelf(self._own, clock)
        #: The directory, where a role brings what the settings say.
        self.people: Entitled = Entitled(self.directory, settings.roles or {})
        self.composer: Composer = Composer(self.shelf, self.people, clock=clock)

    def _own(self) -> Flow[Template | None]:
        saved = yield from self.templates.get()
        return None if saved is None else saved.template

    def prune(self) -> Flow[int]:
        """Forget what was deleted a day ago; the number of records."""
        return self.directory.prune()
