"""``tuner doctor``: what this machine has, and what is missing for which part."""

from __future__ import annotations

import shutil
import sys
from dataclasses import asdict, dataclass

import typer
from rich.console import Console

from tuner.cli.options import Json, StateFolder, state_folder
from tuner.cli.output import Output, table
from tuner.engine.registry import engine_names
from tuner.engine.triton.installation import find
from tuner.errors import TunerError
from tuner.trial.cpus import plan_cpus
from tuner.trial.hardware import Gpu, Hardware, survey
from tuner.trial.sources import sources

__all__ = ["register"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at; ``ok`` False where a part cannot work."""

    what: str
    ok: bool
    detail: str


def register(app: typer.Typer) -> None:
    """Add the command to the command line."""
    app.command()(doctor)


def doctor(state: StateFolder = None, as_json: Json = False) -> None:
    """Show what this machine has (cores, memory, GPUs, MIG instances) and what each part of tuner needs."""
    output = Output(as_json=as_json)
    hardware = survey()
    findings = [
        Finding("python", sys.version_info >= (3, 11), sys.version.split()[0]),
        _program("git", "reading and writing repositories"),
        _program("opa", "--policy-engine opa (the embedded engine needs nothing)"),
        _program("ssh-keygen", "checking signatures with stock tools (tuner itself needs nothing)"),
        Finding("engines", ok=True, detail=", ".join(engine_names())),
        _triton(),
        Finding("state", ok=True, detail=str(state_folder(state))),
        *_hardware(hardware),
        *(Finding(one.name, one.there, one.detail) for one in sources(hardware.cpus, hardware.gpus)),
    ]
    value = {"findings": [asdict(finding) for finding in findings], "hardware": hardware.model_dump(mode="json")}
    output.result(value, lambda console: _print(console, findings))


def _program(name: str, needed_for: str) -> Finding:
    found = shutil.which(name)
    return Finding(name, found is not None, found or f"not found: needed for {needed_for}")


def _triton() -> Finding:
    try:
        return Finding("triton", ok=True, detail=str(find().server))
    except TunerError as error:
        return Finding("triton", ok=False, detail=str(error))


def _hardware(hardware: Hardware) -> list[Finding]:
    try:
        split = plan_cpus(None, hardware.cpus, quota=hardware.cpu_quota)
        apart, ok = split.note or "server and generator apart", True
    except TunerError as error:
        apart, ok = str(error), False
    cpus = f"{hardware.cpu_model}, {len(hardware.cpus)} CPUs; trials: {apart}"
    gpus = [_gpu(gpu) for gpu in hardware.gpus.gpus]
    none = hardware.gpus.note or "no GPU"
    return [
        Finding("cpu", ok=ok, detail=cpus),
        Finding("memory", ok=True, detail=f"{hardware.memory / 2**30:.1f} GiB"),
        Finding("gpu", ok=bool(gpus), detail="; ".join(gpus) or f"none: {none}"),
    ]


def _gpu(gpu: Gpu) -> str:
    slices = ", ".join(instance.profile for instance in gpu.mig)
    mig = f", MIG: {slices or 'enabled, no instances'}" if gpu.mig_enabled else ""
    return f"{gpu.index}: {gpu.product} {gpu.memory / 2**30:.0f} GiB{mig}"


def _print(console: Console, findings: list[Finding]) -> None:
    rows = [("ok" if finding.ok else "–", finding.what, finding.detail) for finding in findings]
    console.print(table("", ("", "what", "found"), rows))
