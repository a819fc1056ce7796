"""From a URL to a store, and what is said of URLs that name none."""

from __future__ import annotations

import pytest

from flask_session_claims import ConfigurationError
from flask_session_claims.sessions.records import (
    Commit,
    CountRecords,
    FindDue,
    FindRecords,
    LoadRecord,
    LogEntry,
    Put,
    ReadLog,
    record_handlers,
    storable,
)
from flask_session_claims.stores import open_store, shown
from flask_session_claims.stores.memory import MemoryStore


def test_memory():
    assert isinstance(open_store("memory:"), MemoryStore)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("sqlite:///store.db", "store.db"),
        ("sqlite:///a%20b%3F%23%25.db", "a b?#%.db"),
        ("sqlite:///{folder}/abs.db", "abs.db"),
        ("sqlite:///../{last}/up.db", "up.db"),
    ],
)
def test_sqlite_files(tmp_path, url, name):
    url = url.format(folder=tmp_path, last=tmp_path.name)
    store = open_store(url, folder=tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert store.commit([Put("kind", "key", 0, b"")])
    assert (tmp_path / name).exists()
    store.close()


def test_a_relative_path_is_relative_to_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = open_store("sqlite:///new/store.db", make_folder=True)
    monkeypatch.chdir("/")
    assert store.commit([Put("kind", "key", 0, b"")])
    assert (tmp_path / "new" / "store.db").exists()
    store.close()


@pytest.mark.parametrize(
    "url",
    [
        "",
        "memory",
        "memory:x",
        "sqlite",
        "sqlite:",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite://host/store.db",
        "sqlite:///x.db?mode=ro",
        "sqlite:///x.db#x",
        "sqlite:///%00",
        "sqlite:store.db",
        "mysql://user:hunter2@host:5432/name?password=hunter2",
        "redis://:hunter2@[::1",
        "postgresql://user:hunter2@[::1/name",
        "postgresql://user:hunter2@host:notaport/name",
        "redis://:hunter2@host:notaport/",
        "/var/lib/store.db",
    ],
)
def test_what_names_no_store_is_refused_without_its_password(url):
    with pytest.raises(ConfigurationError, match=r"sqlite:|%3F|own options|libpq") as caught:
        open_store(url)
    assert caught.value.code == "store-url-invalid"
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "seen"),
    [
        ("postgresql://user:pw@host:5432/name?x=1", "postgresql://user@host:5432/name"),
        ("redis://:pw@host", "redis://@host"),
        ("redis://host/0", "redis://host/0"),
        ("redis://:pw@host:notaport/", "redis:…"),
    ],
)
def test_a_url_is_shown_without_password_and_options(url, seen):
    assert shown(url) == seen


@pytest.mark.parametrize(
    ("text", "fine"),
    [
        ("x", True),
        ("x" * 512, True),
        ("x" * 513, False),
        ("", False),
        ("a\0b", False),
        ("\ud800", False),
        ("a\udfffb", False),
        ("\ue000", True),
        (b"x", False),
        (None, False),
    ],
)
def test_what_a_store_can_keep_as_a_name(text, fine):
    assert storable(text) is fine
    makers = [lambda: LoadRecord("kind", text), lambda: FindRecords("kind", "index", text)]
    makers += [lambda: CountRecords(text)]
    makers += [lambda: Put(text, "key", 0, b""), lambda: Put("kind", text, 0, b"")]
    makers += [lambda: Put("kind", "key", 0, b"", (("index", text),))]
    for make in makers:
        if fine:
            make()
        else:
            with pytest.raises(ValueError, match="1 to 512 characters"):
                make()


def test_the_same_index_value_twice_is_refused():
    with pytest.raises(ValueError, match="once"):
        Put("kind", "key", 0, b"", (("a", "b"), ("a", "b")))


def test_asks_are_performed_on_a_store():
    store = MemoryStore()
    perform = record_handlers(store)
    put = Put("kind", "key", 0, b"data", (("i", "v"),), 1.0)
    entry = LogEntry("session", "key", "revoked", 1.0, 2.0)
    asks = [
        Commit((put,), (), (entry,)),
        LoadRecord("kind", "key"),
        FindRecords("kind", "i", "v"),
        FindDue("kind", 1.0),
        CountRecords("kind"),
        ReadLog(0),
    ]
    done, record, page, due, count, log = [perform[type(ask)](ask) for ask in asks]
    assert done is True
    assert record == store.load("kind", "key")
    assert page.records == due == (record,)
    assert count == 1
    assert [found.key for found in log.entries] == ["key"]
    assert perform[Commit](asks[0]) is False
