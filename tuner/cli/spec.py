"""Commands about specs: schema, validate, init, plan."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from tuner.cli.committed import path_in_repository, refuse_uncommitted
from tuner.cli.options import Json
from tuner.cli.output import Output, table
from tuner.engine.registry import engine_named
from tuner.errors import Problem, UserError
from tuner.policy.bundle import PolicyBundle
from tuner.policy.embedded import check_policies
from tuner.policy.quota import parse_quota
from tuner.policy.waiver import parse_waivers
from tuner.repository.repository import Repository
from tuner.space.build import build_space
from tuner.spec.find import find_specs
from tuner.spec.loading import read_spec
from tuner.spec.schema import json_schema
from tuner.spec.starter import Suggestion, starter_spec, starting_point

if TYPE_CHECKING:
    from tuner.campaign.planning import Plan

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(schema)
    app.command()(validate)
    app.command()(init)
    app.command()(plan)


def schema() -> None:
    """Print the JSON Schema of tuning specs, for editors."""
    typer.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))


def validate(
    paths: Annotated[list[Path], typer.Argument(help="Specs, or folders with specs (tuning*.yaml).")],
    policies: Annotated[
        Path | None, typer.Option(help="Also check the policies, the quota and the waivers in this folder.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Check specs without running anything: every mistake with its place, and what to do about it."""
    output = Output(as_json=as_json)
    problems: list[Problem] = []
    good: list[str] = []
    for path in find_specs(paths):
        try:
            loaded = read_spec(path)
            build_space(loaded, engine_named(loaded.spec.service.engine).parameters())
            good.append(str(path))
        except UserError as error:
            problems += error.problems
    if policies is not None:
        problems += _policy_problems(policies)
    value = {"valid": good, "problems": [_as_json(problem) for problem in problems]}
    output.result(value, lambda console: _print_validation(console, good, problems))
    if problems:
        raise typer.Exit(2)


def _policy_problems(folder: Path) -> tuple[Problem, ...]:
    if not folder.is_dir():
        return UserError.of("there is no such folder", "name the folder with the policies", file=str(folder)).problems
    files = {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    problems: list[Problem] = []
    for name, read in (("quota.yaml", parse_quota), ("waivers.yaml", parse_waivers)):
        if (raw := files.pop(name, None)) is not None:
            problems += _problems_of(partial(read, raw, str(folder / name)))
    if any(name.endswith(".rego") for name in files):
        problems += _problems_of(lambda: check_policies(PolicyBundle.load(files)))
    return tuple(problems)


def _problems_of(check: Callable[[], object]) -> tuple[Problem, ...]:
    try:
        check()
    except UserError as error:
        return error.problems
    return ()


def _as_json(problem: Problem) -> dict[str, object]:
    names = ("file", "line", "column", "what", "fix")
    return {name: getattr(problem, name) for name in names}


def _print_validation(console: Console, good: list[str], problems: list[Problem]) -> None:
    for problem in problems:
        console.print(str(problem), markup=False)
    mistakes = len(problems)
    console.print(f"{len(good)} valid, {mistakes} {'mistake' if mistakes == 1 else 'mistakes'}")


def init(
    manifest: Annotated[Path, typer.Argument(help="YAML file with a Deployment or Rollout.")],
    container: Annotated[str | None, typer.Option(help="The container that serves, where there are several.")] = None,
    engine: Annotated[str | None, typer.Option(help="The serving engine, where the manifest does not tell.")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write (default: tuning.yaml beside the manifest).")
    ] = None,
) -> None:
    """Write a first spec from an existing manifest, commented, ready to be edited."""
    try:
        raw = manifest.read_bytes()
    except OSError as error:
        raise UserError.of(f"cannot be read: {error.strerror}", "name the manifest", file=str(manifest)) from error
    known = engine or starting_point(raw, str(manifest), container).engine
    suggestions = (
        []
        if known is None
        else [
            Suggestion(parameter.name, str(parameter.domain), parameter.description)
            for parameter in engine_named(known).parameters()
        ]
    )
    text = starter_spec(raw, str(manifest), suggestions, container, engine)
    target = output or manifest.with_name("tuning.yaml")
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UserError.of("is there already", "remove it, or name another file with -o", file=str(target)) from error
    typer.echo(f"wrote {target}: read it, then `tuner validate {target}`")


def plan(
    spec: Annotated[Path, typer.Argument(help="The spec, in its Git repository.")],
    as_json: Json = False,
) -> None:
    """Show what a campaign would do, how long it would take and cost, without running anything."""
    from tuner.campaign.inputs import read_inputs
    from tuner.campaign.planning import make_plan
    from tuner.campaign.target import protected_branch

    output = Output(as_json=as_json)
    with Repository.around(spec.absolute()) as repository:
        branch = protected_branch(repository, None)
        name = path_in_repository(repository, spec)
        refuse_uncommitted(repository, branch, name, spec)
        inputs = read_inputs(repository.snapshot(repository.resolve(branch)), name, engine_named)
        made = make_plan(inputs)
    output.result(made.model_dump(mode="json"), lambda console: _print_plan(console, made))


def _print_plan(console: Console, plan: Plan) -> None:
    size = "endless" if plan.space is None else f"{plan.space:,} configurations"
    console.print(f"{plan.service}: {size}, {plan.goal} within {plan.slo}")
    rows = [(row.name, row.domain, row.baseline, row.target, row.when) for row in plan.parameters]
    console.print(table("", ("parameter", "values", "baseline", "lands in", "only when"), rows))
    console.print(
        f"at most {plan.trials} trials and {plan.blocks} confirmation blocks: about {plan.minutes:.0f} min, "
        f"{plan.core_hours:.2f} core-hours, {plan.money}"
    )
    console.print(plan.certain, markup=False)
    for step in plan.steps:
        console.print(f"  {step}", markup=False)
