"""Files that are no YAML: tables, experience, traces, models and their configurations, comments, bodies of webhooks."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from testbed.hostile.originals import EXPERIENCE, MODEL_CONFIG, PUSH, TABLE, field, onnx_model

__all__ = ["comments", "experience", "model_configs", "models", "tables", "traces", "webhooks"]

_MIB = 1 << 20
_HEADER, _TRIED = EXPERIENCE.splitlines()


def tables() -> Iterator[tuple[str, bytes]]:
    """Tables for a replay."""
    head, row = TABLE.splitlines()[:2]
    yield "empty-lines-of-16-mib", b"\n" * (16 * _MIB)
    yield "lines-of-one-sign", head + b"\n" + b"1\n" * (4 * _MIB)
    yield "commas-of-16-mib", b"," * (16 * _MIB)
    yield "rows-90000", head + b"\n" + (row + b"\n") * 90_000
    yield "rows-110000", head + b"\n" + (row + b"\n") * 110_000
    yield "columns-250", b",".join(b"c%d" % n for n in range(250)) + b"\n" + (b",".join([b"1"] * 250) + b"\n") * 2_000
    yield "columns-300", b",".join(b"c%d" % n for n in range(300)) + b"\n"
    yield "quotes-open", head + b'\n"' + b"x" * 9_000
    yield "quotes-many", head + b"\n" + b'""' * 4_000
    yield "line-long", head + b"\n" + b"x" * 100_000
    yield "too-large", b"x" * (16 * _MIB + 1)
    for value in (
        b"nan",
        b"inf",
        b"-inf",
        b"1e999",
        b"1_0",
        b"0x10",
        b"",
        b" ",
        b"'",
        b"=cmd()",
        "\uff11".encode(),
        b"9" * 400,
    ):
        yield f"number-{value[:8]!r}", head + b"\nsmall,1,100," + value + b"\n"
        yield f"parameter-{value[:8]!r}", head + b"\nsmall," + value + b",100,3.5\n"
    yield "header-twice", b"a,a\n1,2\n"
    yield "header-of-blanks", b" , ,\n1,2,3\n"
    yield "shares-many", head + b"\n" + b"".join(b"m,%d,%d,1\n" % (n, n) for n in range(1, 3_000))


def experience() -> Iterator[tuple[str, bytes]]:
    """Files of experience."""

    def line(**more: Any) -> bytes:
        return _HEADER + b"\n" + json.dumps({**json.loads(_TRIED), **more}).encode() + b"\n"

    yield "empty-lines-of-16-mib", _HEADER + b"\n" * (16 * _MIB - len(_HEADER))
    yield (
        "records-14000",
        _HEADER + b"\n" + b"".join(_TRIED.replace(b'"number": 3', b'"number": %d' % n) + b"\n" for n in range(14_000)),
    )
    yield (
        "records-16000",
        _HEADER + b"\n" + b"".join(_TRIED.replace(b'"number": 3', b'"number": %d' % n) + b"\n" for n in range(16_000)),
    )
    yield "wrong-lines", _HEADER + b"\n" + b"{}\n" * 1_000_000
    yield "line-long", _HEADER + b"\n" + b"x" * (2 * _MIB)
    yield "too-large", b"x" * (16 * _MIB + 1)
    yield "nested", _HEADER + b"\n" + b"[" * 500_000
    yield "nested-objects", _HEADER + b"\n" + b'{"a":' * 100_000
    yield "number-long", line().replace(b": 3,", b": " + b"9" * 100_000 + b",")
    yield "assignment-wide", line(trial={"assignment": {f"p{n}": n for n in range(30_000)}, "outcome": "failed"})
    yield (
        "readings-many",
        line(trial={"assignment": {}, "outcome": "completed", "readings": [{"metric": "m", "value": 1}] * 10_000}),
    )
    for name, value in {
        "nan": float("nan"),
        "infinity": float("inf"),
        "minus": -1,
        "huge": 10**400,
        "list": [],
        "null": None,
        "escape": "\x1b[31m",
        "bidi": "\u202e",
        "surrogate": "\ud800",
        "nul": "\0",
        "long": "x" * 100_000,
    }.items():
        for key in ("campaign", "number", "service", "features", "trial", "family"):
            yield f"{key}-{name}", line(**{key: value})
    yield "unknown-key", line(**{"\x1b[2J" + "k" * 50_000: 1})
    yield "version-99", b'{"format":"tuner-experience","version":99999999999999999999}\n'
    yield "header-long", b"{" * _MIB
    yield "twice", _HEADER + b"\n" + _TRIED + b"\n" + _TRIED.replace(b"8", b"9") + b"\n"


def traces() -> Iterator[tuple[str, bytes]]:
    """Recorded arrivals."""
    yield "lines-empty", b"\n" * (4 * _MIB)
    yield "commas", b"0,1\n" * 1_000
    yield "stamps-1100000", b"".join(b"%d\n" % n for n in range(1_100_000))
    yield "all-one", b"1\n" * 1_000
    yield "backwards", b"2\n1\n"
    yield "comment-long", b"#" * (16 * _MIB)
    for value in (b"nan", b"inf", b"1e999", b"-1e999", b"1_0", b"9" * 500, b"0x1", b"--1", "\u0661".encode()):
        yield f"stamp-{value[:8]!r}", b"0\n" + value + b"\n3\n"


def models() -> Iterator[tuple[str, bytes]]:
    """ONNX files: lengths, sizes and graphs that lie."""
    good = onnx_model()
    yield "empty", b""
    yield "zeros", bytes(_MIB)
    yield "ones", b"\xff" * _MIB
    for length in (2**31 - 1, 2**31, 2**32, 2**62, 2**63 - 1, 2**64 - 1):
        yield f"length-{length}", b"\x3a" + field(0, length)[1:] + b"x"
    for sizes in ((2**62,) * 8, (2**63 - 1, 2), (0,), (2**64 - 1,), (1,) * 10_000):
        yield f"dims-{len(sizes)}-of-{sizes[0]}", onnx_model(dims=sizes)
    yield "varint-endless", b"\x80" * 100_000
    yield "groups", b"\x0b" * 100_000
    nested = b""
    for _ in range(2_000):  # a graph in an attribute of a node of a graph …
        nested = field(1, field(4, b"If") + field(5, field(1, b"then") + field(6, nested)))
    yield "graphs-in-graphs", field(7, nested)
    yield "nodes-100000", field(7, b"".join(field(1, field(4, b"Add") + field(2, b"y")) for _ in range(100_000)))
    chain = b"".join(
        field(1, field(1, b"t%d" % n) + field(2, b"t%d" % (n + 1)) + field(4, b"Relu")) for n in range(30_000)
    )
    yield "chain-30000", field(7, chain)
    yield "circle", field(7, field(1, field(1, b"a") + field(2, b"b")) + field(1, field(1, b"b") + field(2, b"a")))
    star = b"".join(field(1, b"x%d" % (n % 7)) for n in range(50_000))
    yield "inputs-50000", field(7, field(1, star + field(2, b"y") + field(4, b"Concat")))
    for name in (b"\x1b[31m", b"\xff\xfe", b"\0", b"x" * 100_000, "\u202e".encode(), b""):
        yield f"operator-{name[:6]!r}", onnx_model(operator=name)
    for place in (b"/etc/passwd", b"../../etc/shadow", b"\0", b"a" * 5_000, b"\x1b[31m", b"."):
        outside = field(1, b"location") + field(2, place)
        weight = field(1, 4) + field(2, 1) + field(8, b"w") + field(13, outside) + field(14, 1)
        yield f"weights-in-{place[:8]!r}", field(7, field(5, weight))
    for number in range(60):
        yield f"bit-{number}", _flipped(good, number)


def _flipped(raw: bytes, number: int) -> bytes:
    at = number * 7 % len(raw)
    return raw[:at] + bytes([raw[at] ^ 1 << number % 8]) + raw[at + 1 :]


def model_configs() -> Iterator[tuple[str, bytes]]:
    """Triton's model configurations."""
    yield "braces-deep", b"ensemble_scheduling {" * 5_000
    yield "braces-100000", b"{" * 100_000
    yield "messages-deep", b"input { " * 1_000 + b"}" * 1_000
    yield "list-deep", b"input " + b"[" * 10_000
    yield "string-open", b'name: "open\n'
    yield "string-long", b'name: "' + b"x" * _MIB + b'"'
    yield "string-octal", b'name: "\\777\\x1b[31m"'
    yield "fields-50000", b"max_batch_size: 1\n" * 50_000
    yield "dims-many", b'input { name: "x" dims: [' + b"1," * 100_000 + b"1] }"
    yield "any", b"[type.googleapis.com/x.Y] { a: 1 }"
    yield "extension", b"[inference.x]: 1"
    yield "comment-long", b"#" * _MIB
    for value in (
        b"-1",
        b"1e999",
        b"nan",
        b"99999999999999999999",
        b"0777",
        b"0x" + b"f" * 500,
        b'"8"',
        b"{}",
        b"[]",
        b"true",
    ):
        yield f"number-{value[:6]!r}", MODEL_CONFIG.replace(b"max_batch_size: 8", b"max_batch_size: " + value)


def webhooks() -> Iterator[tuple[str, bytes]]:
    """Bodies and headers; `Signed: yes` has the door sign the body with the right secret."""

    def signed(body: bytes | object) -> bytes:
        return b"Signed: yes\n\n" + (body if isinstance(body, bytes) else json.dumps(body).encode())

    bodies: dict[str, bytes | object] = {
        "empty": b"",
        "blank": b" ",
        "list": [],
        "null": None,
        "number": 1,
        "text": "x",
        "nan": b"NaN",
        "lists-deep": b"[" * 100_000,
        "objects-deep": b'{"a":' * 100_000,
        "number-long": b"9" * 100_000,
        "repository-deep": b'{"repository":' * 10_000 + b"1" + b"}" * 10_000,
        "duplicate-keys": b'{"ref": 1, "ref": 2, "repository": 1, "repository": {}}',
        "utf-16": json.dumps(PUSH).encode("utf-16"),
        "utf-32": json.dumps(PUSH).encode("utf-32"),
        "latin-1": b'{"a": "\xe4"}',
        "byte-order-mark": b"\xef\xbb\xbf{}",
        "surrogate": b'{"repository": {"clone_url": "https://\\ud800/x"}}',
        "nul": b'{"repository": {"clone_url": "https://a\\u0000b/x"}}',
        "open": b'{"repository": {"clone_url": "',
        "wide": {f"k{n}": n for n in range(100_000)},
        "two-mebibytes": b'"' + b"x" * (2 * _MIB - 2) + b'"',
    }
    for key in ("ref", "repository", "project"):
        wrong: tuple[Any, ...] = ([], {}, 1, None, True, "x", [[]], {"clone_url": []}, 1.5e308)
        for number, value in enumerate(wrong):
            bodies[f"{key}-is-{number}"] = {**PUSH, key: value}
    addresses = (
        *("https://[::1", "https://a:99999999/x", "https://a:b/x", "//", "://", "https://", "git@:", ":", "@", "a:b:c"),
        *("https://\u2100.example.com/x", "https://ex\u200dample.com/", "https://" + "a" * 100_000, "x" * 1_000_000),
        *(
            "ext::sh -c id",
            "-oProxyCommand=id",
            "file:///etc/passwd",
            "https://user:pass@git.example.com/vision/serving",
        ),
        *(
            "HTTPS://GIT.EXAMPLE.COM/VISION/SERVING",
            "https://git.example.com/vision/../vision/serving",
            "git@" * 50_000,
        ),
        *("a-" * 50_000 + ":x", "https://git.example.com/" + "%2e%2e/" * 1_000, "\x1b[31m:x", "https://[v1.x]/y"),
    )
    for number, address in enumerate(addresses):
        for key in ("clone_url", "ssh_url", "full_name"):
            bodies[f"{key}-{number}"] = {"ref": "refs/heads/main", "repository": {key: address}}
    for name, body in bodies.items():
        yield f"body-{name}", signed(body)
    good = json.dumps(PUSH).encode()
    for name, head in {
        "none": b"",
        "empty": b"X-Hub-Signature-256: ",
        "short": b"X-Hub-Signature-256: sha256=00",
        "wrong": b"X-Hub-Signature-256: sha256=" + b"0" * 64,
        "upper": b"X-Hub-Signature-256: sha256=" + b"A" * 64,
        "not-ascii": b"X-Hub-Signature-256: sha256=\xff\xfe",
        "gitea-wrong": b"X-Gitea-Signature: " + b"f" * 64,
        "gitlab-wrong": b"X-Gitlab-Token: guess",
        "gitlab-not-ascii": b"X-Gitlab-Token: \xff",
        "gitlab-empty": b"X-Gitlab-Token: ",
        "sha1": b"X-Hub-Signature: sha1=" + b"0" * 40,
        "long": b"X-Gitlab-Token: " + b"x" * 30_000,
        "newline-digits": b"X-Hub-Signature-256: " + b"0" * 64 + b"\x85",
        "fullwidth": "X-Gitea-Signature: \uff10".encode(),
        "get": b"Method: GET\nSigned: yes",
        "put": b"Method: PUT\nSigned: yes",
        "odd-method": b"Method: \x1b[31m\nSigned: yes",
        "other-path": b"Path: /\nSigned: yes",
        "climbing-path": b"Path: /webhook/../metrics\nSigned: yes",
        "long-path": b"Path: /" + b"x" * 30_000 + b"\nSigned: yes",
    }.items():
        yield f"head-{name}", head + b"\n\n" + good


def comments() -> Iterator[tuple[str, bytes]]:
    """Comments on a pull request."""
    command = b"/tuner rerun"
    texts: dict[str, bytes] = {
        "fences": b"```" * 50_000 + b"\n" + command,
        "tildes": b"~~~" * 50_000,
        "comments-open": b"<!--" * 50_000 + command,
        "comments-nested": b"<!-- <!-- --> " * 20_000,
        "blanks-before": b" " * 500_000 + command,
        "blanks-behind": command + b" " * 500_000 + b"x",
        "blanks-between": b"/tuner" + b" " * 500_000 + b"x",
        "lines": (command + b"\n") * 50_000,
        "half-lines": b"/tuner\n" * 100_000,
        "slashes": b"/" * 500_000,
        "markers": b"<!-- tuner: {} -->" * 20_000,
        "markers-open": b"<!-- tuner: {" * 50_000,
        "marker-nested": b'<!-- tuner: {"campaign": {"a": [' + b"[" * 5_000 + b"]} -->",
        "marker-number": b'<!-- tuner: {"campaign": ' + b"9" * 5_000 + b"} -->",
        "marker-of-lists": b"<!-- tuner: {" + b'"a":[' * 5_000 + b"} -->",
        "answer-forged": command + b"\n<!-- tuner: answer to 1 -->",
        "fullwidth": "\uff0ftuner rerun".encode(),
        "crlf": command + b"\r\n",
        "nul": command + b"\0",
        "escape": b"\x1b[31m" + command,
        "bidi": "\u202e".encode() + command,
        "argument": command + b" --sign-key /root/.ssh/id",
        "quoted": b"> " + command,
        "indented": b"    " + command,
        "other-case": b"/TUNER RERUN",
        "tabs": b"\t/tuner\trerun\t",
        "half-fence": b"```\n" + command,
        "empty": b"",
    }
    yield from texts.items()
