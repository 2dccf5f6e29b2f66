"""Secrets stay out of logs, whatever way they come."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tuner.telemetry.redaction import REDACTED, redact, redact_value, secret_name

SECRETS = [
    ("https://user:s3cr3tpass@forge.example/x.git", "s3cr3tpass"),
    ("postgresql://tuner:pa%3Ass-word@db:5432/optuna", "pa%3Ass-word"),
    ("https://ghtoken0123456789@forge.example/x.git", "ghtoken0123456789"),
    ("curl -H 'Authorization: Bearer abcdef.ghi-jkl_mno'", "abcdef.ghi-jkl_mno"),
    ("sent bearer abcdefgh12345678 to the forge", "abcdefgh12345678"),
    ("authorization: Basic dXNlcjpwYXNz", "dXNlcjpwYXNz"),
    ('{"password": "correct horse battery"}', "correct horse battery"),
    ("DB_PASSWORD=hunter2hunter2 started", "hunter2hunter2"),
    ("GET /api?access_token=abc123def456&page=2", "abc123def456"),
    ("X-Api-Key: k-0123456789", "k-0123456789"),
    ("found ghp_0123456789abcdefghijABCDEFGHIJ012345", "ghp_0123456789abcdefghijABCDEFGHIJ012345"),
    ("key AKIAIOSFODNN7EXAMPLE used", "AKIAIOSFODNN7EXAMPLE"),
    ("-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXk\n-----END OPENSSH PRIVATE KEY-----", "b3BlbnNzaC1rZXk"),
    ("-----BEGIN PRIVATE KEY-----\nb3BlbnNzaC1rZXk cut off", "b3BlbnNzaC1rZXk"),
]
HARMLESS = [
    "max_tokens=4096 max_num_batched_tokens: 8192",
    "https://forge.example/team/service.git",
    "file:///models/a@b",
    "git@forge.example:team/service.git",
    "p99 48 ms at 310/s, basic configuration",
    "bearer of news",
]


@pytest.mark.parametrize(("text", "secret"), SECRETS)
def test_a_secret_is_taken_out(text: str, secret: str) -> None:
    clean = redact(text, {})
    assert secret not in clean
    assert REDACTED in clean
    assert redact(clean, {}) == clean


@pytest.mark.parametrize("text", HARMLESS)
def test_ordinary_text_stays(text: str) -> None:
    assert redact(text, {}) == text


def test_the_rest_of_a_url_stays() -> None:
    assert redact("https://u:p4ssw0rd@forge.example:3000/a?b=c", {}) == f"https://{REDACTED}@forge.example:3000/a?b=c"


@pytest.mark.parametrize(
    "name",
    [
        "GITEA_TOKEN",
        "AWS_SECRET_ACCESS_KEY",
        "PGPASSWORD",
        "api-key",
        "ApiKey",
        "client_secret",
        "SIGNING_KEY",
        "Cookie",
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert secret_name(name)


@pytest.mark.parametrize("name", ["max_tokens", "tokens", "PATH", "key", "author", "monkey", "campaign", "TUNER_TRIAL"])
def test_names_of_other_things(name: str) -> None:
    assert not secret_name(name)


SECRET_VALUES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=6, max_size=40)


@given(SECRET_VALUES.filter(lambda text: text not in REDACTED), st.text(max_size=40), st.text(max_size=40))
def test_values_of_secret_variables_are_taken_out_anywhere(value: str, before: str, after: str) -> None:
    environment = {"FORGE_TOKEN": value, "HOME": "/home/tuner"}
    assert value not in redact(f"{before}{value}{after}", environment).replace(REDACTED, "\0")


def test_a_secret_within_a_longer_one_leaves_no_rest() -> None:
    environment = {"A_TOKEN": "abcdef", "B_TOKEN": "abcdefghijkl"}
    assert redact("x abcdefghijkl y", environment) == f"x {REDACTED} y"


def test_values_are_walked() -> None:
    value = {
        "url": "http://a:bbbbbb@c/",
        "password": 123456,
        "max_tokens": 7,
        "list": ["token=abcdef", 1.5, None, True],
    }
    assert redact_value("event", value) == {
        "url": f"http://{REDACTED}@c/",
        "password": REDACTED,
        "max_tokens": 7,
        "list": [f"token={REDACTED}", 1.5, None, True],
    }
