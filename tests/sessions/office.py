"""Processes with templates and a directory over one store, and browsers that visit them."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from flask_session_claims import VerifierSettings
from flask_session_claims.core.claims import PROTECTED_NAMES
from flask_session_claims.core.jsontext import b64url_decode, parse_object
from flask_session_claims.core.request import Exchange
from flask_session_claims.core.settings import GateSettings
from flask_session_claims.io.reading import Reading
from flask_session_claims.io.transports import Wsgi
from flask_session_claims.sessions.model import SESSION, decode

from .workers import Worker

#: A template that looks something up of each kind, with a name that nobody gives.
TEMPLATE = {
    "plan": "{{user.public_metadata.plan}}",
    "mail": "{{user.primary_email_address}}",
    "id": "{{user.id}}",
    "where": "{{org.id}}",
    "room": "{{org.public_metadata.room}}",
    "desk": "{{org_membership.public_metadata.desk}}",
    "none": "{{user.public_metadata.nothing}}",
    "kind": "person",
}
#: What it gives for somebody who is not in the directory.
OF_NOBODY = dict.fromkeys(TEMPLATE) | {"kind": "person"}


class Office(Worker):
    """One process, with what an app has at hand in it."""

    def beside(self, **settings):
        """Another process over the same store."""
        return Office(self.store.behind, self.clock, **settings)

    def _around(self):
        #: (event, its data), as an app is told.
        self.news = []
        return (
            super()
            ._around()
            ._replace(tell=lambda event, data: self.news.append((event, dict(data))))
        )

    @property
    def directory(self):
        return self.issuing.directory

    def save(self, source, **given):
        return self.issuing.templates.save(source, **given)

    def session(self, session_id):
        return self.issuing.sessions.get(session_id)

    def refresh(self, issued):
        return self.run(self.issuing.issuer.refresh(issued.refresh_token))

    def change(self, session_id, act):
        """An act on a session as in a request: the new token's claims."""
        return self.run(self.issuing.issuer.change(session_id, act)).claims

    def state(self, session_id):
        """What the session's record says."""
        return decode(self.store.behind.load(SESSION, session_id))

    def rewrite(self, session_id, **members):
        """Change the record behind the library's back."""
        assert self.store.behind.commit([replace(self.state(session_id), **members).put()])

    def cost(self, act):
        """How often `act` calls the store, by what it calls."""
        before = Counter(self.store.calls)
        act()
        return dict(Counter(self.store.calls) - before)

    def said(self, token):
        """The custom claims in force for a token here."""
        return custom(self.verify(token))

    def heard(self, event):
        """The data of each such event since the last look."""
        found = [data for name, data in self.news if name == event]
        self.news.clear()
        return found

    @property
    def side(self):
        settings = VerifierSettings(issuer="self", origins=("https://app.example",))
        side = Reading(
            GateSettings(), settings, Wsgi(), clock=self.clock,
            rejected=lambda reason, source: None, issuing=self.issuing,
        )  # fmt: skip
        side.open(self.issuing)
        return side


class Browser:
    """Keeps cookies, and makes requests of pages of the app."""

    def __init__(self, office, issued=None, jar=()):
        self.office = office
        self.names = office.issuing.issuer.cookies
        self.jar = dict(jar)
        if issued is not None:
            self.jar = {
                self.names.session: issued.session_token,
                self.names.refresh: issued.refresh_token,
            }

    def twin(self, office=None):
        """Another browser with the same cookies, or the same at another process."""
        return Browser(office or self.office, jar=self.jar)

    @property
    def token(self):
        return self.jar.get(self.names.session)

    @property
    def refresh_token(self):
        return self.jar.get(self.names.refresh)

    def exchange(self, **environ):
        fields = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        usual = {
            "REQUEST_METHOD": "POST", "wsgi.url_scheme": "https", "PATH_INFO": "/",
            "HTTP_SEC_FETCH_SITE": "same-origin", "HTTP_COOKIE": fields,
        }  # fmt: skip
        return Exchange({**usual, **environ}, self.office.side)

    def visit(self, act=None, *, status=200):
        """One request: `act` makes a flow of the exchange. Gives what the view would return."""
        exchange = self.exchange()
        auth = exchange.read()
        try:
            return auth if act is None else self.office.run(act(exchange))
        finally:
            self.office.issuing.close(exchange, status)
            self.keep(exchange)

    def keep(self, exchange):
        """The cookies of a response."""
        effects = exchange.effects
        for name, cookie in (effects.cookies if effects else {}).items():
            if "Max-Age=0" in cookie:
                self.jar.pop(name, None)
            else:
                self.jar[name] = cookie.partition("=")[2].partition(";")[0]

    @property
    def user(self):
        """Who the app takes this browser for."""
        return self.visit().user_id

    # --- acting for users -----------------------------------------------------------------

    def impersonate(self, user_id="ben", *, minutes=30, reason="a ticket", status=200):
        begin = self.office.issuing.impersonations.begin
        return self.visit(
            lambda exchange: begin(exchange, user_id, reason=reason, minutes=minutes), status=status
        )

    def stop(self):
        return self.visit(self.office.issuing.impersonations.end)


def custom(claims):
    """The custom claims among those of a token."""
    return {name: value for name, value in claims.items() if name not in PROTECTED_NAMES}


def parts(token):
    """Header and payload of a token, whoever signed it."""
    return tuple(parse_object(b64url_decode(part.encode())) for part in token.split(".")[:2])
