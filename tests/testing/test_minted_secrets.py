"""The record of minted secrets, which a leak checker reads."""

import subprocess
import sys

import pytest

from flask_session_claims import testing
from flask_session_claims.testing import LocalIssuer, minted_secrets, record_secrets, shared_key

ALGORITHMS = ["RS256", "ES256", "EdDSA"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_tokens_and_their_signatures_are_recorded(algorithm):
    with record_secrets() as secrets:
        issuer = LocalIssuer(key=shared_key(algorithm))
        tokens = [
            issuer.mint(),
            issuer.mint_v2(),
            issuer.mint_template(),
            issuer.mint_machine(),
            issuer.mint_access(audience="a"),
            issuer.sign(b"{}", b"anything"),
        ]
        for token in tokens:
            assert {token, token.rpartition(".")[2]} <= secrets()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(
    "write", [str, repr, lambda pem: pem.replace("\n", ""), lambda pem: pem.replace("\n", "\r\n")]
)
def test_a_leaked_private_key_is_found_however_its_lines_end(algorithm, write):
    with record_secrets() as secrets:
        issuer = LocalIssuer(key=shared_key(algorithm))
        leak = f"loading key {write(issuer.private_pem())} failed"
        assert any(secret in leak for secret in secrets())


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_public_keys_and_kids_are_not_taken_for_secrets(algorithm):
    with record_secrets() as secrets:
        issuer = LocalIssuer(key=shared_key(algorithm))
        issuer.mint()
        public = f"{issuer.public_pem()} {issuer.jwks()} {issuer!r}"
        assert not [secret for secret in secrets() if secret in public]


def test_a_rotated_key_is_recorded():
    with record_secrets() as secrets:
        issuer = LocalIssuer(algorithm="EdDSA")
        issuer.rotate()
        assert any(secret in issuer.private_pem() for secret in secrets())


def test_a_key_made_before_the_block_is_recorded_when_it_signs():
    issuer = LocalIssuer(algorithm="EdDSA")
    with record_secrets() as secrets:
        issuer.mint()
        assert any(secret in issuer.private_pem() for secret in secrets())


def test_what_is_handed_out_is_a_copy():
    with record_secrets():
        LocalIssuer(algorithm="EdDSA").mint()
        before = minted_secrets()
        minted_secrets().clear()
        assert minted_secrets() == before != set()


def test_nothing_is_kept_outside_of_a_block():
    # In a process of its own, since the suite may keep a block open around every test.
    script = """if True:
        from flask_session_claims.testing import LocalIssuer, minted_secrets, record_secrets
        issuer = LocalIssuer(algorithm="EdDSA")
        issuer.mint()
        print(len(minted_secrets()))
        with record_secrets():
            with record_secrets():
                issuer.mint()
            print(len(minted_secrets()))
        print(len(minted_secrets()))
    """
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    # Token, signature, PEM line, scalar.
    assert done.stdout.split() == ["0", "4", "0"]


def loaded_by(statement):
    script = f"""if True:
        import sys
        {statement}
        print(*{{"flask", "werkzeug", "quart", "django", "jwt", "requests"}} & set(sys.modules))
    """
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_the_kit_loads_no_framework_and_no_jwt_library():
    issuing = ", ".join(set(testing.__all__) - {"auth_as"})
    assert loaded_by(f"from flask_session_claims.testing import {issuing}") == set()


def test_only_what_stands_on_the_reading_side_loads_a_jwt_library():
    assert loaded_by("from flask_session_claims.testing import auth_as") == {"jwt"}
