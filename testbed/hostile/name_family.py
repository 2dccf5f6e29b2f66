"""Short texts that become arguments, paths and references: options in disguise, traversal, names that look alike."""

from __future__ import annotations

from collections.abc import Iterator

from testbed.hostile.bytes_family import DECEITS

__all__ = ["names"]

_NAMES: dict[str, tuple[bytes, ...]] = {
    "address": (
        *(b"ext::sh -c touch% /tmp/x", b"fd::17", b"foo::bar", b"https::x", b"--upload-pack=touch /tmp/x", b"-u"),
        *(b"-oProxyCommand=x:y", b"ssh://-oProxyCommand=x/y", b"ssh://host/-x", b"git://example.com/x", b"ftp://h/x"),
        *(b"http://example.com/x", b"file:///etc", b"/etc", b"../..", b".", b"", b" ", b"https://", b"https:///x"),
        *(b"https://[::1/x", b"https://[]/x", b"https://h:99999/x", b"https://h:x/y", b"https://user:pw@h/x"),
        *(b"https://token@h/x", b"ssh://u:pw@h/x", b"https://h/x\nhttps://evil/x", b"javascript:alert(1)", b"data:,x"),
        *(b"https://" + b"a" * 100_000, b"a:" * 50_000, "https://\u2100/x".encode(), b"HTTPS://EXAMPLE.COM/x", b"://x"),
        *(b"ssh:// host/x", b"https://h/%00", b"https://h\\@evil/x", b"::", b":", b"@", b"a@b", b"http://127.1/x"),
        *(b"http://localhost.evil.com/x", b"http://2130706433/x", b"http://[::ffff:127.0.0.1]/x", b"\\\\host\\share"),
    ),
    "branch": (
        *(
            b"",
            b"-x",
            b"--help",
            b"..",
            b"a..b",
            b"a/../b",
            b"/a",
            b"a/",
            b"a//b",
            b".a",
            b"a/.b",
            b"a.lock",
            b"a.lock/b",
        ),
        *(
            b"@",
            b"@{u}",
            b"a@{1}",
            b"a~1",
            b"a^",
            b"a:b",
            b"a?",
            b"a*",
            b"a[b",
            b"a\\b",
            b"a b",
            b"a.",
            b"HEAD",
            b"refs/heads/x",
        ),
        *(
            b"x" * 100_000,
            b"a/" * 10_000 + b"b",
            b"main\n",
            b"main\0x",
            b"tuner/" + b"x" * 300,
            b"$(id)",
            b"`id`",
            b";id",
        ),
    ),
    "path": (
        *(
            b"",
            b".",
            b"..",
            b"/",
            b"/etc/passwd",
            b"../x",
            b"a/../../x",
            b"a//b",
            b"./a",
            b"a/.",
            b"a/..",
            b"..\\x",
            b"C:\\x",
        ),
        *(
            b".git",
            b".git/config",
            b".GIT/config",
            b"a/.git/hooks/x",
            b"git~1",
            b"GIT~1/x",
            b".git /x",
            b".git./x",
            b"a/.git...",
        ),
        *(
            ".g\u200bit/config".encode(),
            ".gi\u200ct".encode(),
            "\ufeff.git".encode(),
            "a\u202eb".encode(),
            "a\u2028b".encode(),
        ),
        *(
            b"a\nb",
            b"a\tb",
            b"\x1b[31m",
            b"a\x7fb",
            b"\xff\xfe",
            b"x" * 2_000,
            b"a/" * 5_000,
            b"..." * 500,
            b"../" * 5_000,
        ),
        *(b"-x", b"--output=x", b"~/x", b"$HOME/x", b"%2e%2e/x", b"a\\..\\b", b"con", b"aux.txt", b"a:b", b"a" * 300),
    ),
    "listen": (
        *(
            b"",
            b":",
            b":80",
            b"80",
            b"127.0.0.1",
            b"127.0.0.1:",
            b"127.0.0.1:99999",
            b"127.0.0.1:-1",
            b"127.0.0.1:0x50",
        ),
        *(b"example.com:80", b"[::1]", b"[::1:80", b"::1:80", b"[fe80::1%eth0]:80", b"[::1]:80]", b"0:80", b"1.2.3:80"),
        *(
            "127.0.0.1:\u0668\u0660".encode(),
            b"127.0.0.1:80\n",
            b" 127.0.0.1:80",
            b"999.1.1.1:80",
            b"a" * 100_000 + b":80",
        ),
    ),
}


def names(door: str) -> Iterator[tuple[str, bytes]]:
    """Texts for the door of that name, and every deceit in a good one."""
    for number, text in enumerate(_NAMES[door]):
        yield f"{door}-{number}", text
    for kind, sign in DECEITS.items():
        yield f"{door}-{kind}", b"a" + sign + b"b"
