"""Where a browser goes that is told an address: the part of the URL Standard that decides it.

It reads an address against `https://app.example/sign-in`, as https://url.spec.whatwg.org does
for special schemes, and errs on the side of "somewhere else".
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

SITE: Final = "https://app.example"
_PORTS: Final = {"http": 80, "https": 443, "ws": 80, "wss": 443, "ftp": 21}
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.\-]*):")
_HOST: Final = re.compile(r"(\[[^\]]*\]|[^:]*):?(.*)", re.DOTALL)
ELSEWHERE: Final = "elsewhere:"


def goes_to(address: str) -> tuple[str, str]:
    """The origin that the browser ends at, and the path there after dot segments are gone."""
    text = address.strip("".join(map(chr, range(0x21))))
    text = text.replace("\t", "").replace("\n", "").replace("\r", "")
    text = re.split("#", text, maxsplit=1)[0]
    head, mark, query = text.partition("?")
    head = head.replace("\\", "/")
    scheme = "https"
    if found := _SCHEME.match(head):
        scheme, head = found[1].lower(), head[found.end() :]
        if scheme not in _PORTS:
            return ELSEWHERE + scheme, ""
        # Our own scheme without slashes is relative; every other one has an authority.
        if scheme != "https" or head.startswith("//"):
            head = "//" + head.lstrip("/")
    if not head.startswith("//"):
        return SITE, _clean(head if head.startswith("/") else "/" + head)
    authority, slash, path = head.lstrip("/").partition("/")
    return _origin(scheme, authority), _clean(slash + path) + mark + query


def _origin(scheme: str, authority: str) -> str:
    named = _HOST.fullmatch(authority.rpartition("@")[2])
    host, port = named.groups() if named else ("", "?")
    if not (port.isascii() and (port.isdigit() or not port)):
        return ELSEWHERE
    ending = f":{int(port)}" if port and int(port) != _PORTS[scheme] else ""
    return f"{scheme}://{unquote(host).lower()}{ending}"


def _clean(path: str) -> str:
    kept: list[str] = []
    for segment in path.split("/")[1:]:
        plain = segment.lower().replace("%2e", ".")
        if plain == "..":
            kept = kept[:-1]
        elif plain != ".":
            kept.append(segment)
    return "/" + "/".join(kept)
