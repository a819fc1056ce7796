"""Cases about the JSON of header and payload: encoding, numbers, members, depth, garbage.

Row V11. Every one of them is signed, so that only the JSON rule refuses it.
"""

from __future__ import annotations

from .forge import NOW, Book, b64, claims, compact, header, join, keys, mint

SHAPE = "token-invalid"
BASE = compact(claims())
HEAD = compact({"alg": "RS256", "kid": "rsa-1", "typ": "JWT"})


def _payload(raw: bytes) -> str:
    key = keys().rsa
    return join(key, header(key), raw)


def _header(raw: bytes) -> str:
    return join(keys().rsa, raw, claims())


def _with(member: str) -> bytes:
    """The base payload with one more member, given as raw text."""
    return BASE[:-1] + b"," + member.encode("utf-8", "surrogatepass") + b"}"


def _head_with(member: str) -> bytes:
    return HEAD[:-1] + b"," + member.encode("utf-8", "surrogatepass") + b"}"


def encodings(book: Book) -> None:
    text = BASE.decode()
    for name, raw in {
        "bom": b"\xef\xbb\xbf" + BASE,
        "utf16": text.encode("utf-16"),
        "utf16-le": text.encode("utf-16-le"),
        "utf16-be": text.encode("utf-16-be"),
        "utf32": text.encode("utf-32"),
        "utf32-le": text.encode("utf-32-le"),
        "utf7": '{"sub":"user+AC0-1"}'.encode("utf-7") + b"\xff",
        "latin1": _with('"n":"é"').decode().encode("latin-1"),
        "ff": BASE[:-1] + b',"n":"\xff"}',
        "overlong-slash": BASE[:-1] + b',"n":"\xc0\xaf"}',
        "overlong-quote": BASE[:-1] + b',"n":\xc0\xa2x\xc0\xa2}',
        "cesu-surrogate": BASE[:-1] + b',"n":"\xed\xa0\x80"}',
        "cesu-pair": BASE[:-1] + b',"n":"\xed\xa0\xbd\xed\xb8\x80"}',
        "above-10ffff": BASE[:-1] + b',"n":"\xf4\x90\x80\x80"}',
        "cut-sequence": BASE[:-1] + b',"n":"\xe2\x82"}',
        "lone-continuation": BASE[:-1] + b',"n":"\x80"}',
        "nul-after": BASE + b"\0",
        "nul-before": b"\0" + BASE,
        "deflated": b"\x78\x9c" + BASE,
    }.items():
        book.bad("V11", f"payload-{name}", _payload(raw), SHAPE)
    head = HEAD.decode()
    for name, raw in {
        "bom": b"\xef\xbb\xbf" + HEAD,
        "utf16": head.encode("utf-16"),
        "utf16-le": head.encode("utf-16-le"),
        "utf32": head.encode("utf-32"),
        "latin1": HEAD[:-1] + b',"n":"\xe9"}',
        "overlong": HEAD[:-1] + b',"n":"\xc0\xaf"}',
        "cesu-surrogate": HEAD[:-1] + b',"n":"\xed\xa0\x80"}',
        "nul-after": HEAD + b"\0",
    }.items():
        book.bad("V11", f"header-{name}", _header(raw), SHAPE)
    for name, member in {
        "high": r'"n":"\ud800"',
        "low": r'"n":"\udc00"',
        "reversed": r'"n":"\udc00\ud800"',
        "upper": r'"n":"\uD83D"',
        "two-high": r'"n":"\ud83d\ud83d\ude00"',
        "cut-pair": r'"n":"\ud83d\u0041"',
        "in-name": r'"\ud800":1',
        "in-array": r'"n":["x",["\udfff"]]',
        "after-escaped-backslash": r'"n":"\\\ud800"',
    }.items():
        book.bad("V11", f"payload-surrogate-{name}", _payload(_with(member)), SHAPE)
        book.bad("V11", f"header-surrogate-{name}", _header(_head_with(member)), SHAPE)
    book.good("V11", "surrogate-pair-escaped", _payload(_with(r'"n":"\ud83d\ude00"')),
              claims={"n": "\U0001f600"})  # fmt: skip
    book.good("V11", "backslash-before-u", _payload(_with(r'"n":"\\ud800"')),
              claims={"n": r"\ud800"})  # fmt: skip


def numbers(book: Book) -> None:
    for name, literal in {
        "nan": "NaN", "infinity": "Infinity", "minus-infinity": "-Infinity", "1e999": "1e999",
        "minus-1e999": "-1e999", "1e309": "1e309", "2e308": "2e308", "hex": "0x10",
        "leading-zero": "01", "plus": "+1", "dot-first": ".5", "dot-last": "1.",
        "empty-exponent": "1e", "underscore": "1_000", "minus": "-", "arabic": "٣",
        "fullwidth": "１", "5000-digits": "9" * 5000, "minus-5000-digits": "-" + "9" * 5000,
        "5000-digit-exponent": "1e" + "9" * 5000, "inf-word": "inf", "complex": "1j",
    }.items():  # fmt: skip
        token = _payload(_with(f'"n":{literal}'))
        book.bad("V11", f"number-{name}", token, SHAPE)
        if name in ("nan", "infinity", "1e999", "5000-digits"):
            book.bad("V11", f"number-{name}-nested", _payload(_with(f'"n":{{"a":[{literal}]}}')),
                     SHAPE)  # fmt: skip
            book.bad("V11", f"number-{name}-in-header", _header(_head_with(f'"n":{literal}')),
                     SHAPE)  # fmt: skip
        if name in ("nan", "infinity", "minus-infinity", "1e999", "5000-digits", "hex"):
            for claim in ("exp", "iat", "nbf"):
                raw = compact(claims(**{claim: 1})).replace(
                    f'"{claim}":1'.encode(), f'"{claim}":{literal}'.encode()
                )
                book.bad("V14", f"{claim}-{name}", _payload(raw), SHAPE)
    for name, literal, value in (
        ("20-digits", "9" * 20, int("9" * 20)),
        ("400-digits", "9" * 400, int("9" * 400)),
        ("minus-zero", "-0", 0),
        ("exponent", "1E2", 100.0),
        ("largest", "1.7976931348623157e308", 1.7976931348623157e308),
        ("underflow", "1e-400", 0.0),
    ):
        book.good("V11", f"number-{name}", _payload(_with(f'"n":{literal}')), claims={"n": value})


def duplicates(book: Book) -> None:
    for name, member in {
        "sub": '"sub":"user_2"', "sub-same": '"sub":"user_1"', "iss": '"iss":"https://x.example"',
        "exp-later": f'"exp":{NOW + 999}', "exp-same": f'"exp":{NOW + 60}', "azp": '"azp":"x"',
        "sid": '"sid":"sess_2"', "null": '"sub":null', "custom": '"n":1,"n":1',
        "by-escape": r'"\u0073ub":"user_2"', "by-long-escape": r'"\u0073\u0075\u0062":"user_2"',
        "nested": '"n":{"a":1,"a":2}', "nested-deep": '"n":{"a":{"b":{"c":1,"c":1}}}',
        "in-array": '"n":[{"a":1},{"a":1,"a":1}]', "empty-name": '"":1,"":2',
        "apart": '"n":1,"m":2,"n":3', "far-apart": '"n":1,' + ",".join(
            f'"m{number}":0' for number in range(99)) + ',"n":1',
    }.items():  # fmt: skip
        book.bad("V11", f"twice-{name}", _payload(_with(member)), SHAPE)
    for name, member in {
        "alg": '"alg":"none"', "alg-same": '"alg":"RS256"', "kid": '"kid":"rsa-2"',
        "typ": '"typ":"at+jwt"', "unknown": '"n":1,"n":2', "nested": '"n":{"a":1,"a":1}',
        "by-escape": r'"\u0061lg":"none"', "crit": '"crit":null,"crit":null',
    }.items():  # fmt: skip
        book.bad("V11", f"header-twice-{name}", _header(_head_with(member)), SHAPE)
    first = b'{"alg":"none",' + HEAD[1:]
    book.bad("V11", "header-twice-alg-first", _header(first), SHAPE)
    other = '"n":{"sub":"user_2","sub2":1},"m":[{"sub":1},{"sub":2}]'
    book.good("V11", "same-name-at-other-levels", _payload(_with(other)),
              claims={"sub": "user_1"})  # fmt: skip
    book.good("V11", "names-differ-in-case", _payload(_with('"SUB":"user_2","Sub":"user_3"')),
              claims={"sub": "user_1"}, auth={"user_id": "user_1"})  # fmt: skip


def depth(book: Book) -> None:
    """The object at the top counts as one level."""

    def arrays(levels: int) -> str:
        return '"n":' + "[" * levels + "]" * levels

    def objects(levels: int) -> str:
        return '"n":' + '{"a":' * (levels - 1) + "{}" + "}" * (levels - 1)

    def mixed(levels: int) -> str:
        return '"n":' + '[{"a":' * (levels // 2) + "1" + "}]" * (levels // 2)

    book.good("V11", "depth-64-arrays", _payload(_with(arrays(63))), claims={"sub": "user_1"})
    book.good("V11", "depth-64-objects", _payload(_with(objects(63))))
    book.good("V11", "depth-63-mixed", _payload(_with(mixed(62))))
    book.good("V11", "depth-64-header", _header(_head_with(arrays(63))))
    book.good("V11", "brackets-in-text", _payload(_with('"n":"' + "[{" * 200 + '"')),
              claims={"n": "[{" * 200})  # fmt: skip
    book.good("V11", "brackets-after-quote-in-text", _payload(_with(r'"n":"\"' + "[" * 300 + '"')))
    book.good(
        "V11",
        "brackets-after-backslashes",
        _payload(_with('"n":"' + "\\\\" * 3 + '","m":[' + ",".join(["[]"] * 100) + "]")),
    )
    book.good("V11", "wide-not-deep", _payload(_with('"n":[' + ",".join(["{}"] * 500) + "]")))
    for name, member in {
        "65-arrays": arrays(64), "65-objects": objects(64), "65-mixed": mixed(64),
        "66": arrays(65), "1000": arrays(1000), "2700": arrays(2700),
        "1000-objects": objects(800), "after-text": r'"m":"\"]]]]","n":' + arrays(64)[4:],
        "closed-in-text": '"m":"' + "]" * 200 + '",' + arrays(64),
    }.items():  # fmt: skip
        book.bad("V11", f"depth-{name}", _payload(_with(member)), SHAPE)
        book.bad("V11", f"header-depth-{name}", _header(_head_with(member)), SHAPE)
    large = {"max_token_length": 65_536}
    for levels in (5_000, 20_000):
        token = _payload(_with(arrays(levels)))
        book.bad("V11", f"depth-{levels}", token, SHAPE, settings=large)
        book.bad("V11", f"header-depth-{levels}", _header(_head_with(arrays(levels))), SHAPE,
                 settings=large)  # fmt: skip
    # Costly to refuse: open brackets, and quotes that a scan for strings starts from in vain.
    for name, raw in {
        "open-arrays": b"[" * 5500,
        "open-objects": b'{"a":' * 1100,
        "quotes-unclosed": b"[" * 65 + b'"' + b'\\"' * 2700,
        "backslashes": b"{" * 65 + b'"' + b"\\" * 5400,
        "quotes-and-brackets": b'"[' * 2750,
        "blanks": b"[" * 70 + b" " * 5400,
        "colons": b"{" * 70 + b":" * 5400,
    }.items():
        book.bad("V11", f"costly-{name}", _payload(raw), SHAPE)
        book.bad("V11", f"header-costly-{name}", _header(raw), SHAPE)
        unsigned = f"{b64(raw)}.{b64(BASE)}.AAAA"
        book.bad("V11", f"header-costly-{name}-unsigned", unsigned, SHAPE)
    long = b64(b"[" * 65 + b'"' + b'\\"' * 24_000)
    book.bad("V11", "header-costly-at-the-largest-limit", f"{long}.{b64(BASE)}.AAAA", SHAPE,
             settings=large)  # fmt: skip


def garbage(book: Book) -> None:
    for name, raw in {
        "brace-after": BASE + b"}", "word-after": BASE + b"x", "object-after": BASE + b"{}",
        "twice": BASE + BASE, "comma-after": BASE + b",", "line-comment": BASE + b"//c",
        "comment-before": b"/**/" + BASE, "comment-inside": b"{/**/" + BASE[1:],
        "hash-comment": b"#\n" + BASE, "trailing-comma": BASE[:-1] + b",}",
        "leading-comma": b"{," + BASE[1:], "single-quotes": BASE.replace(b'"', b"'"),
        "bare-names": b"{sub:1}", "cut": BASE[:-1], "cut-in-text": BASE[:-3],
        "array-cut": BASE[:-1] + b',"n":[1}', "python-true": _with('"n":True'),
        "python-none": _with('"n":None'), "bytes-literal": _with('"n":b"x"'),
        "raw-newline": _with('"n":"a\nb"'), "raw-tab": _with('"n":"a\tb"'),
        "raw-nul": _with('"n":"a\0b"'), "raw-escape": _with('"n":"\x1b"'),
        "hex-escape": _with(r'"n":"\x41"'), "short-unicode": _with(r'"n":"\u12"'),
        "odd-unicode": _with(r'"n":"\u00_0"'), "signed-unicode": _with(r'"n":"\u+041"'),
        "brace-unicode": _with(r'"n":"\u{41}"'), "octal-escape": _with(r'"n":"\101"'),
        "no-colon": _with('"n" 1'), "no-value": _with('"n":'), "number-name": _with("1:1"),
        "null-name": _with("null:1"), "form-feed": BASE + b"\x0c", "vertical-tab": b"\x0b" + BASE,
        "no-break-space": BASE + "\u00a0".encode(), "line-separator": "\u2028".encode() + BASE,
        "blank": b" ", "newline": b"\n", "null": b"null", "true": b"true", "zero": b"0",
        "number": b"1800000060", "string": b'"user_1"', "empty-string": b'""', "array": b"[]",
        "array-of-object": b"[" + BASE + b"]", "brace": b"{", "yaml": b"sub: user_1",
        "xml": b"<claims/>", "form": b"sub=user_1&exp=1", "pickle": b"\x80\x04N.",
        "word": b"claims", "json-in-string": compact(BASE.decode()),
        "record-separator": b"\x1e" + BASE, "jsonp": b"f(" + BASE + b")", "xssi": b")]}'\n" + BASE,
    }.items():  # fmt: skip
        book.bad("V11", f"payload-{name}", _payload(raw), SHAPE)
    for name, raw in {
        "word-after": HEAD + b"x", "object-after": HEAD + b"{}",
        "trailing-comma": HEAD[:-1] + b",}",
        "comment": b"/**/" + HEAD, "single-quotes": HEAD.replace(b'"', b"'"), "cut": HEAD[:-1],
        "raw-newline": _head_with('"n":"a\nb"'), "blank": b" ", "null": b"null", "array": b"[]",
        "array-of-object": b"[" + HEAD + b"]", "string": b'"RS256"', "number": b"1", "brace": b"{",
        "json-in-string": compact(HEAD.decode()), "single-byte": b"\x00", "word": b"RS256",
    }.items():  # fmt: skip
        book.bad("V11", f"header-{name}", _header(raw), SHAPE)
    book.bad("V2", "header-empty-object", _header(b"{}"), "token-invalid-algorithm")
    spread = BASE.replace(b",", b" ,\r\n\t").replace(b":", b" : ", 1)
    book.good("V11", "blanks-in-payload", _payload(b"\r\n\t " + spread + b" \n"),
              claims={"sub": "user_1"})  # fmt: skip
    book.good("V11", "blanks-in-header", _header(b" " + HEAD.replace(b",", b" , ") + b"\n"))
    book.good("V11", "escaped-names", _payload(BASE.replace(b'"sub"', rb'"\u0073ub"')),
              claims={"sub": "user_1"})  # fmt: skip
    book.good("V11", "escaped-header", _header(HEAD.replace(b"RS256", rb"\u0052S256")))
    book.good("V11", "unicode-claims",
              mint(fullName="Zoë 山田 \U0001f600", **{"ключ": "значение", "": "no name"}),
              claims={"fullName": "Zoë 山田 \U0001f600", "ключ": "значение"})  # fmt: skip
    book.good("V11", "control-escapes", _payload(_with(r'"n":"\u0000\n\u202e\u2028\/"')),
              claims={"n": "\0\n\u202e\u2028/"})  # fmt: skip


PARTS = (encodings, numbers, duplicates, depth, garbage)
