"""What the commands about campaigns do: run one, watch a repository, list what ended, write a report again."""

from __future__ import annotations

import glob
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from tuner.campaign.journal import progress_of
from tuner.campaign.publishing import AUDIT_BRANCH, stored_chain
from tuner.campaign.reporting import INPUT, report_files
from tuner.campaign.run import run_campaign
from tuner.campaign.target import Target, protected_branch
from tuner.cli.chosen_forge import chosen_forge, origin_of
from tuner.cli.committed import path_in_repository, refuse_uncommitted
from tuner.cli.live import watching
from tuner.cli.output import Output, exit_code, lines_of, table
from tuner.cli.summary import print_summary, summary
from tuner.cli.wiring import Settings, make_parts
from tuner.errors import TunerError, UserError
from tuner.report.model import ReportInput
from tuner.repository.repository import Repository
from tuner.spec.loading import load_spec
from tuner.value import digest_of
from tuner.watch.watching import Look, look

__all__ = ["run_spec", "show_status", "watch_repository", "write_report"]


def run_spec(spec: Path, branch: str | None, settings: Settings, output: Output) -> int:
    """Run or resume the campaign of one committed spec; the exit code."""
    with Repository.around(spec.absolute()) as local, _hosted(local, settings) as repository:
        protected = protected_branch(repository, branch)
        name = path_in_repository(local, spec)
        refuse_uncommitted(repository, protected, name, spec)
        service = load_spec(repository.snapshot(repository.resolve(protected)).read(name), name).spec.metadata.name
        target = Target.of(repository, name, protected, service)
        with watching(output.err, quiet=output.as_json) as observer:
            progress = run_campaign(target, make_parts(repository, settings, observer))
    output.result(summary(target, progress), lambda console: print_summary(console, target, progress))
    return _code(progress.ended.result if progress.ended else "failed")


def watch_repository(repo: str, branch: str | None, settings: Settings, output: Output, pause: float | None) -> int:
    """Look, and look again after ``pause`` seconds (``None``: once); the exit code of a single look.

    A watcher that goes on outlives what a single look would end with: it tells, waits, and looks again.
    """
    seen: set[str] = set()
    told: set[tuple[str, str]] = set()
    with _opened(repo, settings) as repository:
        while True:
            delay = pause or 0.0
            try:
                with watching(output.err, quiet=output.as_json) as observer:
                    looks = list(look(make_parts(repository, settings, observer), branch, known=seen.__contains__))
            except TunerError as error:
                if pause is None:
                    raise
                output.error(error)
                looks, delay = [], max(delay, getattr(error, "delay", 0.0))
            _tell(output, looks, told, once=pause is None)
            seen |= {one.target.campaign for one in looks if one.target and one.error is None}
            if pause is None:
                return max((_look_code(one) for one in looks), default=0)
            time.sleep(delay * random.uniform(0.9, 1.1))  # noqa: S311 - jitter, no secret


@contextmanager
def _hosted(local: Repository, settings: Settings) -> Iterator[Repository]:
    """The repository itself where it is its own forge, else a clone of what its forge hosts."""
    if settings.forge.kind == "embedded":
        yield local
        return
    with _opened(origin_of(local), settings) as repository:
        yield repository


@contextmanager
def _opened(repo: str, settings: Settings) -> Iterator[Repository]:
    """A folder is the repository itself; an address is cloned into the state folder."""
    if "://" not in repo and not Path(repo).exists() and ":" not in repo:
        raise UserError.of(f"there is no folder {repo}", "name a repository's folder, or the address of a remote one")
    if Path(repo).is_dir():
        with Repository.open(Path(repo).absolute()) as repository:
            yield repository
        return
    name = repo.rstrip("/").rpartition("/")[2].removesuffix(".git") or "repository"
    key = digest_of(repo).removeprefix("sha256:")[:12]
    hosted = chosen_forge(settings.forge, repo)
    folder = settings.state / "repositories" / f"{name}-{key}"
    with Repository.clone(repo, folder, access=hosted.access if hosted else None) as repository:
        yield repository


def _tell(output: Output, looks: list[Look], told: set[tuple[str, str]], *, once: bool) -> None:
    """Say what is new: ends of campaigns, and each mistake once."""
    fresh = [one for one in looks if (one.spec_path, str(one.error or one.target)) not in told]
    told |= {(one.spec_path, str(one.error or one.target)) for one in fresh}
    errors = [one.error for one in fresh if one.error is not None]
    ended = [(one.target, one.progress) for one in fresh if one.target is not None and one.progress is not None]
    for error in errors:
        output.explain(error)

    def text(console: Console) -> None:
        for target, progress in ended:
            print_summary(console, target, progress)
        if once and not looks:
            console.print("no specs (tuning*.yaml) on the protected branch")

    if once or fresh:
        documents = [summary(target, progress) for target, progress in ended]
        output.result([*documents, *({"error": lines_of(error), "exit": exit_code(error)} for error in errors)], text)


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
            progress = progress_of(stored_chain(snapshot, path))
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
    folders = sorted((state / "campaigns").glob(f"{glob.escape(campaign)}.*"))
    files = [found / "report" / INPUT for found in folders if (found / "report" / INPUT).is_file()]
    if not files:
        raise UserError.of(f"there is no report of {campaign}", f"looked below {state / 'campaigns'}")
    text = files[-1].read_text(encoding="utf-8")
    from tuner.report.document import render

    folder.mkdir(parents=True, exist_ok=True)
    for name, raw in report_files(render(ReportInput.from_json(text))).items():
        (folder / name).write_bytes(raw)
    return folder / "report.html"
