"""A table of estimates of LLM serving, to search in: ``python -m bench.search_estimates [OUT] [--models NAME …]``.

NVIDIA's aiconfigurator (``cli_estimate``) computes from measured kernels how fast a model is on some GPUs; it says
truly when memory does not suffice. That takes about a second each, so each is asked once and kept: the command resumes.
A configuration that does not fit has no row, which ``bench/descriptors/estimates.yaml`` reads as a failed trial:

    python -m bench.search --table OUT --descriptor bench/descriptors/estimates.yaml --methods tuner+prior tuner tpe

The environment (about 800 MB) is installed first, from ``requirements/estimates.txt``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from bench.search_environment import Environment, Pipe
from tuner.errors import PermanentError

__all__ = ["ENVIRONMENT", "main", "row_of"]

ENVIRONMENT = Environment("estimates", Path(__file__).resolve().parent.parent / "requirements" / "estimates.txt")
MODELS = ("Qwen/Qwen3-32B", "Qwen/Qwen3-8B", "meta-llama/Meta-Llama-3.1-70B")
SYSTEMS = ("a100_sxm", "h100_sxm", "h200_sxm")
DEVICES = (1, 2, 4, 8)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
CONTEXTS = (1024, 4096)
INPUT, OUTPUT = 1024, 256
HEADER = "model,system,devices,batch,context,ttft_ms,tpot_ms,tokens_per_second"


def main(argv: Sequence[str] | None = None) -> int:
    """Ask for what is missing, write the table and print its path; 1 where the environment cannot be made."""
    parser = argparse.ArgumentParser(prog="bench.search_estimates", description=__doc__)
    parser.add_argument("out", type=Path, nargs="?", default=user_cache_path("tuner") / "bench" / "estimates.csv")
    parser.add_argument("--models", nargs="+", default=list(MODELS), help="names of Hugging Face that it knows")
    given = parser.parse_args(argv)
    try:
        ENVIRONMENT.install()
        rows = [row for order, answer in _answers(given.models) if (row := row_of(order, answer)) is not None]
    except PermanentError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    given.out.parent.mkdir(parents=True, exist_ok=True)
    given.out.write_text("\n".join([HEADER, *rows]) + "\n", encoding="utf-8")
    sys.stdout.write(f"{given.out}\n")
    return 0


def row_of(order: dict[str, Any], answer: dict[str, Any]) -> str | None:
    """A line of the table; ``None`` where memory does not suffice.

    Of a batch that is served all the time, each request takes the time to its first token and then one time a token.
    """
    if "failed" in answer:
        return None
    seconds = (answer["ttft"] + answer["tpot"] * (order["output"] - 1)) / 1000
    speed = order["batch"] * order["output"] / seconds
    values = [order[name] for name in ("model", "system", "devices", "batch", "context")]
    return ",".join(map(str, [*values, answer["ttft"], answer["tpot"], speed]))


def _answers(models: Sequence[str]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Every combination with its answer, kept in a file as it comes; the worker starts with the first that is new."""
    kept = user_cache_path("tuner") / "bench" / f"estimates-{ENVIRONMENT.home.name}.jsonl"
    kept.parent.mkdir(parents=True, exist_ok=True)
    known = _known(kept)
    pipe: Pipe | None = None
    orders = list(product(models, SYSTEMS, DEVICES, CONTEXTS, BATCHES))
    with kept.open("a", encoding="utf-8") as file:
        for number, (model, system, devices, context, batch) in enumerate(orders, start=1):
            order = {
                "model": model,
                "system": system,
                "devices": devices,
                "batch": batch,
                "context": context,
                "input": INPUT,
                "output": OUTPUT,
            }
            key = json.dumps(order)
            if key not in known:
                pipe = pipe or Pipe(ENVIRONMENT, Path(__file__).with_name("search_estimator.py"))
                known[key] = pipe.exchange(order)
                file.write(json.dumps([key, known[key]]) + "\n")
                file.flush()
                if number % 20 == 0:
                    sys.stderr.write(f"{number}/{len(orders)}: {model} on {devices} {system}\n")
            yield order, known[key]
    if pipe is not None:
        pipe.close()


def _known(kept: Path) -> dict[str, dict[str, Any]]:
    """What was answered before; a line that a killed process left half is passed over."""
    known: dict[str, dict[str, Any]] = {}
    for line in kept.read_text(encoding="utf-8").splitlines() if kept.exists() else ():
        try:
            key, known_answer = json.loads(line)
        except ValueError:
            continue
        known[key] = known_answer
    return known


if __name__ == "__main__":
    sys.exit(main())
