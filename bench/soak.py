"""The long counts: ``python -m bench.soak [--kills 500]``; resumable, writes ``bench/results/soak.json``.

What has been counted is kept after each campaign, so an interrupted soak goes on where it stopped.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from pathlib import Path
from typing import Any

import platformdirs

from bench.result import commit, write
from tests.campaign.test_killed_campaign import kill_at_random
from tuner.measurement.benchmark import Figure

__all__ = ["main"]

BATCH = 25


def main() -> int:
    """Kill campaigns at random instants until the count is reached; an assertion fails where one did not end whole."""
    parser = argparse.ArgumentParser(prog="bench.soak", description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    wanted = parser.parse_args().kills
    store = platformdirs.user_cache_path("tuner") / "soak.json"
    begun: dict[str, Any] = {"commit": commit(), "kills": 0, "campaigns": 0}
    done = json.loads(store.read_text()) if store.exists() else begun
    if done.get("commit") != begun["commit"]:
        done = begun  # counts belong to the code that was counted
    while done["kills"] < wanted:
        batch = min(BATCH, wanted - done["kills"])
        with tempfile.TemporaryDirectory(prefix="tuner-soak-") as scratch:
            campaigns = kill_at_random(Path(scratch), batch, random.Random(done["kills"]))  # noqa: S311
        done = {**done, "kills": done["kills"] + batch, "campaigns": done["campaigns"] + campaigns}
        store.parent.mkdir(parents=True, exist_ok=True)
        store.write_text(json.dumps(done))
        print(f"{done['kills']} of {wanted} kills, {done['campaigns']} campaigns, all whole", flush=True)  # noqa: T201
    figures = [
        Figure.of("kills at random instants", done["kills"], "kills", goal=f">= {wanted}"),
        Figure.of("campaigns that ended whole", done["campaigns"], "campaigns"),
    ]
    write("soak", figures, [done], ["make", "soak"])
    store.unlink()
    return 0


if __name__ == "__main__":
    sys.exit(main())
