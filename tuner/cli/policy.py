"""Commands about policies: test, explain, bundle."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from tuner.cli.options import Json, Repo
from tuner.cli.output import Output
from tuner.errors import UserError
from tuner.policy.bundle import PolicyBundle
from tuner.policy.embedded import EmbeddedEngine, check_policies
from tuner.policy.explanation import Explanation, explain
from tuner.policy.model import Verdict
from tuner.policy.stored import Case, Expected, document_of, read_case

__all__ = ["register"]

group = typer.Typer(no_args_is_help=True, help="Policies: what they decide, and why.")
Policies = Annotated[
    Path | None, typer.Option("--policies", help="Folder with the policies (default: those that come with tuner).")
]
Inputs = Annotated[
    list[str],
    typer.Argument(help="Stored inputs (.json, .yaml), folders of them, or ids of campaigns in the audit."),
]


def register(app: typer.Typer) -> None:
    """Add the group to the command line."""
    app.add_typer(group, name="policy")


@group.command(name="test")
def compare(inputs: Inputs, policies: Policies = None, repo: Repo = Path(), as_json: Json = False) -> None:
    """Run the policies on stored inputs and compare with what is expected.

    A file says under expect what is to come out (allow, deny, warn: ids). Of a campaign the recorded verdicts are
    expected, so this shows what a change of the policies would have changed. Exits with 3 where something differs.
    """
    output, bundle = Output(as_json=as_json), _bundle(policies)
    results = []
    for case in _cases(inputs, repo):
        verdict = EmbeddedEngine(bundle).decide(case.document)
        results.append({"name": case.name, "allow": verdict.allow, "differs": _differences(case, verdict)})
    wrong = [each for each in results if each["differs"]]
    output.result({"results": results, "wrong": len(wrong)}, lambda console: _print_results(console, results))
    if wrong:
        raise typer.Exit(3)


@group.command(name="explain")
def explain_command(inputs: Inputs, policies: Policies = None, repo: Repo = Path(), as_json: Json = False) -> None:
    """Say in words which rule decides on stored inputs, why, and what would make it pass."""
    output, bundle = Output(as_json=as_json), _bundle(policies)
    told = [
        (case.name, explain(bundle, case.document, EmbeddedEngine(bundle).decide(case.document)))
        for case in _cases(inputs, repo)
    ]
    value = [{"name": name, "sentence": each.sentence, **each.model_dump(mode="json")} for name, each in told]
    output.result(value, lambda console: _print_explanations(console, told))


@group.command()
def bundle(
    target: Annotated[Path, typer.Option("--output", "-o", help="File to write, for example bundle.tar.gz.")],
    key: Annotated[Path, typer.Option("--key", help="Private key to sign with (ECDSA P-256, PEM).")],
    policies: Policies = None,
    opa: Annotated[str | None, typer.Option("--opa", help="The OPA program, where it is not on the PATH.")] = None,
) -> None:
    """Write the policies as a signed bundle for an OPA server, and print its revision."""
    from tuner.policy.signing import signed_archive

    program = opa or shutil.which("opa")
    if program is None:
        raise UserError.of("there is no opa program on the PATH", "install OPA, or name it with --opa PATH")
    made = _bundle(policies)
    check_policies(made)
    target.write_bytes(signed_archive(Path(program), made, key.read_bytes()))
    typer.echo(made.revision)


def _bundle(folder: Path | None) -> PolicyBundle:
    if folder is None:
        return PolicyBundle.default()
    if not folder.is_dir():
        raise UserError.of("there is no such folder", "name the folder with the policies", file=str(folder))
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    found = PolicyBundle.load({path.relative_to(folder).as_posix(): path.read_bytes() for path in files})
    check_policies(found)
    return found


def _cases(names: list[str], repo: Path) -> Iterator[Case]:
    for name in names:
        path = Path(name)
        if path.is_dir():
            suffixes = (".json", ".yaml", ".yml")
            for file in sorted(each for each in path.rglob("*") if each.suffix in suffixes and each.is_file()):
                yield read_case(file.read_bytes(), str(file))
        elif path.is_file():
            yield read_case(path.read_bytes(), str(path))
        else:
            yield from _recorded(name, repo)


def _recorded(campaign: str, repo: Path) -> Iterator[Case]:
    """What the policies saw and said in a campaign, by its audit log."""
    from tuner.cli.audit import chain_of

    for record in chain_of(repo, campaign):
        if record.kind in ("admitted", "judged"):
            verdict = Verdict.model_validate(record.body["verdict"])
            yield Case(
                name=f"{campaign} record {record.seq}",
                document=document_of(_mapping(record.body["document"])),
                expect=Expected(allow=verdict.allow, deny=tuple(denial.id for denial in verdict.denials)),
            )


def _mapping(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise UserError.of("the audit log holds no document of a decision", "verify it with `tuner audit verify`")
    return value


def _differences(case: Case, verdict: Verdict) -> list[str]:
    if case.expect is None:
        return ["the file does not say what is expected: add expect"]
    found = []
    if verdict.allow != case.expect.allow:
        found.append(f"{'allowed' if verdict.allow else 'denied'}, expected to be {_word(case.expect.allow)}")
    denied, expected = {denial.id for denial in verdict.denials}, set(case.expect.deny)
    found += [f"{rule} denies: {_said(verdict, rule)}" for rule in sorted(denied - expected)]
    found += [f"{rule} does not deny" for rule in sorted(expected - denied)]
    if case.expect.warn is not None:
        warned, awaited = {warning.id for warning in verdict.warnings}, set(case.expect.warn)
        found += [f"{rule} warns" for rule in sorted(warned - awaited)]
        found += [f"{rule} does not warn" for rule in sorted(awaited - warned)]
    return found


def _word(allow: bool) -> str:
    return "allowed" if allow else "denied"


def _said(verdict: Verdict, rule: str) -> str:
    return next(denial.msg for denial in verdict.denials if denial.id == rule)


def _print_results(console: Console, results: list[dict[str, object]]) -> None:
    for each in results:
        differs = each["differs"]
        console.print(f"{'differs' if differs else 'ok'}: {each['name']}", markup=False)
        for line in differs if isinstance(differs, list) else ():
            console.print(f"  {line}", markup=False)
    console.print(f"{len(results)} inputs, {sum(bool(each['differs']) for each in results)} differ")


def _print_explanations(console: Console, told: list[tuple[str, Explanation]]) -> None:
    for name, each in told:
        console.print(name, markup=False)
        console.print(f"{each.sentence} ({each.engine}, policies {each.revision[:19]})", markup=False)
        for ruling in each.rulings:
            console.print(f"  {ruling}", markup=False)
