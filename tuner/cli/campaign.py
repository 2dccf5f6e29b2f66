"""Commands that run campaigns: run, watch, campaign, status, report.

What runs them is imported when a command runs, so that ``tuner --help`` does not wait for the numerical libraries.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from tuner.cli.options import Json, Repo, StateFolder, Storage, state_folder
from tuner.cli.output import Output
from tuner.errors import UserError

__all__ = ["register"]

PolicyEngineOption = Annotated[
    Literal["embedded", "opa"], typer.Option("--policy-engine", help="Who evaluates the policies.")
]
OpaOption = Annotated[
    str | None,
    typer.Option(
        "--opa", envvar="TUNER_OPA", help="The OPA program (default: on the PATH), or the address of a server."
    ),
]
TraceOption = Annotated[
    str, typer.Option("--trace", envvar="TUNER_TRACE", help="Spans: none, console, otlp, or a collector's address.")
]
LogOption = Annotated[str, typer.Option("--log-level", help="debug, info, warning or error, to standard error.")]
ForgeKind = Annotated[
    Literal["embedded", "gitea", "github", "gitlab"],
    typer.Option("--forge", help="Who hosts the pull requests; credentials come from the environment."),
]
ForgeApi = Annotated[
    str | None, typer.Option("--forge-api", help="Address of the forge, where the repository's does not tell it.")
]
BranchOption = Annotated[str | None, typer.Option("--branch", help="The protected branch (default: the repository's).")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(run)
    app.command()(watch)
    app.command()(campaign)
    app.command()(status)
    app.command()(report)


def run(
    spec: Annotated[Path, typer.Argument(help="The spec, committed in its Git repository.")],
    state: StateFolder = None,
    branch: BranchOption = None,
    forge: ForgeKind = "embedded",
    forge_api: ForgeApi = None,
    policy_engine: PolicyEngineOption = "embedded",
    opa: OpaOption = None,
    storage: Storage = None,
    trace: TraceOption = "none",
    log_level: LogOption = "warning",
    as_json: Json = False,
) -> None:
    """Run one campaign for a committed spec, or resume it where it stopped."""
    from tuner.cli.chosen_forge import ForgeOption
    from tuner.cli.running import run_spec
    from tuner.cli.wiring import Settings, observability

    observability(trace, log_level)
    settings = Settings(state_folder(state), policy_engine, opa, storage, ForgeOption(forge, forge_api))
    raise typer.Exit(run_spec(spec, branch, settings, Output(as_json=as_json)))


def watch(
    repo: Annotated[
        str | None, typer.Argument(help="A local repository (work tree or bare), or the address of a remote.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", help="Run the service over the repositories of this configuration.")
    ] = None,
    state: StateFolder = None,
    branch: BranchOption = None,
    forge: ForgeKind = "embedded",
    forge_api: ForgeApi = None,
    once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False,
    interval: Annotated[float, typer.Option(help="Seconds between looks; a fifth of it is random.")] = 30.0,
    policy_engine: PolicyEngineOption = "embedded",
    opa: OpaOption = None,
    storage: Storage = None,
    trace: TraceOption = "none",
    log_level: LogOption = "warning",
    log_format: Annotated[Literal["text", "json"], typer.Option(help="How log lines are written.")] = "text",
    as_json: Json = False,
) -> None:
    """Watch a repository, or all of a configuration: every committed spec gets its campaign.

    With --config it is a service: it runs until SIGTERM, which lets campaigns stop where they can go on later.
    """
    from tuner.cli.chosen_forge import ForgeOption
    from tuner.cli.wiring import Settings, observability

    observability(trace, log_level, log_format)
    settings = Settings(state_folder(state), policy_engine, opa, storage, ForgeOption(forge, forge_api))
    if (repo is None) == (config is None):
        raise UserError.of("there is nothing to watch", "name either one repository or --config FILE")
    if config is not None:
        from tuner.cli.serving import serve

        serve(config, settings, trace)
        return
    assert repo is not None  # noqa: S101 - one of the two is given
    from tuner.cli.running import watch_repository

    pause = None if once else interval
    raise typer.Exit(watch_repository(repo, branch, settings, Output(as_json=as_json), pause))


def campaign(
    repository: Annotated[str, typer.Argument(help="Name of a repository of the configuration.")],
    config: Annotated[Path, typer.Option("--config", help="The service's configuration.")],
    spec: Annotated[str, typer.Option("--spec", help="Path of the spec in the repository.")],
    revision: Annotated[str, typer.Option("--revision", help="The commit at which the spec was seen.")],
    occasion: Annotated[
        str, typer.Option("--occasion", help="The time that the spec's schedule named: only measure again.")
    ] = "",
    patience: Annotated[
        float | None, typer.Option("--patience", help="Stop after so many seconds without a line on standard input.")
    ] = None,
    state: StateFolder = None,
    policy_engine: PolicyEngineOption = "embedded",
    opa: OpaOption = None,
    storage: Storage = None,
    trace: TraceOption = "none",
    log_level: LogOption = "info",
    as_json: Json = False,
) -> None:
    """Run one campaign of a configuration's repository; the service starts each of its campaigns so."""
    if patience is not None:
        from tuner.watch.heartbeat import listen

        listen(patience)
    from tuner.cli.queued import Asked, run_queued
    from tuner.cli.wiring import Settings, observability
    from tuner.watch.configuration import load_configuration

    observability(trace, log_level)
    settings = Settings(state_folder(state), policy_engine, opa, storage)
    account = run_queued(Asked(repository, spec, revision, occasion), load_configuration(config), settings)
    Output(as_json=as_json).result(
        account.model_dump(mode="json"), lambda console: console.print(f"{account.result}: {account.reason}")
    )


def status(repo: Repo = Path(), as_json: Json = False) -> None:
    """The campaigns of a repository that have ended, from its audit branch."""
    from tuner.cli.running import show_status

    show_status(repo, Output(as_json=as_json))


def report(
    campaign: Annotated[str, typer.Argument(help="The campaign's id, of this machine's state folder.")],
    folder: Annotated[Path, typer.Option("--output", "-o", help="Folder to write the report into.")] = Path("report"),
    state: StateFolder = None,
) -> None:
    """Write a campaign's report again (report.html, report.md, figures) from what it recorded."""
    from tuner.cli.running import write_report

    typer.echo(f"wrote {write_report(state_folder(state), campaign, folder)}")
