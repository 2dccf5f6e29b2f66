"""``tuner bench show``: what changed between two results of one benchmark."""

from __future__ import annotations

from pathlib import Path

import typer
from pydantic import ValidationError
from rich.console import Console

from tuner.cli.output import Output, table
from tuner.errors import UserError
from tuner.measurement.benchmark import BenchmarkResult, Change, compare
from tuner.repository.repository import Repository

__all__ = ["register"]

group = typer.Typer(no_args_is_help=True, help="Results of benchmarks.")


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(group, name="bench")


@group.command()
def show(
    name: str = typer.Argument(help="Name of the benchmark: bench/results/NAME.json."),
    before: str = typer.Argument("", help="Commit to compare with; without it the figures are shown as they are."),
    after: str = typer.Argument("", help="Commit to compare; by default the file in the work tree."),
    as_json: bool = typer.Option(False, "--json", help="Print one JSON document."),
) -> None:
    """Show a benchmark's figures, or compare them between two commits."""
    output = Output(as_json=as_json)
    path = f"bench/results/{name}.json"
    new = _at(after, path) if after else _parse(_file(path), path)
    changes = compare(_at(before, path) if before else new, new)
    value = {"name": name, "changes": [change.model_dump(mode="json") for change in changes]}
    output.result(value, lambda console: _print(console, changes, compared=bool(before)))


def _file(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError as error:
        fix = "run its `make bench-…` first, from the checkout's top"
        raise UserError.of("there is no such result", fix, file=path) from error


def _at(commit: str, path: str) -> BenchmarkResult:
    with Repository.open(Path.cwd()) as repository:
        raw = repository.snapshot(repository.resolve(commit)).read(path)
    return _parse(raw, f"{commit}:{path}")


def _parse(raw: bytes, file: str) -> BenchmarkResult:
    try:
        return BenchmarkResult.model_validate_json(raw)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise UserError.of(f"not a benchmark's result: {place}: {first['msg']}", file=file) from error


def _print(console: Console, changes: tuple[Change, ...], *, compared: bool) -> None:
    rows = [
        (
            change.id,
            _number(change.before) if compared else "",
            _number(change.after),
            change.unit,
            _ratio(change) if compared else "",
            change.goal or "",
        )
        for change in changes
    ]
    console.print(table("", ("figure", "before" if compared else "", "now", "unit", "ratio", "goal"), rows))


def _number(value: float | None) -> str:
    return "—" if value is None else f"{value:.4g}"


def _ratio(change: Change) -> str:
    if not change.before or change.after is None:
        return ""
    sure = {True: "", False: " (intervals overlap)", None: ""}[change.apart]
    return f"{change.after / change.before:.3f}{sure}"
