"""Commands that run campaigns: run, watch, status, report."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from tuner.campaign.journal import progress_of
from tuner.campaign.publishing import AUDIT_BRANCH
from tuner.campaign.reporting import INPUT, report_files
from tuner.campaign.run import run_campaign
from tuner.campaign.target import Target
from tuner.cli.live import watching
from tuner.cli.output import Output, exit_code, table
from tuner.cli.summary import print_summary, summary
from tuner.cli.wiring import Json, Repo, Settings, StateFolder, make_parts, observability, state_folder
from tuner.errors import UserError
from tuner.report.document import render
from tuner.report.model import ReportInput
from tuner.repository.repository import Repository
from tuner.spec.loading import load_spec
from tuner.watch.watching import Look, look

__all__ = ["register"]

PolicyEngineOption = Annotated[
    Literal["embedded", "opa"], typer.Option("--policy-engine", help="Who evaluates the policies.")
]
OpaOption = Annotated[Path | None, typer.Option("--opa", help="The OPA program, where it is not on the PATH.")]
StorageOption = Annotated[
    str | None, typer.Option("--storage", envvar="TUNER_STORAGE", help="Database of studies, e.g. postgresql://…")
]
TraceOption = Annotated[
    str, typer.Option("--trace", envvar="TUNER_TRACE", help="Spans: none, console, otlp, or a collector's address.")
]
LogOption = Annotated[str, typer.Option("--log-level", help="debug, info, warning or error, to standard error.")]
BranchOption = Annotated[str | None, typer.Option("--branch", help="The protected branch (default: the repository's).")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(run)
    app.command()(watch)
    app.command()(status)
    app.command()(report)


def run(
    spec: Annotated[Path, typer.Argument(help="The spec, committed in its Git repository.")],
    state: StateFolder = None,
    branch: BranchOption = None,
    policy_engine: PolicyEngineOption = "embedded",
    opa: OpaOption = None,
    storage: StorageOption = None,
    trace: TraceOption = "none",
    log_level: LogOption = "warning",
    as_json: Json = False,
) -> None:
    """Run one campaign for a committed spec, or resume it where it stopped."""
    observability(trace, log_level)
    output = Output(as_json=as_json)
    path = spec.absolute()
    with Repository.around(path) as repository:
        protected = branch or repository.default_branch()
        name = _in_repository(repository, path)
        _refuse_uncommitted(repository, protected, name, path)
        service = load_spec(repository.snapshot(repository.resolve(protected)).read(name), name).spec.metadata.name
        target = Target.of(repository, name, protected, service)
        settings = Settings(state_folder(state), policy_engine, opa, storage)
        with watching(output.err, quiet=as_json) as observer:
            progress = run_campaign(target, make_parts(repository, settings, observer))
    output.result(summary(target, progress), lambda console: print_summary(console, target, progress))
    raise typer.Exit(_code(progress.ended.result if progress.ended else "failed"))


def watch(
    repo: Annotated[str, typer.Argument(help="A local repository (work tree or bare), or the address of a remote.")],
    state: StateFolder = None,
    branch: BranchOption = None,
    once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False,
    interval: Annotated[float, typer.Option(help="Seconds between looks; a fifth of it is random.")] = 30.0,
    policy_engine: PolicyEngineOption = "embedded",
    opa: OpaOption = None,
    storage: StorageOption = None,
    trace: TraceOption = "none",
    log_level: LogOption = "warning",
    as_json: Json = False,
) -> None:
    """Watch a repository: every committed spec gets its campaign, and its pull request is followed."""
    observability(trace, log_level)
    output = Output(as_json=as_json)
    settings = Settings(state_folder(state), policy_engine, opa, storage)
    with _opened(repo, settings.state) as repository:
        seen: set[str] = set()
        while True:
            with watching(output.err, quiet=as_json) as observer:
                parts = make_parts(repository, settings, observer)
                looks = list(look(parts, branch, known=seen.__contains__))
            _tell(output, looks, as_json=as_json, first=not seen)
            seen |= {one.target.campaign for one in looks if one.target and one.error is None}
            if once:
                raise typer.Exit(max((_look_code(one) for one in looks), default=0))
            time.sleep(interval * random.uniform(0.9, 1.1))  # noqa: S311 - jitter, no secret


@contextmanager
def _opened(repo: str, state: Path) -> Iterator[Repository]:
    """A folder is the repository itself; an address is cloned into the state folder."""
    if Path(repo).is_dir():
        with Repository.open(Path(repo).absolute()) as repository:
            yield repository
        return
    name = repo.rstrip("/").rpartition("/")[2].removesuffix(".git") or "repository"
    with Repository.clone(repo, state / "repositories" / name) as repository:
        yield repository


def _in_repository(repository: Repository, path: Path) -> str:
    try:
        return path.resolve().relative_to(repository.folder.resolve()).as_posix()
    except ValueError as error:
        raise UserError.of(f"{path} is not inside {repository.folder}", "name the spec by its path") from error


def _refuse_uncommitted(repository: Repository, branch: str, name: str, path: Path) -> None:
    """Only what is committed counts; a difference would surprise."""
    snapshot = repository.snapshot(repository.resolve(branch))
    if snapshot.entry(name) is None:
        raise UserError.of(f"{name} is not committed on {branch}", "commit it: tuner works on commits", file=str(path))
    if path.exists() and path.read_bytes() != snapshot.read(name):
        raise UserError.of(f"{name} differs from {branch}", "commit the change, or discard it", file=str(path))


def _tell(output: Output, looks: list[Look], *, as_json: bool, first: bool) -> None:
    for one in looks:
        if one.error is not None:
            output.error(one.error)
    told = [(one.target, one.progress) for one in looks if one.target is not None and one.progress is not None]

    def text(console: Console) -> None:
        for target, progress in told:
            print_summary(console, target, progress)
        if not looks and first:
            console.print("no specs (tuning*.yaml) on the protected branch")

    if looks or first or not as_json:
        output.result([summary(target, progress) for target, progress in told], text)


def _look_code(one: Look) -> int:
    if one.error is not None:
        return exit_code(one.error)
    ended = one.progress.ended if one.progress else None
    return _code(ended.result) if ended else 0


def _code(result: str) -> int:
    return {"failed": 1, "denied": 3}.get(result, 0)


def status(repo: Repo = Path(), as_json: Json = False) -> None:
    """The campaigns of a repository that have ended, from its audit branch."""
    output = Output(as_json=as_json)
    with Repository.around(repo) as repository:
        rows = list(_ended(repository))
    columns = ("campaign", "result", "reason", "pull request")
    output.result(
        [dict(zip(("campaign", "result", "reason", "pull_request"), row, strict=True)) for row in rows],
        lambda console: console.print(table("", columns, rows)),
    )


def _ended(repository: Repository) -> Iterator[tuple[str, str, str, str]]:
    tip = repository.branch(AUDIT_BRANCH)
    if tip is None:
        return
    snapshot = repository.snapshot(tip)
    for path in snapshot.files("audit"):
        if path.endswith(".jsonl"):
            progress = progress_of(snapshot.read(path))
            pull = progress.pull_request[-1] if progress.pull_request else None
            ended = progress.ended
            yield (
                path.rpartition("/")[2].removesuffix(".jsonl"),
                ended.result if ended else "running",
                ended.reason if ended else "",
                f"#{pull.number} {pull.state}" if pull else "",
            )


def report(
    campaign: Annotated[str, typer.Argument(help="The campaign's id, of this machine's state folder.")],
    folder: Annotated[Path, typer.Option("--output", "-o", help="Folder to write the report into.")] = Path("report"),
    state: StateFolder = None,
) -> None:
    """Write a campaign's report again (report.html, report.md, figures) from what it recorded."""
    file = state_folder(state) / "campaigns" / campaign / "report" / INPUT
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError.of(f"there is no report of {campaign}: {error.strerror}", f"looked at {file}") from error
    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in report_files(render(ReportInput.from_json(text))).items():
        (folder / name).write_bytes(raw)
    typer.echo(f"wrote {folder / 'report.html'}")
