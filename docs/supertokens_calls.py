"""The tables of `coming-from-supertokens.md`: their call, ours, what differs, the test."""

from __future__ import annotations

from typing import Final, NamedTuple


class Row(NamedTuple):
    theirs: str
    #: "": not in this release; NONE: there is no such thing here.
    ours: str
    differs: str = ""
    #: Its name in `tests/adapters/flask/test_supertokens_flow.py`, without `test_`.
    test: str = ""


NONE: Final = "none"

FUNCTIONS: Final = (
    Row(
        "`create_new_session(request, tenant_id, recipe_user_id, access_token_payload,"
        " session_data_in_database)`",
        "`create_session(user_id, claims=…, data=…)`",
        "no request, tenant or recipe; the session that the request carried ends; a response with"
        " status 400 or more signs nobody in",
        "create_new_session_puts_the_access_token_payload_into_the_token",
    ),
    Row(
        "its `session_data_in_database`",
        "`data=`",
        "at most 16,384 bytes",
        "create_new_session_keeps_the_session_data_out_of_the_token",
    ),
    Row(
        "`create_new_session_without_request_response(…)`",
        "`sessions.create(user_id, …)`",
        "gives `Issued` with both tokens; no `disable_anti_csrf`",
        "create_new_session_without_request_response_gives_all_tokens",
    ),
    Row(
        "`get_session(request)`",
        "`g.auth`; `@login_required`",
        "`session_required=False`: no gate; an expired token is then signed out, not 401, unless"
        " the request has `rid` or `st-auth-mode`",
        "get_session_is_g_auth_and_says_401_where_it_is_required",
    ),
    Row(
        "its `check_database=True`",
        "`@login_required(live=True)`",
        "without it a revocation is in force within a second, by the log",
        "get_session_with_check_database_is_a_live_gate",
    ),
    Row(
        "its `override_global_claim_validators`",
        "`@login_required(validators=lambda usual: […])`",
        "given the app's validators; a plain list holds beside them",
    ),
    Row(
        "`get_session_without_request_response(access_token, …)`",
        "`Verifier(settings).verify(token)`",
        "by the published key set, so revocations are not seen; raises `TokenError`",
        "get_session_without_request_response_is_a_verifier",
    ),
    Row(
        "`refresh_session(request)`",
        "`POST …/session/refresh`; in inline mode any request",
        "repeating it soon gives the same tokens' successor",
        "refresh_session_is_an_address_and_needs_no_script",
    ),
    Row(
        "`refresh_session_without_request_response(refresh_token, …)`",
        "`sessions.refresh(refresh_token)`",
        "raises `RefreshRefused`; `revoked` in place of `TokenTheftError`",
        "refresh_session_without_request_response",
    ),
    Row(
        "`revoke_session(handle)`",
        "`sessions.revoke(session_id)`",
        "in force within a second everywhere",
        "revoke_session_says_whether_it_was_live",
    ),
    Row(
        "`revoke_multiple_sessions(handles)`",
        "a loop over `sessions.revoke`",
        "one commit each",
        "revoke_multiple_sessions_is_a_loop",
    ),
    Row(
        "`revoke_all_sessions_for_user(user_id, …)`",
        "`sessions.revoke_all(user_id, keep=…)`",
        "no linked accounts, no tenants; may keep one",
        "revoke_all_sessions_for_user_gives_their_ids_and_may_keep_one",
    ),
    Row(
        "`get_all_session_handles_for_user(user_id, …)`",
        "`sessions.list_for_user(user_id)`",
        "whole sessions, the one used last first",
        "get_all_session_handles_for_user_lists_live_sessions_the_last_used_first",
    ),
    Row(
        "`get_session_information(handle)`",
        "`sessions.get(session_id)`",
        "`claims` without `iss`; times in seconds; also `last_seen_at`, `absolute_end`, `device`,"
        " `address`, `org_id`; no `recipe_user_id`, no `tenant_id`",
        "get_session_information_offline",
    ),
    Row(
        "`update_session_data_in_database(handle, new_data)`",
        "`sessions.set_data(session_id, data)`",
        "gives the session, or None",
        "update_session_data_in_database_replaces_all_of_it",
    ),
    Row(
        "`merge_into_access_token_payload(handle, update)`",
        "`sessions.merge_claims(session_id, patch)`",
        "gives the session, or None; in force within a second everywhere",
        "merge_into_access_token_payload_offline_is_in_force_with_the_next_request",
    ),
    Row(
        "the same for each handle of a user",
        "`sessions.merge_claims_for_user(user_id, patch)`",
        "one call",
        "merge_for_all_sessions_of_a_user_is_one_call",
    ),
    Row(
        "`fetch_and_set_claim(handle, claim)`",
        "`sessions.merge_claims(session_id, claim.build(value, now))`",
        "you fetch; or nothing: gates and `validate_claims` fetch what is missing or too old",
        "fetch_and_set_claim_is_a_merge_of_what_you_fetch",
    ),
    Row(
        "`set_claim_value(handle, claim, value)`",
        "`sessions.merge_claims(session_id, claim.build(value, now))`",
        "`{key: value}` for a plain claim, without `v` and `t`",
        "set_get_and_remove_claim_value_are_merge_and_get",
    ),
    Row(
        "`get_claim_value(handle, claim)`",
        "`claim.value(sessions.get(session_id).claims)`, `….claims.get(key)`",
        "no result object: `get` gives None where there is no session",
        "set_get_and_remove_claim_value_are_merge_and_get",
    ),
    Row(
        "`remove_claim(handle, claim)`",
        "`sessions.merge_claims(session_id, {key: None})`",
        "stays removed, though it is provided again",
        "a_removed_claim_stays_removed_though_it_is_provided_again",
    ),
    Row(
        "`validate_claims_for_session_handle(handle, …)`",
        "`sessions.validate_claims(session_id, validators)`",
        "gives those that failed, or None where there is no session; fetches as theirs does; those"
        " of the app are not added",
    ),
    Row(
        "`create_jwt(payload, validity_seconds, …)`",
        "`sessions.mint(session_id, lifetime=…)`, `sessions.mint(session_id, template, …)`",
        "a session's token of 5 to 3,600 s, or one of a named template; of any payload: none",
        "create_jwt_is_mint_for_a_session",
    ),
    Row(
        "`get_jwks()`",
        "`GET …/jwt/jwks.json`, `GET /.well-known/jwks.json`",
        "addresses only",
        "get_jwks_is_published_at_both_addresses",
    ),
    Row(
        "`get_open_id_discovery_configuration()`",
        "`GET /.well-known/openid-configuration`",
        "address only; needs `ISSUER_URL`; names the key set at the root",
        "get_open_id_discovery_configuration",
    ),
)

_GETTERS: Final = "the_getters_of_a_session_object"
CONTAINER: Final = (
    Row(
        "`revoke_session()`",
        "`revoke_session()`",
        "whether it was live; the tokens are cleared in any case",
        "revoke_session_of_the_session_object_clears_the_cookies",
    ),
    Row("`get_session_data_from_database()`", "`current_session().data`", "frozen", _GETTERS),
    Row(
        "`update_session_data_in_database(data)`",
        "`sessions.set_data(g.auth.session_id, data)`",
        "",
        "update_session_data_in_database_replaces_all_of_it",
    ),
    Row("`get_time_created()`", "`current_session().created_at`", "seconds", _GETTERS),
    Row(
        "`get_expiry()`",
        "`current_session().expires_at`",
        "seconds; `absolute_end` is when it ends in any case",
        _GETTERS,
    ),
    Row(
        "`assert_claims(validators)`",
        "`@claims_required(validators=[…])`; plain claims: `claims=…`, `predicate=…`",
        "a gate; in code `sessions.validate_claims(g.auth.session_id, validators)`",
        "assert_claims_is_claims_required",
    ),
    Row(
        "`fetch_and_set_claim(claim)`",
        "`merge_session_claims(claim.build(value, now))`",
        "you fetch; or a gate does",
        "fetch_and_set_claim_is_a_merge_of_what_you_fetch",
    ),
    Row(
        "`set_claim_value(claim, v)`, `remove_claim(claim)`",
        "`merge_session_claims(claim.build(v, now))`, `merge_session_claims({key: None})`",
        "`{key: v}` for a plain claim",
        "merge_into_access_token_payload_online_makes_a_new_token_now",
    ),
    Row(
        "`get_claim_value(claim)`",
        "`claim.value(g.auth.session_claims)`, `g.auth.session_claims.get(key)`",
        "",
        "get_session_is_g_auth_and_says_401_where_it_is_required",
    ),
    Row(
        "`merge_into_access_token_payload(update)`",
        "`merge_session_claims(patch)`",
        "gives the new `Auth`; a session that is gone: `SessionError`, `session-revoked`",
        "merge_into_access_token_payload_online_makes_a_new_token_now",
    ),
    Row(
        "`attach_to_request_response(request, …)`",
        NONE,
        "`create_session` puts tokens on the response itself",
        "create_new_session_puts_the_access_token_payload_into_the_token",
    ),
    Row("`get_user_id()`", "`g.auth.user_id`", "", _GETTERS),
    Row("`get_recipe_user_id()`", NONE, "a user has one id"),
    Row("`get_tenant_id()`", NONE, "one tenant; `g.auth.org_id` is the active organisation"),
    Row(
        "`get_access_token_payload()`",
        "`g.auth.session_claims`",
        "frozen; `iss`, `sub` and the like included",
        _GETTERS,
    ),
    Row("`get_handle()`", "`g.auth.session_id`", "", _GETTERS),
    Row("`get_access_token()`", "`g.auth.get_token()`", "", _GETTERS),
    Row(
        "`get_all_session_tokens_dangerously()`",
        "`Issued` of `sessions.create` and `sessions.refresh`",
        "no front-token and no anti-CSRF token in it",
        "create_new_session_without_request_response_gives_all_tokens",
    ),
    Row('`session["attr"]`', "attributes of `Session`", "", "get_session_information_offline"),
)

CLAIMS: Final = (
    Row(
        "`PrimitiveClaim(key, fetch_value, default_max_age_in_sec)`",
        "`Claim(key, fetch, max_age=…)`",
        "no default age there or here",
    ),
    Row(
        "`BooleanClaim`, `PrimitiveArrayClaim`", "`BooleanClaim`, `ListClaim`", "values are checked"
    ),
    Row(
        "`fetch_value(user_id, recipe_user_id, tenant_id, current_payload, user_context)`",
        "`fetch(user_id, session)`",
        "`session` is None while it is being made; its `claims` are the payload; what it raises"
        " refuses, and is logged",
    ),
    Row(
        "`claim.build(…)` in an override of `create_new_session`",
        "`claims.add_claims(claim)`",
        "also at a refresh once it is too old",
    ),
    Row(
        "`get_value_from_payload`, `get_last_refetch_time`",
        "`claim.value(claims)`, `claim.fetched_at(claims)`",
        "seconds, not milliseconds",
    ),
    Row(
        "`add_to_payload_`, `remove_from_payload_by_merge_`",
        "`claim.build(value, now)`, `claim.build(None, now)`",
        "a patch to be merged",
    ),
    Row(
        "`has_value`, `is_true`, `is_false`, `includes`, `excludes`, `includes_all`,"
        " `includes_any`, `excludes_all`",
        "the same",
        "`max_age` in seconds, `id`",
    ),
    Row(
        "`SessionClaimValidator` with `should_refetch` and `async validate`",
        "an object with `id`, `claim`, `should_refetch(claims, now)`, `validate(claims, now)`",
        "plain methods; None, or the reason",
    ),
    Row("403 `claimValidationErrors`", "the same", "and `code`: `claim-validation-failed`"),
    Row(
        "`EmailVerificationClaim`",
        "`BooleanClaim` of yours, or `{{user.email_verified}}`",
        "who verifies tells the directory",
    ),
    Row(
        "`refresh()` and `maxAgeInSeconds` of the front end's claims",
        NONE,
        "the server fetches; front ends read the claims as there",
    ),
)

RECIPES: Final = (
    Row(
        "`get_user_metadata(user_id)`",
        "`directory.get_user(user_id).public_metadata`",
        "None where there is no user; three kinds: public, private, unsafe",
    ),
    Row(
        "`update_user_metadata(user_id, update)`",
        "`directory.update_user_metadata(user_id, public=…)`",
        "merged at every depth, not the first only; the user must be there: `put_user`",
    ),
    Row(
        "`clear_user_metadata(user_id)`",
        "`directory.replace_user_metadata(user_id, public={})`",
        "",
    ),
    Row(
        "`create_new_role_or_add_permissions(role, permissions)`",
        "the setting `ROLES`",
        "full keys: `org:feature:name`",
    ),
    Row(
        "`add_role_to_user(tenant_id, user_id, role)`",
        "`directory.add_member(org_id, user_id, role)`",
        "one role in each organisation",
    ),
    Row(
        "`remove_user_role(…)`",
        "`directory.remove_member(org_id, user_id)`",
        "in force within a second",
    ),
    Row("`get_roles_for_user(…)`", "`directory.list_memberships(user_id)`", ""),
    Row("`get_users_that_have_role(…)`", "`directory.list_members(org_id)`", "by organisation"),
    Row(
        "`UserRoleClaim.validators.includes(role)`",
        "`@claims_required(role=…)`",
        "of the active organisation",
    ),
    Row(
        "`PermissionClaim.validators.includes(permission)`",
        "`@claims_required(permission=…)`",
        "the same",
    ),
)

SETUP: Final = (
    Row(
        "override of `create_new_session`",
        "a template; or `@claims.provide`",
        "asked at each refresh too; what the call gives wins over it",
        "an_override_of_create_new_session_is_a_provider",
    ),
    Row(
        "override of `get_global_claim_validators`",
        "`claims.add_validators(…)`",
        "the same for all requests; a gate may choose among them",
    ),
    Row("other overrides of functions", NONE, "write a function around the call"),
    Row(
        "`disable_refresh_post`, `disable_signout_post`",
        "do not register `claims.blueprint()`",
        "",
        "without_its_blueprint_the_app_answers_for_refresh_and_sign_out",
    ),
    Row(
        "`on_unauthorised`, `on_try_refresh_token`",
        "[`@claims.unauthenticated`](flask.md#answer-refusals-yourself)",
        "one callback; `error_code` says why",
    ),
    Row(
        "`on_invalid_claim`",
        "[`@claims.forbidden`](flask.md#answer-refusals-yourself)",
        "`error_code` is `claim-validation-failed`",
    ),
    Row(
        "`on_token_theft_detected`",
        "the signal `refresh_token_reused`",
        "the session has ended already",
        "on_token_theft_detected_is_a_signal",
    ),
    Row(
        "`get_token_transfer_method`",
        "the request's `st-auth-mode`",
        "without it: cookies",
        "without_st_auth_mode_tokens_are_in_cookies",
    ),
    Row(
        "`st-auth-mode: header`",
        "the same",
        "",
        "st_auth_mode_header_delivers_tokens_and_front_token_in_headers",
    ),
    Row("`cookie_domain`, `older_cookie_domain`", NONE, "cookies belong to one host"),
    Row("`cookie_secure`, `cookie_same_site`", NONE, "Secure, Lax; `DEV_COOKIES` for development"),
    Row("`anti_csrf`", "`ORIGINS`", "always on for cookies"),
    Row(
        "`use_dynamic_access_token_signing_key`",
        "[keys rotate](keys.md); `SIGNING_KEY` is one that does not",
        "",
    ),
)
