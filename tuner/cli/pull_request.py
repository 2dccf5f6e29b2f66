"""Commands about pull requests of the embedded forge: list, show, merge, decline."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tuner.cli.options import Json, Repo
from tuner.cli.output import Output, table
from tuner.errors import UserError
from tuner.pull_request.embedded import EmbeddedForge
from tuner.pull_request.protocol import PullRequest
from tuner.repository.commit import TUNER
from tuner.repository.repository import Repository

__all__ = ["register"]

group = typer.Typer(no_args_is_help=True, help="Pull requests of a repository that is its own forge.")
Number = Annotated[int, typer.Argument(help="Number of the pull request.")]


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(group, name="pr")


@group.command(name="list")
def list_command(repo: Repo = Path(), as_json: Json = False) -> None:
    """Every pull request, in every state."""
    output = Output(as_json=as_json)
    with Repository.around(repo) as repository:
        pulls = EmbeddedForge(repository).list()
    rows = [(str(pull.number), pull.state.value, pull.title, pull.branch) for pull in pulls]
    output.result(
        [pull.model_dump(mode="json") for pull in pulls],
        lambda console: console.print(table("", ("#", "state", "title", "branch"), rows)),
    )


@group.command()
def show(number: Number, repo: Repo = Path(), as_json: Json = False) -> None:
    """Title, state and body."""
    output = Output(as_json=as_json)
    with Repository.around(repo) as repository:
        found = [pull for pull in EmbeddedForge(repository).list() if pull.number == number]
    if not found:
        raise UserError.of(f"there is no pull request {number}", "see `tuner pr list`")
    output.result(found[0].model_dump(mode="json"), lambda console: _print(console, found[0]))


@group.command()
def merge(number: Number, repo: Repo = Path(), as_json: Json = False) -> None:
    """Bring the change into its base branch."""
    output = Output(as_json=as_json)
    with Repository.around(repo) as repository:
        pull = _as_person(repository).merge(number)
    output.result(pull.model_dump(mode="json"), lambda console: _done(console, pull, f"merged into {pull.base}"))


@group.command()
def decline(
    number: Number,
    reason: Annotated[str, typer.Option("--reason", "-m", help="Why; the next campaign will not propose it again.")],
    repo: Repo = Path(),
    as_json: Json = False,
) -> None:
    """Close without merging; the same change is never proposed again."""
    output = Output(as_json=as_json)
    with Repository.around(repo) as repository:
        pull = _as_person(repository).decline(number, reason)
    output.result(pull.model_dump(mode="json"), lambda console: _done(console, pull, "declined"))


def _as_person(repository: Repository) -> EmbeddedForge:
    """Who merges or declines is on record, by the name that this person has told Git."""
    return EmbeddedForge(repository, who=repository.identity() or TUNER)


def _print(console: Console, pull: PullRequest) -> None:
    console.print(f"#{pull.number} {pull.title}", markup=False, style="bold")
    console.print(f"{pull.state.value}: {pull.branch} → {pull.base}\n", markup=False)
    console.print(pull.body, markup=False)
    for comment in pull.comments:
        console.print(f"\n— {comment}", markup=False)


def _done(console: Console, pull: PullRequest, what: str) -> None:
    console.print(f"#{pull.number} {pull.title}: {what}", markup=False)
