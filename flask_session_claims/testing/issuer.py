"""A local issuer: keys, a key set, and tokens shaped like the hosted issuer's, all in memory.

It signs by itself rather than through a JWT library, so that a test can sign anything at all.
It must not import the verifier or a framework: it is the other side of the wire.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .keys import Algorithm, PrivateKey, SigningKey, b64url, new_key
from .record import record, recording

if TYPE_CHECKING:
    from .keyserver import KeyServer

# The class tags of the hosted issuer's token header.
SESSION_CATEGORY = "cl_B7d4PD111AAA"
TEMPLATE_CATEGORY = "cl_B7d4PD222AAA"
MACHINE_CATEGORY = "cl_B7d4PD333AAA"


class LocalIssuer:
    """An issuer of test tokens, with one signing key and a key set that may hold more.

    Args:
        issuer: the `iss` of its tokens.
        algorithm: RS256, ES256 or EdDSA; ignored when `key` is given.
        clock: gives the time in UTC seconds; tokens carry whole seconds. The attribute may be
            set to another.
        azp: the authorized party of its session tokens, unless a call names another.
        kid: name of the first key; its RFC 7638 thumbprint when None.
        key: a private key of `cryptography` to use instead of a fresh one, such as
            `shared_key("RS256")`. No two issuers share a key unless told to.
    """

    def __init__(
        self,
        issuer: str = "https://issuer.example",
        algorithm: Algorithm = "RS256",
        *,
        clock: Callable[[], float] = time.time,
        azp: str | None = None,
        kid: str | None = None,
        key: PrivateKey | None = None,
    ) -> None:
        self.issuer = issuer
        self.clock = clock
        self.azp = azp
        # The current key first. Replaced as a whole, so that other threads see all or nothing.
        self._keys: tuple[SigningKey, ...] = (
            SigningKey(new_key(algorithm) if key is None else key, kid),
        )
        self._record(self._key)

    @property
    def _key(self) -> SigningKey:
        return self._keys[0]

    @property
    def algorithm(self) -> Algorithm:
        """What the current key signs with."""
        return self._key.algorithm

    @property
    def kid(self) -> str:
        """Name of the current key."""
        return self._key.kid

    # Keys

    def jwks(self) -> dict[str, Any]:
        """The key set as it would be published; a new dict each time, the current key first."""
        return {"keys": [key.public_jwk() for key in self._keys]}

    def public_jwk(self) -> dict[str, str]:
        """The current public key as a JWK."""
        return self._key.public_jwk()

    def public_pem(self) -> str:
        """The current public key in PEM."""
        return self._key.public_pem()

    def private_pem(self) -> str:
        """The current private key in PEM, unencrypted: for tests that it is refused."""
        return self._key.private_pem()

    def rotate(
        self, *, keep: bool = False, kid: str | None = None, key: PrivateKey | None = None
    ) -> str:
        """Sign with another key from now on, and give its kid.

        The old key leaves the set unless `keep` is True; keys kept earlier stay until `retire`.
        """
        new = SigningKey(new_key(self.algorithm) if key is None else key, kid)
        self._keys = (new, *(self._keys if keep else self._keys[1:]))
        self._record(new)
        return new.kid

    def retire(self, kid: str) -> None:
        """Take a kept key out of the set; KeyError if it is not one."""
        current, kept = self._keys[0], self._keys[1:]
        if kid not in {key.kid for key in kept}:
            raise KeyError(kid)
        self._keys = (current, *(key for key in kept if key.kid != kid))

    def serve(self) -> KeyServer:
        """A started key server for this issuer, also a context manager; stop it when done."""
        from .keyserver import KeyServer

        server = KeyServer(self)
        server.start()
        return server

    # Tokens

    def mint(
        self,
        sub: str = "user_1",
        *,
        sid: str | None = "sess_1",
        lifetime: float = 60,
        headers: Mapping[str, object] | None = None,
        drop: Iterable[str] = (),
        azp: str | None = None,
        **claims: object,
    ) -> str:
        """A session token in the hosted issuer's first format.

        Args:
            sid: the session; None leaves the claim out.
            lifetime: seconds from `iat` to `exp`; negative for a token that has expired.
            headers: members added to or put in place of the usual ones; None takes one away.
            drop: claims to leave out.
            azp: the authorized party; None: the issuer's own, if it has one.
            claims: further claims, which also win over the usual ones.
        """
        usual = {**self._times(lifetime), "sub": sub, "sid": sid, **self._party(azp)}
        usual = {name: value for name, value in usual.items() if value is not None}
        return self._mint({}, headers, {**usual, **claims}, drop)

    def mint_v2(
        self,
        sub: str = "user_1",
        *,
        org: Mapping[str, object] | None = None,
        fea: str | None = None,
        pla: str | None = None,
        sts: str | None = "active",
        sid: str | None = "sess_1",
        lifetime: float = 60,
        headers: Mapping[str, object] | None = None,
        drop: Iterable[str] = (),
        azp: str | None = None,
        **claims: object,
    ) -> str:
        """A session token in the hosted issuer's second format; the rest is as in `mint`.

        Args:
            org: the `o` claim as it stands in a token: id, slg, rol (without `org:`), per, fpm.
            fea: features, such as `"o:teams,u:export"`.
            pla: plan, such as `"o:pro"`.
            sts: session status, `active` or `pending`.
        """
        usual: dict[str, object] = {
            **self._times(lifetime),
            "sub": sub,
            "sid": sid,
            **self._party(azp),
        }
        usual |= {"v": 2, "fva": [0, -1], "sts": sts, "pla": pla, "fea": fea}
        usual["o"] = None if org is None else dict(org)
        usual = {name: value for name, value in usual.items() if value is not None}
        return self._mint({"cat": SESSION_CATEGORY}, headers, {**usual, **claims}, drop)

    def mint_as(
        self,
        user_id: str = "user_1",
        *,
        session_id: str = "sess_1",
        role: str | None = None,
        permissions: Iterable[str] = (),
        org_id: str | None = None,
        org_slug: str | None = None,
        features: Iterable[str] = (),
        plan: str | None = None,
        factor_verification_age: tuple[int, int] | None = None,
        actor: Mapping[str, object] | None = None,
        claims: Mapping[str, object] | None = None,
        lifetime: float = 60,
        azp: str | None = None,
        **custom: object,
    ) -> str:
        """A session token of somebody described as for `auth_as`, in the first format."""
        from .described import described

        said = described(
            user_id,
            custom,
            session_id=session_id,
            role=role,
            permissions=permissions,
            org_id=org_id,
            org_slug=org_slug,
            features=features,
            plan=plan,
            factor_verification_age=factor_verification_age,
            actor=actor,
            claims=claims,
        )
        return self._mint({}, None, {**self._times(lifetime), **self._party(azp), **said}, ())

    def mint_template(
        self,
        sub: str = "user_1",
        *,
        lifetime: float = 60,
        headers: Mapping[str, object] | None = None,
        drop: Iterable[str] = (),
        **claims: object,
    ) -> str:
        """A token from a JWT template: it names the user but no session, and must not sign in."""
        usual = {**self._times(lifetime), "sub": sub}
        return self._mint({"cat": TEMPLATE_CATEGORY}, headers, {**usual, **claims}, drop)

    def mint_machine(
        self,
        sub: str = "mch_1",
        *,
        scopes: str = "",
        lifetime: float = 3600,
        headers: Mapping[str, object] | None = None,
        drop: Iterable[str] = (),
        **claims: object,
    ) -> str:
        """A machine-to-machine token, which must not sign anybody in."""
        usual = {**self._times(lifetime), "sub": sub, "scopes": scopes}
        return self._mint({"cat": MACHINE_CATEGORY}, headers, {**usual, **claims}, drop)

    def mint_access(
        self,
        sub: str = "user_1",
        *,
        audience: str | list[str],
        scope: str = "",
        client_id: str = "client_1",
        lifetime: float = 3600,
        headers: Mapping[str, object] | None = None,
        drop: Iterable[str] = (),
        **claims: object,
    ) -> str:
        """An OAuth access token by RFC 9068 §2, of type `at+jwt`; no `scope` claim when empty."""
        usual = {**self._times(lifetime), "sub": sub, "aud": audience, "client_id": client_id}
        if scope:
            usual["scope"] = scope
        return self._mint({"typ": "at+jwt"}, headers, {**usual, **claims}, drop)

    def sign(
        self, header: Mapping[str, object] | bytes, payload: Mapping[str, object] | bytes
    ) -> str:
        """A compact JWS over exactly this header and payload, by the current key.

        Nothing is added or checked: the header may name another algorithm than the one used.
        Bytes go in as they are; mappings become compact UTF-8 JSON.
        """
        return self._sign(self._key, header, payload)

    def _times(self, lifetime: float) -> dict[str, object]:
        now = int(self.clock())
        return {
            "iss": self.issuer,
            "iat": now,
            # The hosted issuer dates it back, so that a slow clock elsewhere does not refuse it.
            "nbf": now - 10,
            "exp": now + lifetime,
            "jti": uuid.uuid4().hex,
        }

    def _party(self, azp: str | None) -> dict[str, object]:
        party = self.azp if azp is None else azp
        return {} if party is None else {"azp": party}

    def _mint(
        self,
        usual_headers: Mapping[str, object],
        headers: Mapping[str, object] | None,
        claims: Mapping[str, object],
        drop: Iterable[str],
    ) -> str:
        key = self._key
        header: dict[str, object] = {"alg": key.algorithm, "kid": key.kid, "typ": "JWT"}
        header |= {**usual_headers, **(headers or {})}
        dropped = frozenset(drop)
        return self._sign(
            key,
            {name: value for name, value in header.items() if value is not None},
            {name: value for name, value in claims.items() if name not in dropped},
        )

    def _sign(
        self,
        key: SigningKey,
        header: Mapping[str, object] | bytes,
        payload: Mapping[str, object] | bytes,
    ) -> str:
        signing_input = f"{b64url(_as_bytes(header))}.{b64url(_as_bytes(payload))}"
        signature = b64url(key.sign(signing_input.encode("ascii")))
        token = f"{signing_input}.{signature}"
        record((token, signature))
        # Once more: the record may have been opened after the key was made.
        self._record(key)
        return token

    def _record(self, key: SigningKey) -> None:
        if recording():
            record(key.secrets)

    def __repr__(self) -> str:
        return f"LocalIssuer({self.issuer!r}, {self.algorithm}, kid={self.kid!r})"


def _as_bytes(value: Mapping[str, object] | bytes) -> bytes:
    if isinstance(value, bytes):
        return value
    return json.dumps(dict(value), ensure_ascii=False, separators=(",", ":")).encode("utf-8")
