"""What is remembered is there again: once, for every process, on every database, the newest where it is too much."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from tuner.errors import PermanentError, TemporaryError, UserError
from tuner.experience.database import sqlite_url
from tuner.experience.model import Earlier
from tuner.experience.remembered import Remembered, remembered
from tuner.experience.store import ExperienceStore, store_url


@pytest.fixture
def store(storage_url: str) -> Iterator[ExperienceStore]:
    """An empty store that keeps five trials of a service."""
    with ExperienceStore(storage_url, keep=5) as opened:
        for service in {record.service for record in opened.records()}:
            opened.forget(service)
        yield opened


def test_what_was_remembered_is_recalled(store: ExperienceStore, earlier_of: Callable[..., Earlier]) -> None:
    first, second = earlier_of("first"), earlier_of("second", engine="simulator", features=None, family="echoes")
    assert store.remember("campaign-1", first) == 3
    assert store.remember("campaign-2", second) == 3
    assert store.recall() == (first, second)


def test_telling_again_changes_nothing(store: ExperienceStore, earlier_of: Callable[..., Earlier]) -> None:
    store.remember("campaign", earlier_of())
    assert store.remember("campaign", earlier_of()) == 0
    assert store.remember("campaign", earlier_of(count=4)) == 1, "only the one that was not known"
    assert store.recall() == (earlier_of(count=4),)


def test_the_first_telling_of_a_trial_counts(store: ExperienceStore, earlier_of: Callable[..., Earlier]) -> None:
    store.remember("campaign", earlier_of("told"))
    assert store.remember("campaign", earlier_of("untold")) == 0
    assert store.recall() == (earlier_of("told"),)


def test_campaigns_of_one_service_are_recalled_together(
    store: ExperienceStore, earlier_of: Callable[..., Earlier]
) -> None:
    store.remember("one", earlier_of(count=2))
    store.remember("two", earlier_of(count=2))
    (found,) = store.recall()
    assert found.trials == earlier_of(count=2).trials * 2


@pytest.mark.parametrize("differs", ["engine", "hardware", "load", "family", "features"])
def test_what_differs_is_kept_apart(store: ExperienceStore, earlier_of: Callable[..., Earlier], differs: str) -> None:
    one = earlier_of(count=2)
    other = earlier_of(count=2, **{differs: None if differs == "features" else "other"})
    store.remember("one", one)
    store.remember("two", other)
    assert len(store.recall()) == 2
    assert set(store.recall()) == {one, other}


def test_only_the_newest_trials_of_a_service_stay(store: ExperienceStore, earlier_of: Callable[..., Earlier]) -> None:
    records = [
        record.model_copy(update={"ended": 1000.0 - record.number})
        for record in remembered("campaign", earlier_of(count=8))
    ]
    store.remember("another", earlier_of("another"))
    assert store.add(records) == 5
    kept = [record.number for record in store.records(["echo"])]
    assert kept == [0, 1, 2, 3, 4], "those that ended last"
    assert store.add(records) == 0, "those that were let go are not taken again"
    assert [record.number for record in store.records(["echo"])] == kept
    assert len(store.records(["another"])) == 3


def test_a_service_is_forgotten_alone(store: ExperienceStore, earlier_of: Callable[..., Earlier]) -> None:
    store.remember("one", earlier_of("first"))
    store.remember("two", earlier_of("second"))
    assert store.forget("first") == 3
    assert store.forget("first") == 0
    assert [found.service for found in store.recall()] == ["second"]


def test_another_process_sees_it_and_a_kill_loses_nothing(
    storage_url: str, store: ExperienceStore, earlier_of: Callable[..., Earlier]
) -> None:
    code = (
        "import os, signal, sys\n"
        "from tuner.experience.model import Earlier\n"
        "from tuner.experience.store import ExperienceStore\n"
        "store = ExperienceStore(sys.argv[1])\n"
        "store.remember('campaign', Earlier.model_validate_json(sys.argv[2]))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    told = earlier_of().model_dump_json()
    done = subprocess.run([sys.executable, "-c", code, storage_url, told], check=False, timeout=60)
    assert done.returncode == -9
    assert store.recall() == (earlier_of(),)


def test_many_writers_at_once(storage_url: str, store: ExperienceStore, earlier_of: Callable[..., Earlier]) -> None:
    def write(writer: int) -> int:
        with ExperienceStore(storage_url) as mine:
            return sum(mine.remember(f"campaign-{number}", earlier_of(f"s{number}")) for number in range(writer, 12))

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(write, range(6))) == 36, "every trial is new to one writer"
    assert len(store.records()) == 36


def test_many_open_it_for_the_first_time_at_once(tmp_path: Path, earlier_of: Callable[..., Earlier]) -> None:
    def write(writer: int) -> int:
        with ExperienceStore(sqlite_url(tmp_path / "experience.db")) as mine:
            return mine.remember(f"campaign-{writer}", earlier_of())

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(write, range(8))) == [3] * 8


def test_rows_that_cannot_be_read_are_left_out(tmp_path: Path, earlier_of: Callable[..., Earlier]) -> None:
    path = tmp_path / "experience.db"
    with ExperienceStore(sqlite_url(path)) as store:
        store.remember("campaign", earlier_of(count=3))
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute('update tuner_experience set record = \'{"of": "tomorrow"}\' where number = 0')
            connection.execute("update tuner_experience set number = 7 where number = 1")
        assert [record.number for record in store.records()] == [2]


@pytest.mark.parametrize("url", ["", "nonsense", "mysql://root:secret@db/x", "sqlite://"])
def test_a_url_that_cannot_be_used_is_a_persons_mistake(url: str) -> None:
    with pytest.raises(UserError) as caught:
        ExperienceStore(url)
    assert "secret" not in str(caught.value)


def test_a_database_that_does_not_answer_is_waited_for(tmp_path: Path) -> None:
    with pytest.raises(TemporaryError, match="database of experience") as caught:
        ExperienceStore(f"postgresql://tuner:secret@/none?host={tmp_path}")
    assert "secret" not in str(caught.value)


def test_a_file_that_is_no_database_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "experience.db"
    path.write_bytes(b"this is no database, and it is long enough to be read as one" * 40)
    with pytest.raises(PermanentError, match="not a database"):
        ExperienceStore(sqlite_url(path))
    assert path.read_bytes().startswith(b"this is no database")


def test_a_database_that_is_gone_meanwhile_is_told(tmp_path: Path, earlier_of: Callable[..., Earlier]) -> None:
    path = tmp_path / "experience.db"
    with ExperienceStore(sqlite_url(path)) as store:
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.execute("drop table tuner_experience")
        with pytest.raises((TemporaryError, PermanentError), match="no such table"):
            store.recall()
        with pytest.raises((TemporaryError, PermanentError), match="no such table"):
            store.remember("campaign", earlier_of())


def test_the_named_database_is_used_before_the_file_in_the_state_folder(tmp_path: Path) -> None:
    assert store_url(tmp_path, "postgresql://db/tuner") == "postgresql://db/tuner"
    assert store_url(tmp_path, None) == sqlite_url(tmp_path / "experience.db")


def test_a_record_reads_as_it_was_written(earlier_of: Callable[..., Earlier]) -> None:
    for record in remembered("campaign", earlier_of(family="echoes")):
        assert Remembered.model_validate_json(record.line(), strict=True) == record
