"""Commands about pull requests of the embedded forge: list, show, merge, decline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tuner.cli.options import Json, Repo
from tuner.cli.output import Output, table
from tuner.pull_request.embedded import EmbeddedForge
from tuner.pull_request.protocol import PullRequest, Remark
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
        forge = EmbeddedForge(repository)
        pull, remarks = forge.get(number), forge.comments(number)
    document = pull.model_dump(mode="json") | {"comments": [remark.text for remark in remarks]}
    output.result(document, lambda console: _print(console, pull, remarks))


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


def _print(console: Console, pull: PullRequest, remarks: Sequence[Remark]) -> None:
    console.print(f"#{pull.number} {pull.title}", markup=False, style="bold")
    console.print(f"{pull.state.value}: {pull.branch} → {pull.base}\n", markup=False)
    console.print(pull.body, markup=False)
    for remark in remarks:
        console.print(f"\n— {remark.text}", markup=False)


def _done(console: Console, pull: PullRequest, what: str) -> None:
    console.print(f"#{pull.number} {pull.title}: {what}", markup=False)
