"""Engines by name: the built-in ones, and those that installed packages offer as entry points ``tuner.engines``."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from importlib.metadata import entry_points

from tuner.engine.protocol import Engine
from tuner.engine.simulator import SimulatorEngine
from tuner.engine.triton.engine import TritonEngine
from tuner.errors import PermanentError, UserError

__all__ = ["engine_named", "engine_names"]

GROUP = "tuner.engines"
_BUILT_IN: dict[str, Callable[[], Engine]] = {"triton": TritonEngine, "simulator": SimulatorEngine}


def engine_names() -> tuple[str, ...]:
    """Every known engine, sorted."""
    return tuple(sorted({*_BUILT_IN, *entry_points(group=GROUP).names}))


def engine_named(name: str) -> Engine:
    """The engine of that name; a built-in one cannot be replaced by an entry point.

    UserError for an unknown one, with the nearest known; PermanentError where an installed one does not load.
    """
    if name in _BUILT_IN:
        return _BUILT_IN[name]()
    found = tuple(entry_points(group=GROUP, name=name))
    if not found:
        near = difflib.get_close_matches(name, engine_names(), n=1)
        known = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(engine_names())}"
        raise UserError.of(f"unknown engine {name!r}", known)
    try:  # a foreign package may raise anything; nothing runs without an engine
        engine: Engine = found[0].load()()
    except Exception as error:
        raise PermanentError(f"the engine {name!r} of {found[0].value} does not load: {error}") from error
    return engine
