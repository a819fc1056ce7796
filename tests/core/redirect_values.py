"""Redirect values, and where browsers go with them: what Node's `new URL(value, base)` says.

By where a browser ends up from a page of the app over https, and from one in development:
"own" and "listed" origins, "away", "invalid" (it does not go at all), or "userinfo" (on a good
origin, but with a name and password). `test_redirects` compares all of it with Node again.
"""

from __future__ import annotations

LISTED = ["https://app.example", "https://www.example:8443"]
BASES = ["https://app.example/sign-in?redirect_url=x", "http://localhost:5000/sign-in"]

# fmt: off

#: What we let pass.
ACCEPTED: dict[tuple[str, str], tuple[str, ...]] = {
    ("own", "own"): (
        "/", "/a", "/a/b/", "/a?b=1", "/a?b=1&c=2#d", "/?x=1", "/#top", "/a//b",
        "/wiki/https://evil.example/", "/search?q=//evil.example", "/go?to=https://evil.example/",
        "/go?to=%2F%2Fevil.example", "/a#//evil.example", "/@evil.example", "/:80",
        "/:@evil.example/", "/user@evil.example/", "/javascript:alert(1)", "/a:b", "/a;b=c/d",
        "/;//evil.example", "/caf%C3%A9", "/caf\xe9", "/\u65e5\u672c\u8a9e?q=\u6771\u4eac",
        "/%F0%9F%98%80", "/a%20b", "/a+b", "/a%2Fb", "/a%3Fb", "/a%23b", "/100%", "/%zz", "/%",
        "/a%c0%afb", "/%C0%AF/evil.example", "/%252f/evil.example", "/%255cevil.example",
        "/.well-known/change-password", "/...", "/.../x", "/a..b", "/..a",
        "/a?x=../..//evil.example", "/?\u200bx", "/\uff0f\uff0fevil.example",
        "/\uff0fevil.example", "/?x=%5C%5Cevil.example", "/a?q=http:\u2044\u2044evil.example",
        "/~user", "/!$&'()*,=", "/[", "/]", "/{x}", "/|x", "/^x", "/`x`", "/<b>", '/"x"', "/a?b?c",
        "/a#b#c", "/a?%26=%3D", "/www.evil.example", "/evil.example", "/http:evil.example",
        "/https:/evil.example",
    ),
    ("own", "listed"): (
        "https://app.example", "https://app.example/", "https://app.example/a?b=1#c",
        "https://app.example?x=1", "https://app.example#top", "https://app.example/@evil.example",
        "https://app.example/a//b", "https://app.example/?u=//evil.example",
        "https://app.example/:80", "https://app.example#@evil.example",
        "https://app.example?@evil.example", "https://app.example/caf\xe9",
    ),
    ("listed", "listed"): (
        "https://www.example:8443", "https://www.example:8443/a", "https://www.example:8443?x",
    ),
}

#: What we refuse: all that leads away, and all that may be read in two ways.
REFUSED: dict[tuple[str, str], tuple[str, ...]] = {
    ("own", "own"): (
        "", " ", "/ ", " /", "/a b", "\t/", "/\t", "\n/a", "/a\n", "/a\r\nSet-Cookie: a=b",
        "/\x00", "\x00/a", "/\x7f", "/\x1f/evil.example", "/\x85", "/\xa0/evil.example",
        "/\u2028/x", "/\u3000/evil.example", "\\evil.example", "/a\\b", "/a?b\\c", "\\",
        "/\x0b/evil.example", "\xa0//evil.example", "\ufeff//evil.example", "/%09/evil.example",
        "/%0a/evil.example", "/%0d%0aLocation:%20https://evil.example", "/%2f/evil.example",
        "/%2Fevil.example", "%2f%2fevil.example", "%2Fevil.example", "/%5cevil.example",
        "/%5C/evil.example", "%5cevil.example", "/%00/evil.example", "/a?x=%0d%0aSet-Cookie:a=b",
        "/a%0a", "/%c2%85x", "/%7f", "/a%5cb", "%68ttps://evil.example",
        "https%3A%2F%2Fevil.example", "/%2f%2fevil.example", "/%5c%5cevil.example", "/%1f",
        "%09//evil.example", "%20//evil.example", "/%252e%252e//evil.example", "/..//evil.example",
        "/.//evil.example", "/a/..//evil.example", "/%2e%2e//evil.example", "/%2e//evil.example",
        "/.%2e//evil.example", "/a/%2E%2E//evil.example", "/..", "/.", "/a/../b", "/a/./b",
        "/a/%2e%2e/b", "/..%2f/evil.example", "/a%2f..%2f/evil.example", "/.//",
        "/..\\evil.example", "/a/..", "://evil.example", ":evil", ":/evil.example", "app.example",
        "app.example/path", "a", "a/b", "./a", "../a", ".", "..", "?x=1", "#top", "*", "&",
        "\ud800", "/\ud800", "/a\udfff", "a//b", ";/evil.example", "@evil.example",
        "\uff052f\uff052fevil.example", "\uff0f\uff0fevil.example", "\u3031evil.example",
        "\u2044\u2044evil.example", "null", "undefined", "None", "0", "/%09",
    ),
    ("away", "away"): (
        "//evil.example", "///evil.example", "////evil.example", "/////evil.example",
        "//evil.example/%2e%2e", "//app.example@evil.example/", "//\\evil.example",
        "//evil.example:80", "//evil%E3%80%82example", "//[::1]/", "//1.2.3.4/", "//0x7f000001/",
        "//3627732942/", "//google.com%2f@evil.example", "/\\evil.example", "\\\\evil.example",
        "\\/evil.example", "/\\/evil.example", "/\\\\evil.example", "\\/\\/evil.example",
        "https:\\\\evil.example", "https:/\\evil.example", "https:\\/evil.example",
        "/\t/evil.example", "/\n/evil.example", "/\r/evil.example", "/\r\n/evil.example",
        "\t//evil.example", "/\t\\evil.example", "ht\ntps://evil.example", "java\nscript:alert(1)",
        "//\tevil.example", " //evil.example", "\x01//evil.example", "\x1f/\t/evil.example",
        "h\tttps:/\n/evil.example", "https://app.example\t.evil.example/",
        "https://app.example\n@evil.example/", "https://evil.example", "http://evil.example/",
        "HTTPS://EVIL.EXAMPLE/", "https:///evil.example", "https:////evil.example",
        "hxxps://evil.example", "javascript:alert(1)", "JavaScript:alert(1)",
        "javascript://app.example/%0aalert(1)", " javascript:alert(1)", "data:text/html,x",
        "vbscript:x", "file:///etc/passwd", "ftp://app.example/", "ws://app.example/",
        "wss://app.example/", "view-source:https://app.example", "about:blank",
        "mailto:a@app.example", "tel:1", "intent://app.example#Intent;end",
        "filesystem:https://app.example/x", "www.example:8443", "app.example:443/x", "x-app:open",
        "https://app.example@evil.example/", "https://app.example:443@evil.example/",
        "https://app.example:pw@evil.example", "https://app.example%2f@evil.example/",
        "https://app.example%23@evil.example/", "https://evil.example#https://app.example/",
        "https://evil.example?https://app.example/", "https://evil.example/https://app.example/",
        "https://evil.example\\@app.example/", "https://app.example.evil.example/",
        "https://app.exampleevil.example", "https://app.example-evil.example",
        "https://xapp.example/", "https://sub.app.example/", "https://app.example.",
        "https://app.example./", "https://www.example", "https://www.example/",
        "https://www.example:8443@evil.example/", "https://app.example:8443/",
        "https://app.example:80", "http://app.example/", "http://app.example:443/",
        "https://app.example;evil.example", "https://app.example,evil.example",
        "https://app.example&evil.example", "https://app.example%2eevil.example",
        "https://app.exampl\u0435/", "https://\u0430pp.example/",
        "https://app.example\u3002evil.example/", "https://app.example\uff1f@evil.example",
        "https://app.example\uff03@evil.example", "https://127.0.0.1/", "https://[::1]/",
        "https://[::ffff:1.2.3.4]/", "https://0/", "a:b",
    ),
    ("own", "away"): (
        "//app.example/", "https:evil.example", "https:/evil.example", "https:a/b", "https:/a",
    ),
    ("invalid", "invalid"): (
        "//", "///", "/\\", "https://", "http://", "http:///", "https://?x",
        "https://app.example%40evil.example/", "https://www.example:84430/",
        "https://www.example:8443.evil.example/", "https://app.example:443:443/",
        "https://app.example:99999/", "https://app.example:x/",
        "https://app.example|evil.example/", "https://app.example%00.evil.example/",
        "https://[app.example]/", "https://xn--pp-example.example/",
        "https://app.example\uff0fevil.example", "https://app.example\u2100evil.example",
        "https://evil.example\uff0f.app.example", "https://[",
    ),
    ("own", "listed"): (
        "https://app.example\\@evil.example", "https://app.example\\.evil.example",
        "https://app.example\\evil.example", "blob:https://app.example/1", "https://@app.example/",
        "https://:@app.example/", "https://app.example:443/", "https://app.example:/",
        "HTTPS://app.example/", "https://APP.example/", "https://App.Example/x",
        "https://app%2eexample/", "https://app\u3002example/", "https://\u24d0pp.example/",
        "https://app.ex\xadample/", "https://app.example//evil.example",
        "https://app.example/../x", "https://app.example/..//evil.example",
        "https://app.example/%2f/evil.example", "https://app.example/%5cevil.example",
        "https://app.example/a b", "https://app.example/%0d%0ax", "https://app.example ",
        "https://app.example/\t",
    ),
    ("away", "own"): (
        "http:evil.example", "http:/evil.example",
    ),
    ("own", "invalid"): (
        "https:/", "https:", "https:?x", "https:#x",
    ),
    ("userinfo", "userinfo"): (
        "https://user@app.example/", "https://user:pw@app.example/",
    ),
    ("listed", "listed"): (
        "https://www.example:08443/", "https://www.example:8443//evil.example",
    ),
}
