"""Options that several commands share, and the folder they agree on."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import platformdirs
import typer

__all__ = ["Json", "Repo", "StateFolder", "Storage", "state_folder"]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Repo = Annotated[Path, typer.Option("--repo", help="The Git repository (a work tree or a bare one).")]
StateFolder = Annotated[
    Path | None,
    typer.Option("--state", envvar="TUNER_STATE", help="Folder for campaigns in flight (default: the user's state)."),
]
Storage = Annotated[
    str | None,
    typer.Option("--storage", envvar="TUNER_STORAGE", help="Database of studies and experience, e.g. postgresql://…"),
]


def state_folder(given: Path | None) -> Path:
    """Where campaigns in flight, the signing key and process records are kept."""
    return (given or Path(os.environ.get("TUNER_STATE") or platformdirs.user_state_path("tuner"))).absolute()
