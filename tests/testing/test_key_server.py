"""The key server over real sockets: each mode does what its name says, and stopping is quick."""

import contextlib
import json
import socket
import threading
import time
import zlib

import pytest
import requests

from flask_session_claims.testing import KeyServer, LocalIssuer, shared_key

MODES = (
    "ok status hang slow drip drip-headers oversize oversize-chunked redirect html not-json empty "
    "wrong-type gzip-bomb close no-length"
).split()


@pytest.fixture
def issuer():
    return LocalIssuer(key=shared_key("ES256"))


@pytest.fixture
def server(issuer):
    with KeyServer(issuer) as server:
        yield server


def get(url, **options):
    with requests.Session() as session:
        session.trust_env = False
        return session.get(url, timeout=5, **options)


def ask(server, path="/.well-known/jwks.json"):
    """A raw connection on which a request was sent."""
    connection = socket.create_connection(("127.0.0.1", int(server.base_url.rpartition(":")[2])))
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return connection


def read(connection, seconds):
    """What arrives within the time, and whether the other side closed."""
    data = b""
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        connection.settimeout(left)
        try:
            piece = connection.recv(65536)
        except TimeoutError:
            break
        except ConnectionError:
            return data, True
        if not piece:
            return data, True
        data += piece
    return data, False


# In order


def test_the_set_is_published(server, issuer):
    answer = get(server.url)
    assert answer.status_code == 200
    assert answer.json() == issuer.jwks()
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Content-Length"] == str(len(answer.content))
    assert server.url == f"{server.base_url}/.well-known/jwks.json"


def test_a_rotated_key_shows_at_once(server, issuer):
    kid = issuer.rotate()
    assert get(server.url).json()["keys"][0]["kid"] == kid


def test_each_answer_ends_its_connection(server):
    with ask(server) as connection:
        data, closed = read(connection, 5)
    assert closed
    assert b"\r\nConnection: close\r\n" in data


def test_requests_are_counted_and_logged(server):
    assert (server.requests, server.log) == (0, [])
    get(server.url, headers={"X-Test": "1"})
    get(server.base_url + "/elsewhere?x=1")
    assert server.requests == 2
    (method, path, headers), (_, other_path, _) = server.log
    assert (method, path, headers["x-test"]) == ("GET", "/.well-known/jwks.json", "1")
    assert other_path == "/elsewhere?x=1"


def test_requests_of_many_threads_are_all_counted(server):
    threads = [threading.Thread(target=get, args=(server.url,)) for _ in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert server.requests == 24


@pytest.mark.parametrize(("max_age", "expected"), [(None, None), (0, "0"), (600, "600")])
def test_the_life_of_the_set_is_announced_when_wanted(server, max_age, expected):
    server.max_age = max_age
    header = get(server.url).headers.get("Cache-Control")
    assert header == (expected and f"public, max-age={expected}")


def test_a_client_that_keeps_cookies_shows_in_the_log(server):
    with requests.Session() as session:
        session.trust_env = False
        session.get(server.url, timeout=5)
        session.get(server.url, timeout=5)
    assert [bool(headers["Cookie"]) for _, _, headers in server.log] == [False, True]


def test_other_paths_and_methods_are_refused(server):
    assert get(server.base_url + "/jwks").status_code == 404
    answer = requests.post(server.url, timeout=5)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")


def test_the_backend_api_wants_its_secret_key_once_one_is_set(server, issuer):
    url = server.base_url + "/v1/jwks"
    assert get(url).json() == issuer.jwks()
    server.secret_key = "sk_test_1"
    assert get(url).status_code == 401
    assert get(url, headers={"Authorization": "Bearer sk_test_2"}).status_code == 401
    assert get(url, headers={"Authorization": "Bearer sk_test_1"}).json() == issuer.jwks()
    assert get(server.url).status_code == 200


def test_another_body_can_be_given(server):
    server.body = b'{"keys":[{"kty":"oct"}]}'
    assert get(server.url).content == server.body


# Misbehaving


@pytest.mark.parametrize("status", [204, 404, 500, 503, 599])
def test_status_answers_with_the_status(server, status):
    server.mode, server.status = "status", status
    assert get(server.url).status_code == status


def test_hang_sends_not_a_byte(server):
    server.mode = "hang"
    with ask(server) as connection:
        assert read(connection, 0.2) == (b"", False)
        server.stop()
        assert read(connection, 2) == (b"", True)


def test_a_hanging_request_can_be_let_go(server, issuer):
    server.mode = "hang"
    with ask(server) as connection:
        server.wait_for_requests(1)
        assert read(connection, 0.05) == (b"", False)
        server.release()
        data, closed = read(connection, 5)
    assert closed
    assert json.loads(data.partition(b"\r\n\r\n")[2]) == issuer.jwks()


def test_slow_answers_after_the_delay(server, issuer):
    server.mode, server.delay = "slow", 0.2
    begin = time.monotonic()
    assert get(server.url).json() == issuer.jwks()
    assert 0.2 <= time.monotonic() - begin < 2


def test_drip_sends_headers_at_once_and_the_body_byte_by_byte(server):
    server.mode = "drip"
    with ask(server) as connection:
        data, closed = read(connection, 0.6)
    head, separator, body = data.partition(b"\r\n\r\n")
    assert b"200 OK" in head
    assert separator
    assert not closed
    assert 2 <= len(body) <= 13
    assert b'{"keys":['.startswith(body[:9])


def test_drip_goes_on_after_the_end_of_the_set(server, issuer):
    server.mode, server.interval = "drip", 0.0001
    size = len(get(server.url, stream=True).raw.read(2000))
    assert size == 2000 > len(json.dumps(issuer.jwks()))


def test_drip_headers_never_ends_the_headers(server):
    server.mode = "drip-headers"
    with ask(server) as connection:
        data, closed = read(connection, 0.6)
    assert data.startswith(b"HTTP/1.1 200 OK\r\nX")
    assert b"\r\n\r\n" not in data
    assert not closed
    assert 2 <= len(data) - len(b"HTTP/1.1 200 OK\r\n") <= 13


@pytest.mark.parametrize(("mode", "has_length"), [("oversize", True), ("oversize-chunked", False)])
def test_oversize_is_the_set_made_too_long(server, issuer, mode, has_length):
    server.mode = mode
    answer = get(server.url)
    assert len(answer.content) > 600 * 1024
    assert answer.json()["keys"] == issuer.jwks()["keys"]
    assert ("Content-Length" in answer.headers) is has_length


def test_a_gzip_bomb_is_small_until_it_is_unpacked(server, issuer):
    server.mode = "gzip-bomb"
    packed = get(server.url, stream=True).raw.read(decode_content=False)
    assert len(packed) < 100_000
    unpacker = zlib.decompressobj(wbits=31)
    start = unpacker.decompress(packed, 1000)
    assert start.startswith(json.dumps(issuer.jwks()).encode()[:-1] + b',"padding":"   ')
    size, end = len(start), b""
    while piece := unpacker.decompress(unpacker.unconsumed_tail, 1 << 20):
        size, end = size + len(piece), piece[-3:]
    assert (size, end, unpacker.eof) == (50_000_000, b' "}', True)


def test_redirect_leads_to_the_set_and_the_log_tells_who_followed(server, issuer):
    server.mode = "redirect"
    answer = get(server.url, allow_redirects=False)
    assert (answer.status_code, server.requests) == (302, 1)
    assert get(server.url).json() == issuer.jwks()
    assert server.log[-1][1] != "/.well-known/jwks.json"


@pytest.mark.parametrize(
    ("mode", "content_type", "test"),
    [
        ("html", "text/html; charset=utf-8", lambda body: body.startswith(b"<!doctype html>")),
        ("empty", "application/json", lambda body: json.loads(body) == {"keys": []}),
        ("wrong-type", "application/json", lambda body: json.loads(body) == []),
        ("not-json", "application/json", lambda body: body.startswith(b'{"keys":[{')),
    ],
)
def test_a_wrong_document_comes_with_status_200(server, mode, content_type, test):
    server.mode = mode
    answer = get(server.url)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, content_type)
    assert test(answer.content)


def test_not_json_is_no_json(server):
    server.mode = "not-json"
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|Invalid"):
        get(server.url).json()


def test_close_ends_the_connection_without_an_answer(server):
    server.mode = "close"
    with ask(server) as connection:
        assert read(connection, 5) == (b"", True)
    assert server.requests == 1


def test_no_length_ends_the_body_by_closing(server, issuer):
    server.mode = "no-length"
    answer = get(server.url)
    assert not {"Content-Length", "Transfer-Encoding"} & set(answer.headers)
    assert answer.json() == issuer.jwks()


def test_an_unknown_mode_is_refused(server):
    with pytest.raises(ValueError, match="gzip-bomb"):
        server.mode = "fine"
    assert server.mode == "ok"


# Start and stop


@pytest.mark.parametrize("mode", MODES)
def test_stop_is_quick_and_leaves_no_thread_in_any_mode(issuer, mode):
    threads = set(threading.enumerate())
    server = issuer.serve()
    server.mode, server.delay = mode, 60
    # One client reads nothing, and one has not even asked.
    silent = socket.create_connection(("127.0.0.1", int(server.base_url.rpartition(":")[2])))
    with silent, ask(server):
        server.wait_for_requests(1)
        begin = time.monotonic()
        server.stop()
        assert time.monotonic() - begin < 1
    deadline = time.monotonic() + 1
    while set(threading.enumerate()) - threads and time.monotonic() < deadline:
        time.sleep(0.01)
    assert set(threading.enumerate()) - threads == set()


def test_it_starts_and_stops_many_times_in_a_second(issuer):
    begin = time.monotonic()
    for _ in range(10):
        with KeyServer(issuer) as server:
            assert get(server.url).status_code == 200
    assert time.monotonic() - begin < 2


def test_stop_and_start_twice_do_no_harm(issuer):
    server = KeyServer(issuer)
    server.start()
    url = server.url
    server.start()
    assert server.url == url
    server.stop()
    server.stop()
    server.start()
    assert get(server.url).status_code == 200
    server.stop()


def test_a_stopped_server_has_no_address(issuer):
    server = KeyServer(issuer)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="start"):
            _ = server.url
        assert "stopped" in repr(server)
        with server:
            assert server.url in f"{server!r}".replace(", mode", "/.well-known/jwks.json")


def test_a_refusing_server_comes_back_on_its_port(server):
    url = server.url
    for _ in range(3):
        server.refuse()
        server.refuse()
        with pytest.raises(requests.ConnectionError, match="refused"):
            get(url)
        assert server.url == url
        server.accept()
        server.accept()
        assert get(url).status_code == 200
    assert server.requests == 3


def test_refusing_does_not_disturb_a_request_under_way(server, issuer):
    server.mode = "hang"
    with ask(server) as connection:
        server.wait_for_requests(1)
        server.refuse()
        server.release()
        assert b"200 OK" in read(connection, 5)[0]


def test_a_refusing_server_can_be_stopped_and_frees_its_port(server):
    port = int(server.base_url.rpartition(":")[2])
    server.refuse()
    server.stop()
    with contextlib.closing(socket.socket()) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", port))
        probe.listen()


def test_waiting_for_requests_that_do_not_come_ends(server):
    with pytest.raises(TimeoutError, match="0 of 1"):
        server.wait_for_requests(1, timeout=0.05)
