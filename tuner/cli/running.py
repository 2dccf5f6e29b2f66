"""What the commands about campaigns do: run one, watch a repository, list what ended, write a report again."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from tuner.campaign.journal import progress_of
from tuner.campaign.publishing import AUDIT_BRANCH
from tuner.campaign.reporting import INPUT, report_files
from tuner.campaign.run import run_campaign
from tuner.campaign.target import Target
from tuner.cli.live import watching
from tuner.cli.output import Output, exit_code, table
from tuner.cli.summary import print_summary, summary
from tuner.cli.wiring import Settings, make_parts
from tuner.errors import UserError
from tuner.report.model import ReportInput
from tuner.repository.repository import Repository
from tuner.spec.loading import load_spec
from tuner.value import digest_of
from tuner.watch.watching import Look, look

__all__ = ["run_spec", "show_status", "watch_repository", "write_report"]


def run_spec(spec: Path, branch: str | None, settings: Settings, output: Output) -> int:
    """Run or resume the campaign of one committed spec; the exit code."""
    path = spec.absolute()
    with Repository.around(path) as repository:
        protected = branch or repository.default_branch()
        name = _in_repository(repository, path)
        _refuse_uncommitted(repository, protected, name, path)
        service = load_spec(repository.snapshot(repository.resolve(protected)).read(name), name).spec.metadata.name
        target = Target.of(repository, name, protected, service)
        with watching(output.err, quiet=output.as_json) as observer:
            progress = run_campaign(target, make_parts(repository, settings, observer))
    output.result(summary(target, progress), lambda console: print_summary(console, target, progress))
    return _code(progress.ended.result if progress.ended else "failed")


def watch_repository(repo: str, branch: str | None, settings: Settings, output: Output, pause: float | None) -> int:
    """Look, and look again after ``pause`` seconds (``None``: once); the exit code of a single look."""
    seen: set[str] = set()
    with _opened(repo, settings.state) as repository:
        while True:
            with watching(output.err, quiet=output.as_json) as observer:
                parts = make_parts(repository, settings, observer)
                looks = list(look(parts, branch, known=seen.__contains__))
            _tell(output, looks, first=not seen)
            seen |= {one.target.campaign for one in looks if one.target and one.error is None}
            if pause is None:
                return max((_look_code(one) for one in looks), default=0)
            time.sleep(pause * random.uniform(0.9, 1.1))  # noqa: S311 - jitter, no secret


@contextmanager
def _opened(repo: str, state: Path) -> Iterator[Repository]:
    """A folder is the repository itself; an address is cloned into the state folder."""
    if Path(repo).is_dir():
        with Repository.open(Path(repo).absolute()) as repository:
            yield repository
        return
    name = repo.rstrip("/").rpartition("/")[2].removesuffix(".git") or "repository"
    key = digest_of(repo).removeprefix("sha256:")[:12]
    with Repository.clone(repo, state / "repositories" / f"{name}-{key}") as repository:
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


def _tell(output: Output, looks: list[Look], *, first: bool) -> None:
    for one in looks:
        if one.error is not None:
            output.error(one.error)
    told = [(one.target, one.progress) for one in looks if one.target is not None and one.progress is not None]

    def text(console: Console) -> None:
        for target, progress in told:
            print_summary(console, target, progress)
        if not looks and first:
            console.print("no specs (tuning*.yaml) on the protected branch")

    if looks or first or not output.as_json:
        output.result([summary(target, progress) for target, progress in told], text)


def _look_code(one: Look) -> int:
    if one.error is not None:
        return exit_code(one.error)
    ended = one.progress.ended if one.progress else None
    return _code(ended.result) if ended else 0


def _code(result: str) -> int:
    return {"failed": 1, "denied": 3}.get(result, 0)


def show_status(repo: Path, output: Output) -> None:
    """Print the campaigns of a repository that have ended, from its audit branch."""
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


def write_report(state: Path, campaign: str, folder: Path) -> Path:
    """Write a campaign's report again from what it was made from; the page's path. UserError where there is none."""
    file = state / "campaigns" / campaign / "report" / INPUT
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise UserError.of(f"there is no report of {campaign}: {error.strerror}", f"looked at {file}") from error
    from tuner.report.document import render

    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in report_files(render(ReportInput.from_json(text))).items():
        (folder / name).write_bytes(raw)
    return folder / "report.html"
