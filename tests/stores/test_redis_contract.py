"""The contract of record stores over Redis: plain, shared, by socket, by TLS, in a Cluster."""

from __future__ import annotations

import uuid

import pytest

from flask_session_claims import UnavailableError
from flask_session_claims.sessions.records import Put
from flask_session_claims.stores import open_store
from flask_session_claims.testing.store_contract import SharedStoreContract, StoreContract

from .redis_server import RedisServer, free_port, fresh_url, until

pytestmark = pytest.mark.needs_service


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    yield server
    server.stop()


class OverUrls:
    """`make` opens a URL of its own each time; `place` gives it."""

    @pytest.fixture(autouse=True)
    def _stores(self):
        self._opened = []
        yield
        for store, _ in self._opened:
            store.close()

    def make(self):
        url = self.place()
        self._opened.append((open_store(url), url))
        return self._opened[-1][0]

    def url(self, store):
        return next(url for opened, url in self._opened if opened is store)


class TestOwnServer(OverUrls, SharedStoreContract):
    @pytest.fixture(autouse=True)
    def _server(self, server):
        self.place = lambda: server.url(prefix=uuid.uuid4().hex)


class TestSharedServer(OverUrls, StoreContract):
    def place(self):
        return fresh_url()


@pytest.fixture(scope="module")
def socket_server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("redis-socket")
    server = RedisServer(folder, unixsocket=str(folder / "redis.sock"))
    yield server
    server.stop()


class TestUnixSocket(OverUrls, StoreContract):
    @pytest.fixture(autouse=True)
    def _server(self, socket_server):
        path = socket_server.settings["unixsocket"]
        self.place = lambda: f"unix://{path}?db=1&prefix={uuid.uuid4().hex}"


@pytest.fixture(scope="module")
def tls_server(tmp_path_factory):
    server = RedisServer.with_tls(tmp_path_factory.mktemp("redis-tls"))
    yield server
    server.stop()


class TestTls(OverUrls, StoreContract):
    @pytest.fixture(autouse=True)
    def _server(self, tls_server):
        self.place = lambda: tls_server.tls_url(prefix=uuid.uuid4().hex)


def test_a_server_with_a_certificate_that_nobody_vouches_for_is_not_talked_to(tls_server):
    store = open_store(tls_server.tls_url().partition("?")[0])
    with pytest.raises(UnavailableError) as caught:
        store.load("kind", "key")
    assert caught.value.code == "store-unreachable"
    assert "CERTIFICATE_VERIFY_FAILED" in str(caught.value.__cause__)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """Two masters, each with half of the slots, and a replica of the first."""
    nodes = [RedisServer(tmp_path_factory.mktemp("node"), cluster_enabled="yes") for _ in range(3)]
    clients = [node.client() for node in nodes]
    for client, first, last in zip(clients, (0, 8192), (8191, 16383), strict=False):
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", first, last)
    for node in nodes[1:]:
        clients[0].execute_command("CLUSTER", "MEET", "127.0.0.1", node.port)
    for client in clients:
        until(lambda c=client: _cluster_is_up(c), "a cluster")
    clients[2].execute_command("CLUSTER", "REPLICATE", clients[0].execute_command("CLUSTER MYID"))
    until(lambda: clients[2].info().get("master_link_status") == "up", "a replica in step")
    for client in clients:
        client.close()
    yield nodes
    for node in nodes:
        node.stop()


def _cluster_is_up(client):
    said = client.execute_command("CLUSTER", "INFO")
    if isinstance(said, dict):
        return said["cluster_state"] == "ok" and said["cluster_known_nodes"] == "3"
    return b"cluster_state:ok" in said and b"cluster_known_nodes:3" in said


class TestCluster(OverUrls, StoreContract):
    rounds = 20

    @pytest.fixture(autouse=True)
    def _server(self, cluster):
        # Some prefixes belong to this node, others to the other.
        self.place = lambda: cluster[0].url(prefix=uuid.uuid4().hex)


def test_a_node_that_has_gone_is_asked_for_again_at_the_url(cluster):
    store = open_store(cluster[0].url(prefix="there"))
    gone = free_port()
    assert store.commit([Put("kind", "key", 0, b"data")])
    store.close()
    store._connections._node = ("127.0.0.1", gone)
    assert store.load("kind", "key").data == b"data"
    assert store._connections._node != ("127.0.0.1", gone)
    store.close()


def test_a_failover_in_a_cluster_is_followed(cluster):
    """Begun at the replica, which names the masters."""
    stores = [open_store(cluster[2].url(prefix=f"over{number}", timeout=2)) for number in range(8)]
    for store in stores:
        assert store.commit([Put("kind", "key", 0, b"data")])
    # Both masters have some of them, so that this tells something.
    assert len({store._connections._node for store in stores}) == 2
    with cluster[0].client() as master, cluster[2].client() as client:
        until(lambda: _offset(client) >= _offset(master), "a replica in step")
        client.execute_command("CLUSTER", "FAILOVER", "TAKEOVER")
        until(lambda: client.info()["role"] == "master", "a new master")
    for store in stores:
        until(lambda store=store: _has_its_data(store), "a store that has followed")
        assert store.commit([Put("kind", "key", 1, b"more")])
        store.close()


def _offset(client):
    facts = client.info()
    return facts.get("slave_repl_offset", facts["master_repl_offset"])


def _has_its_data(store):
    try:
        return store.load("kind", "key").data == b"data"
    except UnavailableError:
        return False
