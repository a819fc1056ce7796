"""May this request pass: requirements, and the one pure function that decides.

A 401 is sent only where a new token would cure it (or the refresh itself will answer 401);
everything wrong with a *valid* session is 403; what cannot be told is 503.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from inspect import iscoroutinefunction
from typing import Any, Final, Literal, NamedTuple, cast
from urllib.parse import quote, urlsplit

from .access import reverification_rule
from .auth import Auth
from .errors import VALID_SESSION_REASONS, ConfigurationError, UnavailableError, client_code
from .redirects import is_safe_redirect
from .request import Exchange, RequestFacts
from .settings import GateSettings
from .validating import Failure, Validators, checked, failures, in_force, wants_fetch
from .validators import Validator, same

Act = Literal["allow", "challenge", "forbid", "preflight", "redirect", "unavailable"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    """What a view asks of who comes. Everything named must hold."""

    #: False: anybody may pass, except an FDI client with an expired token, who shall refresh.
    signed_in: bool = True
    #: Whether the session's record has to be read, whatever its token says.
    live: bool = False
    #: Whether somebody may pass who acts for the user (impersonation).
    allow_actor: bool = True
    role: str | None = None
    permission: str | None = None
    feature: str | None = None
    plan: str | None = None
    reverification: Any = None
    #: Claim name -> the value it must have, or a set of values of which it must have one.
    claims: Mapping[str, Any] | None = None
    #: Besides the app-wide ones; or a function of those that gives what holds instead.
    validators: Validators | None = None
    predicate: Callable[[Auth], bool] | None = None

    @property
    def asks_has(self) -> bool:
        named = (self.role, self.permission, self.feature, self.plan, self.reverification)
        return any(value is not None for value in named)


SIGNED_IN: Final = Requirement()
ANYBODY: Final = Requirement(signed_in=False)


class Decision(NamedTuple):
    """What is to happen; `code` and `location` where it is not "allow"."""

    act: Act
    code: str | None = None
    #: For "redirect".
    location: str | None = None
    #: Whether a credential was sent at all (RFC 6750 §3.1).
    credential_sent: bool = False
    #: For "unavailable": seconds.
    retry_after: int = 1
    #: The rule that was not met, where that is why.
    reverification: Any = None
    #: The validators that did not let pass, where that is why.
    failures: tuple[Failure, ...] = ()


class AppWide(NamedTuple):
    """What the app asks of everybody who is to be signed in, and when (UTC seconds)."""

    validators: tuple[Validator, ...] = ()
    now: float = 0.0


ALLOW: Final = Decision("allow")
_NO_MORE: Final = AppWide()


def unavailable(error: UnavailableError) -> Decision:
    """What is to happen where it cannot be told now."""
    return Decision("unavailable", error.code, retry_after=error.retry_after)


def make_requirement(
    *,
    live: bool = False,
    allow_actor: bool = True,
    role: str | None = None,
    permission: str | None = None,
    feature: str | None = None,
    plan: str | None = None,
    reverification: object = None,
    claims: Mapping[str, Any] | None = None,
    validators: Validators | None = None,
    predicate: Callable[[Auth], bool] | None = None,
) -> Requirement:
    """The requirement of a gate.

    Raises:
        ConfigurationError: a value that could never be met, or would be met by mistake.
    """
    names = {"role": role, "permission": permission, "feature": feature, "plan": plan}
    for name, value in names.items():
        if value is not None and (not isinstance(value, str) or not value):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ConfigurationError(f"{name}: got {value!r}; write a string that is not empty.")
    if reverification is not None and reverification_rule(reverification) is None:
        raise ConfigurationError(
            f"reverification: got {reverification!r}; write strict_mfa, strict, moderate, lax, or"
            ' {"level": "second_factor", "after_minutes": 10}.'
        )
    if claims is not None and (not isinstance(claims, Mapping) or not claims):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ConfigurationError(f'claims: got {claims!r}; write {{"claim": value}}.')
    if validators is not None and not callable(validators):
        validators = checked(validators)
        if not validators:
            raise ConfigurationError(
                "validators: got an empty list; name one, or to leave out those of the app give a"
                " function: lambda usual: []."
            )
    elif iscoroutinefunction(validators):
        raise ConfigurationError("validators: got an async function; give a plain one.")
    if predicate is not None and not callable(predicate):
        raise ConfigurationError(f"predicate: got {predicate!r}; give a function of an Auth.")
    return Requirement(
        live=live,
        allow_actor=allow_actor,
        role=role,
        permission=permission,
        feature=feature,
        plan=plan,
        reverification=reverification,
        claims=claims,
        validators=validators,
        predicate=predicate,
    )


def must_ask(requirement: Requirement, view: object = None) -> Requirement:
    """The requirement, if it asks for more than a sign-in.

    Raises:
        ConfigurationError: it does not, so something was forgotten; or the decorator was given
            the view itself.
    """
    if view is not None:
        raise ConfigurationError(
            "claims_required is to be called: write @claims_required(role=…), or use"
            " @login_required."
        )
    more = (requirement.claims, requirement.validators, requirement.predicate)
    if not requirement.asks_has and all(one is None for one in more):
        raise ConfigurationError(
            "claims_required names nothing to require; name a role, permission, feature, plan,"
            " reverification, claims, validators or predicate, or use login_required."
        )
    return requirement


def judge(exchange: Exchange, requirement: Requirement) -> Decision:
    """`decide` for the exchange at hand, noted as read; the facts are made only if needed."""
    side = exchange.side
    if requirement.live and not exchange.confirmed:
        side.confirm(exchange)
    # As `outcome` has it, which would be one call more for nearly every request.
    outcome = exchange.settled or side.recall(exchange) or exchange.found_out()
    exchange.settled = outcome
    exchange.looks_away, exchange.was_read = False, True
    app_wide = side.validators
    if not app_wide and requirement.validators is None:
        if requirement is SIGNED_IN and type(outcome) is Auth and outcome.is_authenticated:
            return ALLOW
        return decide(exchange.negotiated(), outcome, requirement, side.gates)
    missing = due(exchange, requirement)
    if missing:
        side.refetch(exchange, missing)
        outcome = exchange.outcome()
    more = AppWide(app_wide, exchange.now())
    return decide(exchange.negotiated(), outcome, requirement, side.gates, more)


def due(exchange: Exchange, requirement: Requirement) -> tuple[Validator, ...]:
    """The validators whose claims are to be fetched before `requirement` can be judged.

    None that this request has fetched already; and none unless somebody is signed in, which has
    to be settled before.
    """
    auth, app_wide = exchange.settled, exchange.side.validators
    asks = requirement.signed_in and (app_wide or requirement.validators is not None)
    if not asks or not isinstance(auth, Auth) or not auth.is_authenticated:
        return ()
    claims, now, tried = auth.session_claims, exchange.now(), exchange.refetched
    return tuple(
        validator
        for validator in in_force(requirement.validators, app_wide)
        if validator.claim is not None
        and validator.claim.key not in tried
        and wants_fetch(validator, claims, now)
    )


def decide(
    facts: RequestFacts,
    auth: Auth | UnavailableError,
    requirement: Requirement,
    settings: GateSettings,
    app_wide: AppWide = _NO_MORE,
) -> Decision:
    """What is to happen with a request; pure, so that every adapter answers alike."""
    if isinstance(auth, UnavailableError):
        if not requirement.signed_in:
            return ALLOW
        if facts.is_preflight:
            return Decision("preflight")
        return unavailable(auth)
    if auth.is_authenticated:
        if not requirement.signed_in:
            return ALLOW
        decision = _judge(auth, requirement, app_wide)
        if decision.reverification is not None and _steps_up(facts, auth, settings):
            return decision._replace(act="challenge")
        return decision
    if not requirement.signed_in:
        expired = auth.reason == "token-expired" and facts.is_fdi
        return _challenge(auth) if expired else ALLOW
    if facts.is_preflight:  # never carries credentials; answered, but the view does not run
        return Decision("preflight")
    if auth.reason in VALID_SESSION_REASONS:
        return Decision("forbid", auth.reason, credential_sent=True)
    if settings.sign_in_url is not None and wants_page(facts):
        location = sign_in_location(settings.sign_in_url, settings.redirect_param, facts.target)
        return Decision("redirect", client_code(auth.reason or ""), location)
    return _challenge(auth)


def _challenge(auth: Auth) -> Decision:
    return Decision(
        "challenge", client_code(auth.reason or ""), credential_sent=auth.source is not None
    )


def _steps_up(facts: RequestFacts, auth: Auth, settings: GateSettings) -> bool:
    # RFC 9470 §3; but an FDI client takes 401 for "refresh", which would not help.
    return settings.step_up_401 and auth.source == "header" and not facts.is_fdi


def _judge(auth: Auth, requirement: Requirement, app_wide: AppWide) -> Decision:
    if not requirement.allow_actor and auth.actor is not None:
        return _forbid("actor-refused")
    if requirement.asks_has:
        asked = {
            "role": requirement.role,
            "permission": requirement.permission,
            "feature": requirement.feature,
            "plan": requirement.plan,
        }
        if any(asked.values()) and not auth.has(**asked):
            return _forbid("permission-denied")
        rule = requirement.reverification
        if rule is not None and not auth.has(reverification=rule):
            return _forbid("reverification-required")._replace(reverification=rule)
    if requirement.claims is not None and not _claims_hold(auth, requirement.claims):
        return _forbid("permission-denied")
    validators = in_force(requirement.validators, app_wide.validators)
    failed = failures(validators, auth.session_claims, app_wide.now)
    if failed:
        return _forbid("claim-validation-failed")._replace(failures=failed)
    # Last, so that it may rely on all the rest.
    if requirement.predicate is not None and requirement.predicate(auth) is not True:
        return _forbid("permission-denied")
    return ALLOW


def _forbid(code: str) -> Decision:
    return Decision("forbid", code, credential_sent=True)


def _claims_hold(auth: Auth, wanted: Mapping[str, Any]) -> bool:
    held = auth.session_claims
    for name, value in wanted.items():
        if name not in held:
            return False
        have = held[name]
        if isinstance(value, (set, frozenset)):
            options = cast("set[Any]", value)
            if not any(same(have, option) for option in options):
                return False
        elif not same(have, value):
            return False
    return True


# --- negotiation and redirects ------------------------------------------------------------


def wants_page(facts: RequestFacts) -> bool:
    """Whether a person's browser navigates, so that a redirect makes sense."""
    if facts.page is not None:
        return facts.page
    if facts.method not in ("GET", "HEAD") or facts.is_websocket or facts.is_fdi:
        return False
    if facts.sec_fetch_mode is not None:
        return facts.sec_fetch_mode == "navigate"
    if (facts.requested_with or "").lower() == "xmlhttprequest":
        return False
    return prefers_html(facts.accept)


def prefers_html(accept: str | None) -> bool:
    """Whether an Accept header names HTML with at least the weight of JSON (RFC 9110 §12.5.1)."""
    weights = {"text/html": 0.0, "application/json": 0.0}
    for entry in (accept or "").lower().split(","):
        kind, *parameters = (part.strip() for part in entry.split(";"))
        weight = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    weight = float(parameter[2:])
                except ValueError:
                    weight = 0.0
        if kind in weights:
            weights[kind] = max(weights[kind], weight)
    return weights["text/html"] > 0 and weights["text/html"] >= weights["application/json"]


def sign_in_location(sign_in_url: str, parameter: str, target: str) -> str:
    """The sign-in address, told where to come back to; only ever a path of this site."""
    back = target if is_safe_redirect(target, ()) else "/"
    joint = "&" if urlsplit(sign_in_url).query else "?"
    head, hash_, fragment = sign_in_url.partition("#")
    return f"{head}{joint}{quote(parameter)}={quote(back, safe='')}{hash_}{fragment}"
