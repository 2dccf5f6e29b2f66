"""The service's configuration: what is understood, and how a mistake is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from tuner.errors import UserError
from tuner.watch.configuration import Configuration, load_configuration

HEAD = "apiVersion: tuner/v1alpha1\nkind: WatchConfiguration\n"
ONE = "repositories:\n  - { name: a, url: https://git.example.com/a.git }\n"


def load(folder: Path, text: str) -> Configuration:
    path = folder / "tuner.yaml"
    path.write_text(text)
    return load_configuration(path)


def problems(folder: Path, text: str) -> list[str]:
    with pytest.raises(UserError) as error:
        load(folder, text)
    return [str(problem).removeprefix(f"{folder}/") for problem in error.value.problems]


def test_the_least_that_is_needed_has_safe_defaults(tmp_path: Path) -> None:
    found = load(tmp_path, HEAD + ONE)
    assert found.polling.interval == 120
    assert found.metrics == "127.0.0.1:9464"
    assert found.webhook is None
    assert found.limit("process") == 1
    assert found.repository("a").forge == "embedded"


def test_everything_can_be_said(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("abc\n")
    found = load(
        tmp_path,
        HEAD
        + f"""repositories:
  - name: vision
    url: ssh://git@git.example.com/vision/serving.git
    branch: release
    forge: ours
    project: vision/serving
    token: {{ file: {tmp_path / "token"} }}
    team: vision
    priority: 10
    interval: 30s
forges:
  ours: {{ kind: gitea, url: https://git.example.com, token: {{ env: GITEA_TOKEN }} }}
teams:
  vision: {{ running: 2, computeHours: 40, window: 7d }}
backends:
  process: {{ running: 1 }}
polling: {{ interval: 2m, jitter: 50%, longest: 1h, workers: 8 }}
database: {{ url: postgresql://tuner@db/tuner }}
webhook: {{ listen: 127.0.0.1:8484, secret: {{ file: {tmp_path / "token"} }}, rate: 5/s }}
metrics: "[::1]:9464"
leader: {{ kind: kubernetes, lease: 15s, name: tuner, namespace: tuning }}
retention: {{ campaigns: 90d }}
drain: 1m
""",
    )
    token = found.repositories[0].token
    assert token is not None
    assert token.read() == "abc"
    assert found.teams["vision"].window == 7 * 86_400


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "tuner.yaml:1:1: repositories is missing"),
        ("repositories: []\n", "tuner.yaml:3:15: repositories has too few entries"),
        ("repositories:\n  - { name: a }\n", "url is missing"),
        (ONE + "polling: { interval: 2 }\n", "tuner.yaml:5:22: "),
        (ONE + "polling: { intervall: 2m }\n", "tuner.yaml:5:12: unknown key 'intervall' (did you mean interval?)"),
        (ONE + "metrics: everywhere\n", "tuner.yaml:5:10: 'everywhere' is not an address to listen on"),
        (ONE + "leader: { lease: 1ms }\n", "tuner.yaml:5:18: a lease of 0.001s is too short"),
        (ONE + "drain: no\n", "tuner.yaml:5:8: no is read as false by some"),
        (ONE + ONE[14:], "tuner.yaml:5:13: two repositories are called a"),
        (ONE.replace(" }", ", team: visoin }") + "teams: { vision: {} }\n", "did you mean vision?"),
        (ONE.replace(" }", ", forge: ours }"), "there is no forge 'ours' (add it below forges)"),
        (ONE.replace(" }", ", branch: tuner/x }"), "tuner/x is a branch of tuner's own"),
        (ONE.replace("https://git.example.com/a.git", "ext::sh"), "remote helpers may run programs"),
        (ONE.replace("https://git", "https://me:secret@git"), "credentials in it"),
        (ONE + "database: { url: 'postgresql://tuner:secret@db/x' }\n", "the address has a password in it"),
        (ONE + "webhook: { secret: {} }\n", "a secret is in one place"),
        (ONE + "webhook: { secret: { file: a, env: B } }\n", "a secret is in one place"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    found = problems(tmp_path, HEAD + text)
    assert any(said in line for line in found), found
    assert all(line.startswith("tuner.yaml:") for line in found)
    assert not any("secret@" in line for line in found)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        load_configuration(tmp_path / "tuner.yaml")


def test_a_secret_that_is_missing_is_named_and_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = load(tmp_path, HEAD + ONE + "webhook: { secret: { env: TUNER_TEST_SECRET } }\n")
    assert found.webhook is not None
    with pytest.raises(UserError, match="TUNER_TEST_SECRET holds no secret"):
        found.webhook.secret.read()
    monkeypatch.setenv("TUNER_TEST_SECRET", "hush-hush")
    assert found.webhook.secret.read() == "hush-hush"
    assert "hush-hush" not in repr(found)
