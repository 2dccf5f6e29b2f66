"""Commands about the audit log: verify, show, export, key, rotate."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tuner.campaign.auditing import exported, verify_all, verify_one
from tuner.campaign.publishing import AUDIT_BRANCH, stored_chain
from tuner.campaign.target import protected_branch
from tuner.cli.options import Json, Repo, StateFolder, state_folder
from tuner.cli.output import Output, table
from tuner.errors import UserError
from tuner.ledger.chain import read_chain
from tuner.ledger.record import Record
from tuner.ledger.signature import ServiceKey
from tuner.ledger.verify import Verification
from tuner.repository.repository import Repository
from tuner.repository.snapshot import Snapshot

__all__ = ["ALLOWED_SIGNERS", "chain_of", "register"]

ALLOWED_SIGNERS = "audit/allowed_signers"

group = typer.Typer(no_args_is_help=True, help="The audit log: what happened, signed.")
Campaign = Annotated[
    str, typer.Argument(help="A campaign's id, or the path of its chain (audit/SERVICE/CAMPAIGN.jsonl).")
]
Ref = Annotated[
    str | None,
    typer.Option("--ref", help="Branch or commit to look at (default: the audit branch, then pull requests)."),
]

Branch = Annotated[str | None, typer.Option("--branch", help="The protected branch (default: the repository's).")]


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(group, name="audit")


@group.command(name="verify")
def verify_command(
    campaign: Annotated[
        str | None,
        typer.Argument(help="A campaign's id, or the path of its chain (default: all, and that none is missing)."),
    ] = None,
    repo: Repo = Path(),
    ref: Ref = None,
    branch: Branch = None,
    as_json: Json = False,
) -> None:
    """Find every changed, missing, reordered, added or cut off record of a campaign, and every missing campaign.

    The signers that are allowed come from audit/allowed_signers on the protected branch, never from the branch that is
    verified.
    """
    output = Output(as_json=as_json)
    with Repository.around(repo) as repository:
        protected = protected_branch(repository, branch)
        allowed = _allowed(repository, protected)
        if campaign is None:
            results = verify_all(repository, protected, allowed)
        else:
            results = (verify_one(*_find(repository, campaign, ref), allowed),)
    value = [result.model_dump(mode="json") for result in results]
    output.result(value if campaign is None else value[0], lambda console: _print_verifications(console, results))
    if not all(result.ok for result in results):
        raise typer.Exit(5)


@group.command()
def show(campaign: Campaign, repo: Repo = Path(), ref: Ref = None, as_json: Json = False) -> None:
    """Print a campaign's records, one line each."""
    output = Output(as_json=as_json)
    with Repository.around(repo) as repository:
        found, path = _find(repository, campaign, ref)
        records = read_chain(stored_chain(found, path))
    value = [record.model_dump(mode="json") for record in records]
    output.result(value, lambda console: _print_records(console, records))


@group.command()
def export(
    campaign: Campaign,
    folder: Annotated[Path, typer.Option("--output", "-o", help="New folder to write to.")],
    repo: Repo = Path(),
    ref: Ref = None,
    branch: Branch = None,
) -> None:
    """Write a campaign's audit as files for stock tools: chain, head, signature, attestations, signers, keys in PEM."""
    with Repository.around(repo) as repository:
        allowed = _allowed(repository, protected_branch(repository, branch))
        found, path = _find(repository, campaign, ref)
        files = exported(found, path, allowed)
    try:
        folder.mkdir(parents=True)
    except FileExistsError as error:
        raise UserError.of("is there already", "name a new folder", file=str(folder)) from error
    for name, raw in files.items():
        (folder / name).write_bytes(raw)
    typer.echo(f"wrote {len(files)} files to {folder}: docs/audit.md says how to check them")


@group.command()
def rotate(state: StateFolder = None) -> None:
    """Make a new signing key, and print the two lines for audit/allowed_signers: the old key until now, the new one.

    Commit them before the next campaign ends: what the new key signs counts once its line is on the protected branch.
    """
    old, new = ServiceKey.rotate(state_folder(state) / "key")
    typer.echo(old.retired_signer(datetime.now(UTC)) + new.allowed_signer, nl=False)


@group.command()
def key(state: StateFolder = None) -> None:
    """Print the line for audit/allowed_signers that trusts this machine's tuner; the key is made on first use."""
    typer.echo(ServiceKey.load(state_folder(state) / "key").allowed_signer, nl=False)


def chain_of(repo: Path, campaign: str) -> tuple[Record, ...]:
    """A campaign's records, by its id or path. UserError where there is none, PermanentError where it is broken."""
    with Repository.around(repo) as repository:
        found, path = _find(repository, campaign, None)
        return read_chain(stored_chain(found, path))


def _allowed(repository: Repository, branch: str) -> str:
    snapshot = repository.snapshot(repository.resolve(branch))
    if snapshot.entry(ALLOWED_SIGNERS) is None:
        fix = f"commit the line that `tuner audit key` prints to {ALLOWED_SIGNERS}"
        raise UserError.of(f"{ALLOWED_SIGNERS} is not on {branch}", fix)
    return snapshot.read(ALLOWED_SIGNERS).decode(errors="replace")


def _find(repository: Repository, campaign: str, ref: str | None) -> tuple[Snapshot, str]:
    """The commit and the path of a chain: on the given ref, else on the audit branch, else on a proposal's branch."""
    name = campaign.rpartition("/")[2].removesuffix(".jsonl")
    branches = [ref] if ref else [AUDIT_BRANCH, *_proposals(repository)]
    for branch in branches:
        if ref is None and repository.branch(branch) is None:
            continue
        snapshot = repository.snapshot(repository.resolve(branch))
        paths = [path for path in snapshot.files() if path.startswith("audit/") and path.endswith(f"/{name}.jsonl")]
        if paths:
            return snapshot, paths[0]
    raise UserError.of(f"there is no audit of a campaign {name}", f"looked on {', '.join(branches)}")


def _proposals(repository: Repository) -> list[str]:
    heads = repository.refs("refs/heads/tuner/")
    return [name.removeprefix("refs/heads/") for name in sorted(heads) if not name.endswith(f"/{AUDIT_BRANCH}")]


def _print_verifications(console: Console, results: tuple[Verification, ...]) -> None:
    for result in results:
        _print_verification(console, result)


def _print_verification(console: Console, result: Verification) -> None:
    for finding in result.findings:
        console.print(str(finding), markup=False)
    if result.ok:
        console.print(f"intact: {result.records} records of {result.campaign}, signed by {result.signer}", markup=False)
    else:
        console.print(f"NOT INTACT: {len(result.findings)} findings in {result.records} records", markup=False)


def _print_records(console: Console, records: tuple[Record, ...]) -> None:
    rows = [(str(record.seq), record.time, record.kind, _gist(record)) for record in records]
    console.print(table("", ("#", "time", "kind", "what"), rows))


def _gist(record: Record) -> str:
    """The record's body on one line, cut."""
    text = json.dumps(record.body, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:117]}…"
