"""The command line's front door: the commands, and what an error or an interrupt becomes."""

from __future__ import annotations

import sys

import typer

from tuner import __version__
from tuner.cli import audit, bench, campaign, doctor, experience, policy, pull_request, replay, spec
from tuner.cli.output import EXIT_CODES, Output, exit_code
from tuner.errors import TunerError

__all__ = ["app", "main"]

INTERRUPTED = 130

app = typer.Typer(
    name="tuner",
    help="Commit a tuning spec, get a tested, policy-checked pull request for your inference service.",
    epilog="Exit codes: " + "; ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES.items()) + ".",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(*, wanted: bool) -> None:
    if wanted:
        typer.echo(f"tuner {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: bool = typer.Option(
        False,
        "--version",
        callback=lambda value: _version(wanted=value),
        is_eager=True,
        help="Print the version.",
    ),
) -> None:
    del version


spec.register(app)
campaign.register(app)
pull_request.register(app)
audit.register(app)
policy.register(app)
experience.register(app)
replay.register(app)
bench.register(app)
doctor.register(app)


def main() -> None:
    """Run a command; a person's mistake or an outage is one line and an exit code, never a traceback."""
    as_json = "--json" in sys.argv
    try:
        app()
    except TunerError as error:
        Output(as_json=as_json).error(error)
        sys.exit(exit_code(error))
    except SystemExit as end:
        if end.code == INTERRUPTED:  # what typer makes of Ctrl-C
            sys.stderr.write("interrupted: nothing is lost, the same command resumes\n")
        raise
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except OSError as error:
        Output(as_json=as_json).error(error)
        sys.exit(exit_code(error))
