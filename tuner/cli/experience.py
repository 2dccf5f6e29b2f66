"""Commands about experience: export, import, list, forget."""

from __future__ import annotations

import time
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from tuner.cli.options import Json, StateFolder, Storage, state_folder
from tuner.cli.output import Output, table
from tuner.errors import TemporaryError, UserError

if TYPE_CHECKING:
    from tuner.experience.remembered import Remembered
    from tuner.experience.store import ExperienceStore

__all__ = ["register"]

group = typer.Typer(no_args_is_help=True, help="What earlier trials taught, and the next campaign begins with.")
MOST_LISTED = 1_000_000
"""Trials that are counted."""
Service = Annotated[list[str] | None, typer.Option("--service", help="Only this service; may be repeated.")]


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(group, name="experience")


@group.command(name="export")
def export_command(
    file: Annotated[Path, typer.Argument(help="File to write; commit it beside a spec to ship it.")],
    service: Service = None,
    state: StateFolder = None,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Write the experience of this machine, or of some services, into one file (JSON Lines)."""
    from tuner.experience.exchange import LARGEST, MOST_RECORDS, written

    output = Output(as_json=as_json)
    with _opened(state, storage) as store:
        records = store.records(tuple(service or ()), most=MOST_RECORDS + 1)
    for name in service or ():
        if not any(record.service == name for record in records):
            raise _unknown(name)
    content = written(records)
    if len(content) > LARGEST or len(records) > MOST_RECORDS:
        raise UserError.of("this is more than a file may hold", "name services with --service")
    _write(file, content)
    value = {"file": str(file), "trials": len(records)}
    output.result(value, lambda console: console.print(f"wrote {len(records)} trials to {file}", markup=False))


@group.command(name="import")
def import_command(
    file: Annotated[Path, typer.Argument(help="A file that `tuner experience export` wrote.")],
    state: StateFolder = None,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Take the trials of a file into the experience of this machine; those that are known stay as they are."""
    from tuner.experience.exchange import read_experience_file

    output = Output(as_json=as_json)
    records = read_experience_file(file)
    with _opened(state, storage) as store:
        new = store.add(records)
    value = {"file": str(file), "trials": len(records), "new": new}
    text = f"{len(records)} trials in {file}, {new} of them new"
    output.result(value, lambda console: console.print(text, markup=False))


@group.command(name="list")
def list_command(state: StateFolder = None, storage: Storage = None, as_json: Json = False) -> None:
    """List what is known: trials by service, engine, hardware and load."""
    output = Output(as_json=as_json)
    with _opened(state, storage) as store:
        rows = _summaries(store.records(most=MOST_LISTED))
    output.result(rows, lambda console: _print(console, rows))


@group.command()
def forget(
    service: Annotated[str, typer.Argument(help="The service whose trials are removed.")],
    state: StateFolder = None,
    storage: Storage = None,
    as_json: Json = False,
) -> None:
    """Remove all that is known of a service."""
    output = Output(as_json=as_json)
    with _opened(state, storage) as store:
        gone = store.forget(service)
    if gone == 0:
        raise _unknown(service)
    value = {"service": service, "trials": gone}
    output.result(value, lambda console: console.print(f"forgot {gone} trials of {service}", markup=False))


def _write(file: Path, content: bytes) -> None:
    from tuner.trial.folder import write_whole

    try:
        write_whole(file, content)
    except TemporaryError as error:
        raise UserError.of(str(error), "name a file in a folder that can be written to") from error


def _opened(state: Path | None, storage: str | None) -> ExperienceStore:
    from tuner.experience.store import ExperienceStore, store_url

    return ExperienceStore(store_url(state_folder(state), storage))


def _unknown(service: str) -> UserError:
    return UserError.of(f"nothing is known of a service {service!r}", "`tuner experience list` names those that are")


def _summaries(records: Iterable[Remembered]) -> list[dict[str, Any]]:
    """One document for each service, engine, hardware and load."""

    def about(record: Remembered) -> tuple[str, str, str, str]:
        return record.service, record.engine, record.hardware, record.load

    found = []
    for (service, engine, hardware, load), each in groupby(sorted(records, key=about), key=about):
        members = tuple(each)
        found.append(
            {
                "service": service,
                "engine": engine,
                "hardware": hardware,
                "load": load,
                "trials": len(members),
                "failed": sum(record.trial.outcome == "failed" for record in members),
                "metrics": sorted({reading.metric for record in members for reading in record.trial.readings}),
                "newest": max(record.ended for record in members),
            }
        )
    return found


def _print(console: Console, rows: list[dict[str, Any]]) -> None:
    if not rows:
        console.print("nothing is known yet: every campaign that ends its search adds its trials")
        return
    columns = ("service", "engine", "hardware", "load", "trials", "failed", "metrics", "newest")
    cells = [[_cell(name, row[name]) for name in columns] for row in rows]
    console.print(table("", columns, cells))


def _cell(name: str, value: Any) -> str:
    if name == "newest":
        return time.strftime("%Y-%m-%d", time.gmtime(value)) if value else "—"
    return ", ".join(value) if isinstance(value, list) else str(value)
