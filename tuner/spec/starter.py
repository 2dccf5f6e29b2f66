"""A first spec, written from the manifest of a service that exists."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from tuner.errors import UserError
from tuner.spec.document import Document, Path, read_documents
from tuner.spec.loading import load_spec
from tuner.spec.mistake import Mistake, nearest, shown
from tuner.spec.plain_scalar import resolve

__all__ = ["ENGINES", "StartingPoint", "Suggestion", "starter_spec", "starting_point"]

ENGINES = ("triton", "simulator")
"""Engines that an image or a command gives away by name."""

_KINDS = ("Deployment", "Rollout")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One parameter of the engine: its name, its range and its meaning in words."""

    name: str
    range: str
    description: str = ""


@dataclass(frozen=True, slots=True)
class StartingPoint:
    """What the manifest says about the service; ``engine`` is ``None`` where it cannot be told."""

    name: str
    manifest: str
    container: str
    engine: str | None
    limits: tuple[tuple[str, str], ...]


def starting_point(manifest: bytes, file: str, container: str | None = None) -> StartingPoint:
    """What is to be tuned in the manifest.

    UserError where it holds no Deployment or Rollout or several, or where ``container`` is not one of its containers
    or is not given and there are several.
    """
    document, workload = _workload(manifest, file)
    found = _container(document, workload, container)
    name = str(_get(workload, "metadata", "name") or PurePath(file).stem)
    words = " ".join(str(_get(found, key) or "") for key in ("image", "command", "args", "name"))
    limits = _get(found, "resources", "limits")
    return StartingPoint(
        name=re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:63].strip("-") or "service",
        manifest=PurePath(file).name,
        container=found["name"],
        engine=next((engine for engine in ENGINES if engine in words.lower()), None),
        limits=tuple((str(key), str(value)) for key, value in limits.items()) if isinstance(limits, dict) else (),
    )


def starter_spec(
    manifest: bytes,
    file: str,
    engine_parameters: Sequence[Suggestion],
    container: str | None = None,
    engine: str | None = None,
) -> str:
    """A commented spec for the service in the manifest, to be put beside it; it loads as it is.

    UserError as in ``starting_point``, where the engine is neither given nor told by the manifest, and for names that
    no spec can hold.
    """
    point = starting_point(manifest, file, container)
    engine = engine or point.engine
    if engine is None:
        what = f"the engine of the container {point.container} is not told by its image, command or name"
        raise UserError.of(what, f"name the engine: {' or '.join(ENGINES)}", file=file)
    parameters = "\n".join(_parameter_lines(engine_parameters)) or "  replicas: {min: 1, max: 4}"
    limits = "".join(f"#   {_one_line(key)} is {_one_line(value)} now\n" for key, value in point.limits)
    text = _TEMPLATE.format(
        name=_quoted(point.name),
        engine=_quoted(engine),
        manifest=_quoted(point.manifest),
        container=_quoted(point.container),
        parameters=parameters,
        limits=limits,
    )
    try:
        load_spec(text.encode(), file)
    except UserError as error:
        problem = error.problems[0]
        raise UserError.of(f"no spec can be written: {problem.what}", problem.fix, file=file) from error
    return text


def _one_line(text: str) -> str:
    return " ".join(text.split())[:40]


def _quoted(word: str) -> str:
    """The word as YAML reads it back: plain where that is safe."""
    try:
        plain = re.fullmatch(r"[A-Za-z0-9][-A-Za-z0-9_.]*", word) is not None and resolve(word) == word
    except Mistake:
        plain = False
    return word if plain else json.dumps(word)


def _parameter_lines(suggestions: Sequence[Suggestion]) -> Iterator[str]:
    width = max((len(suggestion.name) for suggestion in suggestions), default=0) + 5
    for suggestion in suggestions:
        comment = " ".join(f"{suggestion.range}. {suggestion.description}".split())
        yield f"  {f'{suggestion.name}: {{}}':<{width}} # {comment}"


def _workload(manifest: bytes, file: str) -> tuple[Document, dict[str, Any]]:
    found = [
        (document, document.data)
        for document in read_documents(manifest, file)
        if isinstance(document.data, dict) and document.data.get("kind") in _KINDS
    ]
    if not found:
        raise UserError.of("there is no Deployment or Rollout in this file", "name the service's manifest", file=file)
    if len(found) > 1:
        document, _ = found[1]
        raise UserError(document.problem((), "there are several workloads in this file", "keep one workload a file"))
    return found[0]


def _container(document: Document, workload: dict[str, Any], wanted: str | None) -> dict[str, Any]:
    path: Path = ("spec", "template", "spec", "containers")
    listed = _get(workload, *path)
    containers = (
        [one for one in listed if isinstance(one, dict) and isinstance(one.get("name"), str)]
        if isinstance(listed, list)
        else []
    )
    names = [one["name"] for one in containers]
    if not containers:
        raise UserError(document.problem(path, "the workload has no container with a name", "add one"))
    if wanted is None and len(containers) > 1:
        what = f"the workload has {len(containers)} containers"
        raise UserError(
            document.problem(path, what, f"name the one that serves the model: {', '.join(names)}", key=True)
        )
    if wanted is not None and wanted not in names:
        near = nearest(wanted, names)
        fix = f"did you mean {near}?" if near else f"its containers are {', '.join(names)}"
        raise UserError(document.problem(path, f"the workload has no container {shown(wanted)}", fix, key=True))
    return containers[0] if wanted is None else next(one for one in containers if one["name"] == wanted)


def _get(data: Any, *keys: str | int) -> Any:
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


_TEMPLATE = """\
# Tuning spec of {name}. Every key is explained in the spec reference; `tuner validate` checks this file.
apiVersion: tuner/v1alpha1
kind: TuningSpec
metadata:
  name: {name}
service:
  engine: {engine}
  # The model, as a path below this file or as file:///… on the machine that runs the trials.
  model: model
  manifest: {manifest}
  container: {container}
# What may vary. {{}} is the engine's own range; narrow it with values, or min and max. Remove what must not vary.
# The machine can vary as well (replicas, cpu, memory, gpu), for example: cpu: {{values: [1, 2, 4]}}
{limits}parameters:
{parameters}
# Rules between parameters, for example:
# constraints:
#   - expression: max_batch_size * instance_count <= 64
#     reason: more does not fit into memory
load:
  payload:
    # A folder of .npy files named after the inputs, each with samples stacked along axis 0.
    samples: samples
    # The inputs of the model: correct name, datatype and shape (without the batch dimension).
    inputs:
      - name: input
        datatype: FP32
        shape: [1]
slo:
  latency:
    p99: 100ms
  errorRate: 0.1%
objective:
  goal: minimize-cost
# What an hour of one core and of one GiB costs you.
prices:
  cpu: 0.0316 USD
  memory: 0.0042 USD
budget:
  trials: 20
  wallClock: 1h
"""
