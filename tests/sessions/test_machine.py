"""Any sequence of what a victim, its tabs and a thief may do, against a model of one page.

The model knows the chain of tokens, when the last one was made, and whether the session has ended.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from flask_session_claims.sessions.faults import RefreshRefused
from flask_session_claims.sessions.limits import KEEP_ENDED, Limits

from .stage import NOW, Stage

IDLE, ABSOLUTE, GRACE = 1000, 5000, 30


class Tabs(RuleBasedStateMachine):
    """One session of a browser with three tabs, and somebody who copies its cookie."""

    @initialize()
    def sign_in(self):
        self.stage = Stage(limits=Limits(idle=IDLE, absolute=ABSOLUTE, grace=GRACE))
        self.session_id, token = self.stage.sign_in()
        #: Every token ever given, in order; the last is the current one.
        self.chain = [token]
        self.rotated_at = NOW
        self.ended = False
        self.claims = {}
        #: What each holds: the browser's jar, tabs with an old page, the thief.
        self.held = {"jar": token, "tab": token, "thief": token}
        self.alarms = 0

    # --- what the model expects -----------------------------------------------------------

    def is_over(self):
        end = min(self.rotated_at + IDLE, NOW + ABSOLUTE)
        return self.stage.now >= end

    def expected(self, token):
        """(code of the refusal or None, the token given)"""
        if self.ended:
            return "session-revoked", None
        if self.is_over():
            return "session-expired", None
        behind = len(self.chain) - 1 - self.chain.index(token)
        if behind == 0:
            return None, "new"
        if behind == 1 and self.stage.now - self.rotated_at <= GRACE:
            return None, self.chain[-1]
        return "refresh-token-reused", None

    def present(self, token):
        """Refresh with a token; what is given, or None."""
        if self.stage.state(self.session_id) is None:  # pruned
            code = "session-unknown"
            given = None
        else:
            code, given = self.expected(token)
        refused = None
        try:
            answer = self.stage.refresh(token)
        except RefreshRefused as error:
            refused = error
        assert (refused and refused.code) == code
        if refused is not None:
            assert refused.revoked == (code == "refresh-token-reused")
            self.ended = self.ended or refused.revoked
            self.alarms += refused.revoked
            return None
        assert answer.rotated == (given == "new")
        if given == "new":
            assert answer.refresh_token not in self.chain
            self.chain.append(answer.refresh_token)
            self.rotated_at = self.stage.now
        else:
            assert answer.refresh_token == given
        assert answer.session.claims == self.claims
        return answer.refresh_token

    # --- what may happen ------------------------------------------------------------------

    @rule(who=st.sampled_from(["jar", "tab", "thief"]), arrives=st.booleans())
    def refresh(self, who, arrives):
        given = self.present(self.held[who])
        if given is not None and arrives:
            self.held[who] = given

    @rule()
    def a_tab_takes_the_cookie_of_the_jar(self):
        self.held["tab"] = self.held["jar"]

    @rule()
    def the_thief_copies_the_cookie(self):
        self.held["thief"] = self.held["jar"]

    @rule(seconds=st.sampled_from([1, 30, 31, 61, 999]))
    def time_passes(self, seconds):
        self.stage.now += seconds

    @rule(name=st.sampled_from("ab"), value=st.one_of(st.none(), st.integers(0, 3)))
    def merge(self, name, value):
        session = self.stage.do(self.stage.flows.merge_claims(self.session_id, {name: value}))
        assert (session is None) == (self.ended or self.is_over())
        if session is not None:
            self.claims = {n: v for n, v in {**self.claims, name: value}.items() if v is not None}
            assert session.claims == self.claims

    @rule()
    def sign_out(self):
        live = not self.ended and not self.is_over()
        assert self.stage.do(self.stage.flows.revoke(self.session_id)) is live
        self.ended = self.ended or live

    @rule()
    def prune(self):
        self.stage.do(self.stage.flows.prune())

    @precondition(lambda self: self.ended)
    @rule(seconds=st.just(KEEP_ENDED))
    def a_day_passes(self, seconds):
        self.stage.now += seconds

    # --- what always holds ----------------------------------------------------------------

    @invariant()
    def the_session_is_live_if_the_model_says_so(self):
        session = self.stage.get(self.session_id)
        assert (session is None) == (self.ended or self.is_over())
        if session is not None:
            assert session.claims == self.claims
            assert session.expires_at <= NOW + ABSOLUTE

    @invariant()
    def there_is_one_entry_for_each_change_and_none_for_a_refresh(self):
        revoked = [entry for entry in self.stage.log() if entry[2] == "revoked"]
        assert len(revoked) == (1 if self.ended else 0)
        assert self.alarms <= 1


TestTabs = Tabs.TestCase
TestTabs.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)
