"""Estimates of LLM serving behind a pipe: a process of an environment that holds aiconfigurator and none of tuner's.

A line of JSON in (model, system, devices, batch, context, input, output), a line out: ``{"ttft": ms, "tpot": ms}``, or
``{"failed": why}`` where the model does not fit into the GPUs' memory.
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
from typing import Any


def main() -> None:
    """Answer until the pipe is closed; what packages print is not read."""
    logging.disable(logging.CRITICAL)
    out, sys.stdout = sys.stdout, sys.stderr
    api = importlib.import_module("aiconfigurator.cli.api")
    for line in sys.stdin:
        out.write(json.dumps(_estimate(api, json.loads(line))) + "\n")
        out.flush()


def _estimate(api: Any, order: dict[str, Any]) -> dict[str, Any]:
    try:
        found = api.cli_estimate(
            order["model"],
            order["system"],
            backend_name="trtllm",
            isl=order["input"],
            osl=order["output"],
            batch_size=order["batch"],
            tp_size=order["devices"],
            ctx_tokens=order["context"],
        )
    except RuntimeError as error:
        if not str(error).startswith("OOM"):
            raise
        return {"failed": str(error)}
    return {"ttft": float(found.ttft), "tpot": float(found.tpot)}


if __name__ == "__main__":
    main()
