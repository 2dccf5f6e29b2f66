"""``tuner watch --config`` and its signals: SIGHUP reads the configuration again, SIGTERM ends the service."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.campaign.service import bare_environment
from tests.repository.conftest import Plain
from tests.watch.conftest import until

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


@dataclass
class Serving:
    """The command, its configuration and its log."""

    process: subprocess.Popen[bytes]
    config: Path
    log: Path

    def said(self, words: str) -> int:
        return self.log.read_text().count(words)

    def reload(self) -> None:
        self.process.send_signal(signal.SIGHUP)


def configured(*repositories: Plain) -> str:
    listed = "".join(f"  - {{ name: r{number}, url: {each.folder} }}\n" for number, each in enumerate(repositories))
    return (
        "apiVersion: tuner/v1alpha1\nkind: WatchConfiguration\nmetrics: 127.0.0.1:0\nleader: { lease: 1s }\n"
        f"standby: false\nrepositories:\n{listed}"
    )


def repository(folder: Path) -> Plain:
    folder.mkdir()
    plain = Plain(folder)
    plain.git("init", "-q", "-b", "main")
    plain.commit({"configs/wrong/tuning.yaml": f"kind: {folder.name}\n"})
    return plain


@contextmanager
def serving(root: Path, text: str) -> Iterator[Serving]:
    config, log = root / "tuner.yaml", root / "service.log"
    config.write_text(text)
    command = [str(Path(sys.executable).with_name("tuner")), "watch", "--config", str(config), "--log-level", "info"]
    environment = {**bare_environment(root), "TUNER_STATE": str(root / "state")}
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file, env=environment) as process:
        try:
            yield Serving(process, config, log)
        finally:
            process.kill()


def test_the_configuration_is_read_again_and_a_wrong_one_changes_nothing(tmp_path: Path) -> None:
    first, second = repository(tmp_path / "first"), repository(tmp_path / "second")
    with serving(tmp_path, configured(first)) as service:
        until(lambda: service.said("the branch moved") == 1, 60)
        service.config.write_text(configured(first, second).replace("lease: 1s", "lease: soon"))
        service.reload()
        until(lambda: service.said("the service goes on with what it has") == 1)
        assert "tuner.yaml:4:" in service.log.read_text(), "the mistake has its place"
        assert service.said("drained") == 0

        service.config.write_text(configured(first, second))
        service.reload()
        until(lambda: service.said("the branch moved") == 2, 60)
        assert service.said("repository=r1") >= 1
        assert service.said("the configuration was read again") == 1
        assert service.process.poll() is None

        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(60) == 0
        assert service.said("drained") == 2
