"""YAML against whoever reads it: bombs, nests, anchors, tags, keys and scalars that explode or mean something else."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

__all__ = ["VALUES", "bombs", "replaced"]

_MIB = 1 << 20
_VALUE = re.compile(rb"(?<=: )[^\s{}\[\],#][^{}\[\],#\n]*|(?<=: )[\[{][^\n]*")


def _laughs(levels: int, width: int) -> bytes:
    lines = ["l0: &l0 [lol]"]
    lines += [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * width)}]" for n in range(1, levels)]
    return "\n".join(lines).encode() + b"\n"


BOMBS: dict[str, bytes] = {
    "billion-laughs": _laughs(10, 10),
    "laughs-in-documents": b"---\n".join([_laughs(6, 10)] * 3),
    "quadratic": b"a: &a [" + b"x," * 20_000 + b"x]\nb: [" + b"*a," * 20_000 + b"*a]\n",
    "anchor-of-itself": b"a: &a [*a]\n",
    "anchor-of-itself-in-a-key": b"? &a {*a : 1}\n: 2\n",
    "alias-of-nothing": b"a: *nothing\n",
    "many-anchors": b"".join(b"k%d: &a%d 1\n" % (n, n) for n in range(20_000)),
    "merge": b"a: &a {x: 1}\nb: {<<: *a}\n",
    "merge-of-laughs": b"a: &a {x: 1}\nb: &b {<<: [*a, *a, *a]}\nc: {<<: [*b, *b]}\n",
    "tag-python-object": b"a: !!python/object/apply:os.system [id]\n",
    "tag-python-name": b"!!python/name:os.system x\n",
    "tag-binary": b"a: !!binary " + b"QUFB" * 1000 + b"\n",
    "tag-binary-broken": b"a: !!binary \xc3\xa9\n",
    "tag-timestamp": b"a: !!timestamp tomorrow\n",
    "tag-int-empty": b"a: !!int ''\n",
    "tag-int-word": b"a: !!int word\n",
    "tag-float-word": b"a: !!float word\n",
    "tag-bool-word": b"a: !!bool word\n",
    "tag-null-word": b"a: !!null word\n",
    "tag-set": b"a: !!set {x, y}\n",
    "tag-omap": b"a: !!omap [x: 1]\n",
    "tag-pairs": b"a: !!pairs [x: 1]\n",
    "tag-map-on-text": b"a: !!map text\n",
    "tag-verbatim": b"a: !<tag:example.com,2000:x> 1\n",
    "tag-undefined-handle": b"a: !e!x 1\n",
    "tag-long": b"a: !" + b"x" * 100_000 + b" 1\n",
    "directive-version-9": b"%YAML 9.9\n---\na: 1\n",
    "directive-twice": b"%YAML 1.1\n%YAML 1.1\n---\na: 1\n",
    "directive-tag": b"%TAG ! tag:example.com,2000:\n---\na: !x 1\n",
    "directive-unknown": b"%FOO bar\n---\na: 1\n",
    "duplicate-key": b"a: 1\na: 2\n",
    "duplicate-key-quoted": b"a: 1\n\"a\": 2\n'a': 3\n",
    "key-is-a-list": b"? [a, b]\n: 1\n",
    "key-is-a-mapping": b"{{a: b}: c}\n",
    "key-is-null": b"~: 1\n: 2\n",
    "key-is-empty": b"'': 1\n",
    "key-is-long": b"k" * 200_000 + b": 1\n",
    "key-is-longer-than-a-simple-key": b"? " + b"k" * 5_000 + b"\n: 1\n",
    "keys-20000": b"".join(b"k%d: 1\n" % n for n in range(20_000)),
    "items-200000": b"- 1\n" * 200_000,
    "flow-items-500000": b"[" + b"1," * 500_000 + b"1]",
    "empty-items": b"-\n" * 300_000,
    "question-marks": b"?\n" * 300_000,
    "documents-5000": b"---\na: 1\n" * 5_000,
    "document-ends": b"...\n" * 250_000,
    "lines-empty": b"\n" * (_MIB - 10),
    "comment-long": b"# " + b"x" * (_MIB - 10),
    "comments-many": b"#\n" * 500_000,
    "blanks": b" " * (_MIB - 10),
    "tabs": b"\t" * 1_000,
    "scalar-of-a-mebibyte": b"a: " + b"x" * (_MIB - 10),
    "scalar-quoted-of-a-mebibyte": b'a: "' + b"x" * (_MIB - 10) + b'"',
    "scalar-escapes": b'a: "' + b"\\u0041" * 100_000 + b'"',
    "scalar-escaped-controls": b'a: "\\0\\a\\b\\e[31m\\x7f\\N\\_\\L\\P\\u202e\\ud800\\U0010ffff"\n',
    "scalar-escape-beyond-unicode": b'a: "\\UFFFFFFFF"\n',
    "scalar-block-indent-9": b"a: |9\n  x\n",
    "scalar-block-indent-0": b"a: |0\n  x\n",
    "scalar-block-without-text": b"a: |",
    "scalar-folded-lines": b"a: >\n" + b"  x\n" * 200_000,
    "quote-open": b'a: "never closed\n' * 1_000,
    "quote-open-single": b"a: 'never closed\n" + b"x\n" * 100_000,
    "bracket-open": b"a: [1, 2\nb: 3\n",
    "brackets-100": b"[" * 100 + b"]" * 100,
    "brackets-10000": b"[" * 10_000,
    "brackets-500000": b"[" * 500_000,
    "braces-10000": b"{a: " * 10_000,
    "braces-of-nothing": b"{" * 100_000,
    "brackets-each-a-line": b"[\n" * 100_000,
    "brackets-in-quotes": b'a: "' + b"[" * 10_000 + b'"\n',
    "dashes-deep": b"- " * 5_000 + b"x\n",
    "dashes-each-deeper": b"".join(b" " * n + b"-\n" for n in range(1_000)),
    "keys-each-deeper": b"".join(b" " * n + b"a:\n" for n in range(1_000)),
    "questions-deep": b"? " * 5_000 + b"x\n",
    "colons": b":" * 100_000,
    "dashes": b"-" * 100_000,
    "stars": b"*" * 100_000,
    "ampersands": b"&" * 10_000,
    "exclamations": b"!" * 100_000,
    "percent": b"%" * 10_000 + b"\n",
    "pipes": b"|" * 1_000,
    "backslashes": b'"' + b"\\" * 100_001 + b'"',
    "number-of-5000-digits": b"a: " + b"9" * 5_000 + b"\n",
    "number-of-a-million-digits": b"a: " + b"9" * 1_000_000 + b"\n",
    "number-hexadecimal-long": b"a: 0x" + b"f" * 500_000 + b"\n",
    "number-octal-long": b"a: 0o" + b"7" * 500_000 + b"\n",
    "number-sexagesimal": b"a: " + b"1" + b":59" * 100_000 + b"\n",
    "number-underscores": b"a: 1" + b"_" * 500_000 + b"1\n",
    "number-exponent": b"a: 1e" + b"9" * 100_000 + b"\n",
    "date-impossible": b"a: 2026-99-99\n",
    "date-of-year-0": b"a: 0000-00-00T00:00:00Z\n",
    "too-large": b"a: " + b"x" * (3 * _MIB),
    "empty": b"",
    "only-a-comment": b"# nothing\n",
    "only-a-word": b"word\n",
    "only-a-list": b"- a\n",
    "only-null": b"~\n",
    "only-a-number": b"1\n",
    "only-a-document-mark": b"---\n",
    "json": b'{"apiVersion": "tuner/v1alpha1", "kind": "TuningSpec"}',
    "zip": b"PK\x03\x04" + bytes(100),
    "gzip": b"\x1f\x8b\x08" + bytes(100),
    "pointer-of-lfs": b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64 + b"\nsize 12345\n",
}
"""Whole files. Each is tried alone, and those that are short also behind a good text."""

VALUES: tuple[bytes, ...] = (
    *(b"1e999", b"-1e999", b".inf", b"-.Inf", b".nan", b"NaN", b"Infinity", b"1e308", b"1e-400", b"-0", b"-0.0"),
    *(b"0o777", b"0777", b"0x7fffffffffffffffffff", b"0b1", b"9223372036854775808", b"-9223372036854775809"),
    *(b"9" * 400, b"1_000", b"12:30:45", b"+1", b"1.", b".5", b"1e1_0", b"0.1" + b"0" * 400 + b"1"),
    *(b"yes", b"no", b"on", b"null", b"~", b"''", b"true", b"=", b"<<"),
    *(b"[]", b"{}", b"[[[[]]]]", b"{a: {b: {c: d}}}", b"[null]", b"[1, a, {b: c}]", b"{'': ''}"),
    *(b"2026-02-30", b"2026-01-01T00:00:00Z", b"0 0 30 2 *", b"* * * * * * *", b"*/0 * * * *"),
    *(b"../../../etc/passwd", b"/etc/passwd", b"~root/.ssh/id_rsa", b".git/config", b"a/./b//c", b"C:\\\\x", b"con"),
    *(b"'$(id)'", b"'`id`'", b"'${HOME}'", b"'%s%n%x'", b"'; rm -rf /'", b"'{{ 7 * 7 }}'", b"'<script>'", b"'--help'"),
    *(b'"a\\0b"', b'"\\e[31mred\\e[0m"', b'"\\u202eevil"', b'"line\\nbreak"', b'"\\ud83d"', b'"\\uffff"', b'"\\x7f"'),
    *(b"x" * 10_000, b"'" + b"\xf0\x9f\x92\xa5" * 200 + b"'", b'"' + b"\\u0301" * 500 + b'"'),
    *(b"ext::sh -c id", b"--upload-pack=id", b"-oProxyCommand=id", b"file:///etc/shadow", b"fd::7"),
    *(b"http://169.254.169.254/latest", b"https://user:pass@example.com/x", b"https://[::1", b"ssh://-oX=y/z"),
    *(b"99999999999999999999Gi", b"1Ei", b"-1Gi", b"1e3Ki", b"1.5.5", b"500mm", b"0", b"0m", b"1e-9", b"1n"),
    *(b"1e999s", b"-5s", b"0s", b"99999999999999h", b"1h1h1h", b"101%", b"-1%", b"1e5%", b"1/0s", b"0/s", b"1e400/s"),
    *("\uff11\uff12".encode(), "\u0661\u0662".encode(), "\u00bd".encode(), "\u2028".encode(), "1\u00a0000".encode()),
    *(b"|", b">-", b"&a 1", b"*a", b"!!str 1", b"!x 1", b"@at", b"`tick", b"%percent", b"? x", b"- x", b"a: b: c"),
)
"""What may stand in the place of any value."""


def bombs(name: str, text: bytes) -> Iterator[tuple[str, bytes]]:
    """Every bomb alone, and behind a good text."""
    for kind, bomb in BOMBS.items():
        yield f"{kind}-alone-{name}", bomb
        if len(bomb) < 2_000:
            yield f"{kind}-behind-{name}", text + bomb


def replaced(name: str, text: bytes, count: int) -> Iterator[tuple[str, bytes]]:
    """The text with one of its values replaced; every kind of value, at places that are drawn."""
    drawn = random.Random(f"replaced {name}")  # noqa: S311 - the same corpus every time
    places = [match.span() for match in _VALUE.finditer(text)]
    for number in range(count):
        start, end = drawn.choice(places)
        yield f"value-{number}-in-{name}", text[:start] + VALUES[number % len(VALUES)] + text[end:]
