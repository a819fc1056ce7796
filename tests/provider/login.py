"""A person with a browser who signs in at the provider, and the public client they do it for.

Pages are read and forms sent as the provider made them; addresses come from its discovery
document. Nothing here knows this library.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Generator
from contextlib import contextmanager
from html.parser import HTMLParser
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urljoin, urlsplit

import requests

CLIENT = "spa"
CALLBACK = "http://127.0.0.1/callback"
STEPS = 12  # a login takes 8: two forms, each with its redirects


class Tokens(NamedTuple):
    access: str
    identity: str


class Form(HTMLParser):
    """The first form of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if tag == "form" and self.action is None:
            self.action = found["action"]
        elif tag == "input":
            self.fields[found["name"] or ""] = found.get("value") or ""


@contextmanager
def browser() -> Generator[requests.Session, None, None]:
    """Keeps cookies; takes no proxy and no .netrc of whoever runs this."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


def discovered(session: requests.Session, issuer: str) -> dict[str, Any]:
    reply = session.get(f"{issuer}/.well-known/openid-configuration", timeout=10)
    assert reply.status_code == 200, reply.text
    document: dict[str, Any] = reply.json()
    assert document["issuer"] == issuer
    return document


def sign_in(issuer: str, user: str = "ada", resource: str | None = "urn:rs256") -> Tokens:
    """Log in, consent, and trade the code in: authorization code flow with PKCE (RFC 7636).

    Without a `resource` (RFC 8707) the access token is for the provider's own userinfo alone.
    """
    proof = secrets.token_urlsafe(32)
    digest = hashlib.sha256(proof.encode()).digest()
    target = {} if resource is None else {"resource": resource}
    asked = {
        "client_id": CLIENT,
        "response_type": "code",
        "redirect_uri": CALLBACK,
        "scope": "openid" if resource is None else "openid reports:read",
        "state": secrets.token_urlsafe(8),
        "nonce": secrets.token_urlsafe(8),
        "code_challenge": base64.urlsafe_b64encode(digest).rstrip(b"=").decode(),
        "code_challenge_method": "S256",
        **target,
    }
    with browser() as session:
        provider = discovered(session, issuer)
        reply = session.get(
            provider["authorization_endpoint"], params=asked, timeout=10, allow_redirects=False
        )
        back = walk(session, reply, user)
        assert (back["state"], back["iss"]) == (asked["state"], issuer), back  # RFC 9207
        reply = session.post(
            provider["token_endpoint"],
            data={
                "grant_type": "authorization_code",
                "client_id": CLIENT,
                "redirect_uri": CALLBACK,
                "code": back["code"],
                "code_verifier": proof,
                **target,
            },
            timeout=10,
        )
    assert reply.status_code == 200, reply.text
    granted = reply.json()
    return Tokens(granted["access_token"], granted["id_token"])


def walk(session: requests.Session, reply: requests.Response, user: str) -> dict[str, str]:
    """Follow redirects and send forms until the provider sends the browser back to the client."""
    forms: list[str] = []
    for _ in range(STEPS):
        if reply.is_redirect:
            address = urljoin(reply.url, reply.headers["Location"])
            if address.startswith(f"{CALLBACK}?"):
                assert forms == ["login", "consent"]
                query = parse_qs(urlsplit(address).query)
                return {name: values[0] for name, values in query.items()}
            reply = session.get(address, timeout=10, allow_redirects=False)
            continue
        assert reply.status_code == 200, reply.text
        form = Form(reply.text)
        assert form.action is not None, reply.text
        forms.append(form.fields["prompt"])
        filled = form.fields | (
            {"login": user, "password": "any"} if "login" in form.fields else {}
        )
        address = urljoin(reply.url, form.action)
        reply = session.post(address, data=filled, timeout=10, allow_redirects=False)
    raise AssertionError(f"the login does not end: {reply.status_code} at {reply.url}")
