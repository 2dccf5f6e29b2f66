"""Specs that are well-formed and ask for too much: expressions that explode, spaces without end, circles."""

# ruff: noqa: E501 - a spec's line is a line here
from __future__ import annotations

from collections.abc import Iterator

from testbed.hostile.originals import SPEC

__all__ = ["specs"]

_DEEP = 10_000
EXPRESSIONS: dict[str, str] = {
    "macros-nested": "[1,2,3].all(a, " * 20 + "true" + ")" * 20,
    "macro-in-comment": "[1].all // x\n (a, a > max_batch_size)",
    "macro-map": "[1,2].map(x, [1,2].map(y, [1,2].map(z, x*y*z))).size() > max_batch_size",
    "has": "has(max_batch_size.x)",
    "parentheses-deep": "(" * _DEEP + "max_batch_size" + ")" * _DEEP + " > 1",
    "brackets-deep": "[" * _DEEP + "]" * _DEEP + " == [max_batch_size]",
    "braces-deep": "{1:" * 500 + "1" + "}" * 500 + " == max_batch_size",
    "not-deep": "!" * _DEEP + "dynamic_batching",
    "minus-deep": "-" * _DEEP + "max_batch_size > 0",
    "ternaries-deep": "dynamic_batching ? " * 500 + "true" + " : false" * 500,
    "fields-deep": "max_batch_size" + ".x" * _DEEP,
    "indexes-deep": "max_batch_size" + "[0]" * _DEEP,
    "and-long": " && ".join(["max_batch_size > 0"] * 2_000),
    "or-long": " || ".join(["max_batch_size > 99"] * 2_000),
    "sum-long": " + ".join(["max_batch_size"] * 3_000) + " > 0",
    "product-overflow": " * ".join(["max_batch_size"] * 200) + " > 0",
    "overflow": "max_batch_size + 9223372036854775807 > 0",
    "overflow-of-the-least": "max_batch_size * -9223372036854775808 > 0",
    "number-too-large": "max_batch_size < 99999999999999999999999",
    "number-hexadecimal": "max_batch_size < 0xffffffffffffffffff",
    "number-unsigned": "max_batch_size < 5u",
    "division-by-zero": "max_batch_size / 0 > 1",
    "modulo-zero": "max_batch_size % 0 > 1",
    "division-of-the-least": "-9223372036854775808 / -max_batch_size > 0",
    "infinite": "double(max_batch_size) / 0.0 > 1.0",
    "not-a-number": "0.0 / 0.0 > double(max_batch_size)",
    "int-of-infinity": "int(1.0 / 0.0) > max_batch_size",
    "int-of-text": "int('9' ) > max_batch_size && int('x') > 1",
    "text-doubled": "size(" + "+".join(["string(max_batch_size)"] * 2_000) + ") > 0",
    "list-doubled": "size(" + "+".join(["[max_batch_size]"] * 2_000) + ") > 0",
    "list-long": "max_batch_size in [" + ",".join(map(str, range(20_000))) + "]",
    "map-long": "max_batch_size in {" + ",".join(f"{n}:{n}" for n in range(5_000)) + "}",
    "text-long": "'" + "x" * 100_000 + "' == string(max_batch_size)",
    "regex-backtracking": "('a' + string(max_batch_size)).matches('(a+)+$')",
    "regex-nested-repeats": "string(max_batch_size).matches('((((a{99}){99}){99}){99})')",
    "regex-large-repeat": "string(max_batch_size).matches('a{1000000000}')",
    "regex-classes": "string(max_batch_size).matches('(?i)\\\\pL{1000}')",
    "regex-deep": "string(max_batch_size).matches('" + "(" * 1_000 + "a" + ")" * 1_000 + "')",
    "regex-alternatives": "string(max_batch_size).matches('" + "|".join(f"a{n}" for n in range(3_000)) + "')",
    "regex-broken": "string(max_batch_size).matches('[')",
    "regex-of-a-parameter": "'aaaa'.matches(string(max_batch_size))",
    "function-unknown": "system('id') == max_batch_size",
    "function-type": "type(max_batch_size) == int",
    "function-timestamp": "timestamp('2026-99-99T00:00:00Z') > timestamp(max_batch_size)",
    "function-duration": "duration('1e999s') > duration(max_batch_size)",
    "function-bytes": "bytes(string(max_batch_size)) == b'\\xff'",
    "quantity-huge": "max_batch_size < quantity('99999999999999999999Ei')",
    "quantity-many": " && ".join(["max_batch_size < quantity('1Gi')"] * 500),
    "quantity-of-words": "max_batch_size < quantity('many')",
    "quantity-exponent": "max_batch_size < quantity('1e999999999')",
    "name-of-python": "__class__.__bases__ == max_batch_size",
    "name-long": "x" * 10_000 + " == max_batch_size",
    "name-unicode": "m\u0430x_batch_size == 1",
    "comment-open": "max_batch_size > 1 // never ends",
    "string-open": "max_batch_size > 'open",
    "string-escapes": "string(max_batch_size) == '\\u202e\\x1b[31m'",
    "string-escape-broken": "string(max_batch_size) == '\\U99999999'",
    "struct": "google.protobuf.Struct{fields: {}} == max_batch_size",
    "any": "google.protobuf.Any{type_url: 'x'} == max_batch_size",
    "only-dots": "." * 1_000,
    "only-colons": "::::",
    "only-true": "true",
    "empty": " ",
    "null": "null == max_batch_size",
    "optional": "max_batch_size.?x.orValue(1) > 0",
    "contradiction": "max_batch_size > 5 && max_batch_size < 5",
}


def specs() -> Iterator[tuple[str, bytes]]:
    """Specs with one such expression, space or section each."""
    for name, expression in EXPRESSIONS.items():
        quoted = expression.replace("'", "''")
        yield f"expression-{name}", SPEC.replace(b"preferred_batch_size <= max_batch_size", f"'{quoted}'".encode(), 1)
    for name, parameters in _PARAMETERS.items():
        start, end = SPEC.index(b"parameters:"), SPEC.index(b"load:")
        yield f"parameters-{name}", SPEC[:start] + parameters + SPEC[end:]
    for name, line in _SECTIONS.items():
        yield f"section-{name}", SPEC + line


def _numbered(count: int, line: str) -> bytes:
    return ("parameters:\n" + "".join(line.format(n, n - 1) for n in range(count))).encode()


_OWN = "{{ type: int, min: 0, max: 9, default: 1, target: {{ env: P{0} }} }}\n"
_PARAMETERS: dict[str, bytes] = {
    "values-5000": b"parameters:\n  max_batch_size: { values: [%s] }\n" % b",".join(b"%d" % n for n in range(1, 5_001)),
    "values-of-one-kind": b"parameters:\n  max_batch_size: { values: [%s] }\n" % b",".join([b"1"] * 5_000),
    "range-of-everything": b"parameters:\n  max_batch_size: { min: 0, max: 2147483647, step: 1 }\n",
    "range-beyond": b"parameters:\n  max_batch_size: { min: 1, max: 1e308 }\n",
    "range-tiny-step": b"parameters:\n  x: { type: float, min: 0, max: 1, step: 1e-300, default: 0, target: { env: X } }\n",
    "range-of-nothing": b"parameters:\n  max_batch_size: { min: 9, max: 1 }\n",
    "range-log-tiny": b"parameters:\n  x: { type: float, min: 1e-320, max: 1e300, log: true, default: 1, target: { env: X } }\n",
    "range-of-whole-numbers": (
        b"parameters:\n  x: { type: int, min: -9007199254740992, max: 9007199254740992, default: 0, target: { env: X } }\n"
    ),
    "many": _numbered(1_500, "  p{0}: " + _OWN),
    "chain": _numbered(
        300, "  p{0}: {{ type: int, min: 0, max: 9, default: 1, target: {{ env: P{0} }}, when: {{ p{1}: 1 }} }}\n"
    ),
    "circle": b"parameters:\n  a: { type: int, min: 0, max: 1, default: 0, target: { env: A }, when: { a: 1 } }\n",
    "names-alike": _numbered(500, "  " + "max_batch_siz" + "{0}: {{}}\n"),
    "name-long": b"parameters:\n  " + b"n" * 100_000 + b": {}\n",
    "names-of-controls": b'parameters:\n  "\\e[31m": {}\n  "\\u202e": {}\n  "a\\nb": {}\n',
    "target-everything": b"parameters:\n  x: { type: int, min: 0, max: 1, default: 0, target: { argument: --help, env: PATH } }\n",
    "target-loader": (
        b"parameters:\n  x: { type: categorical, values: [/tmp/x.so], default: /tmp/x.so, target: { env: LD_PRELOAD } }\n"
    ),
    "target-path": b"parameters:\n  x: { type: int, min: 0, max: 1, default: 0, target: { manifest: ../../x } }\n",
    "constraints-300": b"parameters:\n  max_batch_size: {}\nconstraints:\n"
    + b"  - expression: max_batch_size > 0\n" * 300,
    "constraints-hard": (
        _numbered(12, "  p{0}: " + _OWN)
        + b"constraints:\n"
        + b"".join(b"  - expression: p%d * p%d == 77\n" % (n, (n + 1) % 12) for n in range(12))
    ),
    "cpu-endless": b"parameters:\n  cpu: { min: 0.001, max: 100000, step: 0.001 }\n",
}
_SECTIONS: dict[str, bytes] = {
    "schedule-never": b"schedule: 0 0 30 2 *\n",
    "schedule-of-nothing": b"schedule: '*/0 * * * *'\n",
    "schedule-beyond": b"schedule: 99 99 99 99 99\n",
    "schedule-list": b"schedule: '" + b",".join(b"%d" % (n % 60) for n in range(20_000)) + b" * * * *'\n",
    "schedule-random": b"schedule: '~ * * * *'\n",
    "schedule-name": b"schedule: '@reboot'\n",
    "schedule-seconds": b"schedule: '* * * * * * *'\n",
    "schedule-last": b"schedule: '0 0 L * 1#9'\n",
    "schedule-text": b'schedule: "\\e[31m * * * *"\n',
    "unknown": b"hooks: { before: /bin/sh -c id }\n",
    "unknown-many": b"".join(b"section%d: 1\n" % n for n in range(5_000)),
    "unknown-long": b"s" * 100_000 + b": 1\n",
    "experience-outside": b"experience: ../../../../etc/passwd\n",
    "experience-absolute": b"experience: /etc/passwd\n",
    "experience-git": b"experience: .GIT/config\n",
}
