"""Whom the fetcher trusts and what it sends: addresses, TLS, and nothing of the environment.

Requests go to the test kit's server or to a TLS server made here. Row ids (K1, K2, K5) are those
of the security requirements.
"""

from __future__ import annotations

import datetime
import ipaddress
import socket
import ssl
import threading
import time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from flask_session_claims import ConfigurationError, UnavailableError, VerifierSettings
from flask_session_claims.core.asks import KeyRequest
from flask_session_claims.io import fetch as fetch_module
from flask_session_claims.io.fetch import KeyFetcher
from flask_session_claims.testing import KeyServer, LocalIssuer, shared_key

from .outside import BODY, ISSUER, MARGIN, get, landed, raw_server


@pytest.fixture
def server():
    with KeyServer(LocalIssuer(ISSUER, key=shared_key("ES256"))) as server:
        yield server


# What is sent, and where


def test_k2_a_redirect_is_not_followed_even_to_a_good_set(server):
    """K2: the server's log shows the one request; its bearer went nowhere else."""
    server.mode = "redirect"
    with pytest.raises(UnavailableError, match="answered 302"):
        get(server.url, bearer="sk_test_secret")
    assert [(method, path) for method, path, _ in server.log] == [("GET", "/.well-known/jwks.json")]


def test_k2_a_cookie_is_never_sent_back(server):
    """K2: the server sets one with every answer."""
    fetcher = KeyFetcher()
    for _ in range(3):
        flight = fetcher.begin(KeyRequest(server.url, 3))
        flight.wait(3)
        assert flight.result()
    assert server.requests == 3
    for _, _, headers in server.log:
        assert "Cookie" not in headers


def test_k2_a_request_says_who_asks_and_nothing_more(server):
    """K2: five headers and the host; no authorization unless it is configured."""
    assert get(server.url)
    (_, _, headers), *_ = server.log
    assert {name.lower() for name in headers} == {
        "host", "accept", "accept-encoding", "user-agent", "connection",
    }  # fmt: skip
    assert headers["Accept-Encoding"] == "identity"


def test_k2_the_environments_proxy_is_not_used(server, monkeypatch):
    """K2: a dead proxy in every spelling changes nothing."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dead = f"http://127.0.0.1:{taken.getsockname()[1]}"
    for name in (
        "HTTP_PROXY",
        "http_proxy",
        "HTTPS_PROXY",
        "https_proxy",
        "ALL_PROXY",
        "all_proxy",
    ):
        monkeypatch.setenv(name, dead)
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    assert get(server.url)
    assert server.requests == 1


def test_k2_the_environments_credentials_are_not_used(server, monkeypatch, tmp_path):
    """K2: a .netrc entry for the very host stays where it is."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert get(server.url)
    assert "Authorization" not in server.log[0][2]


@pytest.mark.parametrize(
    "url",
    [
        "http://issuer.example/jwks",
        "http://10.0.0.1/jwks",
        "http://127.0.0.1.example/jwks",
        "http://127.0.0.1:80/jwks",
        "http://localhost/jwks",
        "http://[::1]/jwks",
        "file:///etc/passwd",
        "ftp://issuer.example/jwks",
        "data:application/json,{}",
        "//issuer.example/jwks",
        "issuer.example/jwks",
        "https://",
        "https://user:pass@issuer.example/jwks",
        "",
    ],
)
def test_k1_a_key_set_comes_over_https(url):
    """K1: everything else is a ConfigurationError at start-up."""
    with pytest.raises(ConfigurationError, match="jwks_url"):
        VerifierSettings(issuer=ISSUER, jwks_url=url)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "[::1]"])
def test_k1_http_on_loopback_needs_the_development_switch(host):
    """K1: and the message names the switch."""
    url = f"http://{host}:8000/jwks"
    with pytest.raises(ConfigurationError, match="allow_loopback_http"):
        VerifierSettings(issuer=ISSUER, jwks_url=url)
    made = VerifierSettings(issuer=ISSUER, jwks_url=url, allow_loopback_http=True)
    assert made.key_source.url == url


@pytest.mark.parametrize(
    "url",
    ["http://issuer.example/jwks", "http://10.0.0.1/jwks", "http://localhost.example/jwks",
     "http://127.0.0.1@issuer.example/jwks", "file:///etc/passwd"],
)  # fmt: skip
def test_k1_the_switch_opens_nothing_but_loopback(url):
    """K1: it is no way to fetch keys over http from elsewhere."""
    with pytest.raises(ConfigurationError):
        VerifierSettings(issuer=ISSUER, jwks_url=url, allow_loopback_http=True)


def test_k1_an_issuer_over_http_is_no_way_around():
    """K1: the address derived from the issuer obeys the same rule, and so does Clerk's."""
    with pytest.raises(ConfigurationError):
        VerifierSettings(issuer="http://issuer.example")
    with pytest.raises(ConfigurationError):
        VerifierSettings(
            issuer=ISSUER, clerk_secret_key="sk_test_x", clerk_api_url="http://api.example"
        )


# TLS


def certificate(folder, *names: str) -> tuple[ssl.SSLContext, str]:
    """A self-signed certificate for these names or addresses: a server's context, its file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.timezone.utc)
    alternatives: list[x509.GeneralName] = []
    for entry in names:
        try:
            alternatives.append(x509.IPAddress(ipaddress.ip_address(entry)))
        except ValueError:
            alternatives.append(x509.DNSName(entry))
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "cert.pem", folder / "key.pem"
    public.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return context, str(public)


@pytest.fixture
def trusting(monkeypatch):
    """Makes the process trust one more certificate, as an operator's SSL_CERT_FILE does."""

    def trust(path: str) -> None:
        monkeypatch.setenv("SSL_CERT_FILE", path)
        fetch_module._tls.cache_clear()

    yield trust
    fetch_module._tls.cache_clear()


def in_order(connection: socket.socket, stopped: threading.Event) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + BODY)


def test_k2_a_certificate_that_nobody_vouches_for_is_refused(tmp_path):
    """K2: TLS is verified."""
    context, _ = certificate(tmp_path, "127.0.0.1")
    with raw_server(in_order, context) as base, pytest.raises(UnavailableError, match="SSLError"):
        get(base)


def test_k2_a_certificate_that_the_machine_trusts_is_taken(tmp_path, trusting):
    """K2: so the refusals beside this one are for the right reason."""
    context, path = certificate(tmp_path, "127.0.0.1")
    trusting(path)
    with raw_server(in_order, context) as base:
        assert get(base).body == BODY


def test_k2_a_certificate_for_another_name_is_refused(tmp_path, trusting):
    """K2: trusted, but not for this host."""
    context, path = certificate(tmp_path, "other.example", "127.0.0.2")
    trusting(path)
    with raw_server(in_order, context) as base, pytest.raises(UnavailableError, match="SSLError"):
        get(base)


@pytest.mark.parametrize("name", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PYTHONHTTPSVERIFY"])
def test_k2_no_variable_of_other_tools_changes_who_is_trusted(tmp_path, monkeypatch, name):
    """K2: nor can a variable switch verification off."""
    context, path = certificate(tmp_path, "127.0.0.1")
    monkeypatch.setenv(name, "0" if name == "PYTHONHTTPSVERIFY" else path)
    with raw_server(in_order, context) as base, pytest.raises(UnavailableError, match="SSLError"):
        get(base)


@pytest.mark.parametrize("keyword", ["verify", "verify_tls", "insecure", "ssl", "cert"])
def test_k2_no_keyword_switches_verification_off(keyword):
    """K2: neither the settings nor the request know such a thing."""
    with pytest.raises(TypeError):
        VerifierSettings(issuer=ISSUER, **{keyword: False})
    with pytest.raises(ConfigurationError):
        VerifierSettings.from_mapping(
            {"SESSION_CLAIMS_ISSUER": ISSUER, f"SESSION_CLAIMS_{keyword.upper()}": False}
        )


def test_k2_one_strict_tls_context_serves_the_process():
    """K2: TLS 1.2 is the least, and the roots are loaded once."""
    assert fetch_module._tls().minimum_version >= ssl.TLSVersion.TLSv1_2
    assert fetch_module._tls().verify_mode is ssl.CERT_REQUIRED
    assert fetch_module._tls().check_hostname
    assert fetch_module._tls() is fetch_module._tls()


def dripping(first: bytes):
    def speak(connection: socket.socket, stopped: threading.Event) -> None:
        connection.sendall(first)
        while not stopped.wait(0.02):
            connection.sendall(b"x")

    return speak


@pytest.mark.parametrize(
    "first", [b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 200 OK\r\nX-Filler: "], ids=["body", "headers"]
)
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_k5_a_connection_that_drips_is_cut_at_the_deadline(tmp_path, trusting, scheme, first):
    """K5: over TLS as well: the thread that reads must not outlive its fetch by minutes."""
    context, path = certificate(tmp_path, "127.0.0.1")
    trusting(path)
    with raw_server(dripping(first), context if scheme == "https" else None) as base:
        start = time.monotonic()
        with pytest.raises(UnavailableError):
            get(base, timeout=0.3)
        assert time.monotonic() - start < 0.3 + MARGIN
        assert landed(), "the connection was not cut, and its thread lives on"


def test_k5_a_handshake_that_hangs_is_cut_at_the_deadline():
    """K5: the server takes the connection and never greets."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        start = time.monotonic()
        with pytest.raises(UnavailableError):
            get(f"https://127.0.0.1:{mute.getsockname()[1]}/", timeout=0.3)
        assert time.monotonic() - start < 0.3 + MARGIN
        assert landed()
