"""One process of the fuzzer: atheris mutates inputs by coverage and knocks at one door with each of them.

``python -m bench.fuzz_target DOOR FINDINGS [libFuzzer's options and folders]``. What a door does wrong goes to the
FINDINGS, once for each kind, and the run goes on: a finding is no end.
"""

from __future__ import annotations

import hashlib
import importlib
import re
import sys
from pathlib import Path
from typing import Any

__all__ = ["main"]


def main() -> None:
    """Does not return: libFuzzer ends the process after the runs that it was told."""
    name, findings, *options = sys.argv[1:]
    atheris: Any = importlib.import_module("atheris")  # it brings no types
    with atheris.instrument_imports(include=["tuner"], enable_loader_override=False):
        from testbed.hostile.door import complaint
        from testbed.hostile.doors import DOORS
    door = DOORS[name]

    def once(raw: bytes) -> None:
        wrong = complaint(door, raw)
        if wrong is not None:
            kind = re.sub(r"[0-9]+|'.*'|\".*\"", "", wrong)[:60]
            place = Path(findings, f"{name}-{hashlib.sha256(kind.encode()).hexdigest()[:12]}")
            if not place.exists():
                place.write_bytes(raw)
                place.with_suffix(".txt").write_text(wrong, encoding="utf-8", errors="backslashreplace")

    atheris.Setup([sys.argv[0], *options], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
