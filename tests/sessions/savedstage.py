"""A stage for the flows of saved templates: a store, and a clock that stands."""

from __future__ import annotations

from flask_session_claims.core.flow import run as drive
from flask_session_claims.sessions.records import record_handlers
from flask_session_claims.sessions.saved import TemplateFlows
from flask_session_claims.stores.memory import MemoryStore

from .stage import NOW

A, B, C = ('{"claim": "%s"}' % letter for letter in "abc")  # noqa: UP031 (braces)


class TemplateStage:
    """Flows over a store; `do` drives one to its end."""

    def __init__(self, store=None):
        self.store = store if store is not None else MemoryStore()
        self.now = NOW
        self.flows = TemplateFlows(clock=lambda: self.now)
        self._handlers = record_handlers(self.store)

    def perform(self, ask):
        return self._handlers[type(ask)](ask)

    def do(self, flow):
        return drive(flow, self.perform)

    def save(self, source, **given):
        return self.do(self.flows.save(source, **given))

    def get(self, name=None):
        return self.do(self.flows.get(name))

    def versions(self, name=None):
        return [saved.version for saved in self.do(self.flows.versions(name))]

    def delete(self, *given):
        return self.do(self.flows.delete(*given))

    def log(self):
        return list(self.store.log_since(0).entries)
