"""Other tuners behind a pipe: a process of an environment of its own, which holds their packages and none of tuner's.

A line of JSON in, a line of JSON out. ``{"method", "seed", "trials", "sizes": [[values, ordered], …], "start": […]}``
begins a run; an answer ``{"places": […], "ms": …}`` asks for the configuration at these places of each parameter's list
of values (the first one is the start, where there is one), and ``{"cost": c}`` tells what it cost, the lower the
better. A new run may begin at any time.
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
import tempfile
import time
import warnings
from typing import Any, Protocol


class _Peer(Protocol):
    def ask(self) -> list[int]: ...

    def tell(self, cost: float) -> None: ...


def _space(sizes: list[tuple[int, bool]], seed: int) -> Any:
    """An ordered parameter is the index of its value, as it is for every other method; the rest are categories."""
    config_space = importlib.import_module("ConfigSpace")
    space = config_space.ConfigurationSpace(seed=seed)
    for number, (values, ordered) in enumerate(sizes):
        name = f"p{number}"
        if values == 1:
            space.add(config_space.Constant(name, 0))
        elif ordered:
            space.add(config_space.UniformIntegerHyperparameter(name, 0, values - 1))
        else:
            space.add(config_space.CategoricalHyperparameter(name, [str(place) for place in range(values)]))
    return space


def _values(places: list[int], sizes: list[tuple[int, bool]]) -> dict[str, int | str]:
    return {
        f"p{number}": place if ordered or values == 1 else str(place)
        for number, (place, (values, ordered)) in enumerate(zip(places, sizes, strict=True))
    }


def _places(values: Any, sizes: list[tuple[int, bool]]) -> list[int]:
    return [int(values[f"p{number}"]) for number in range(len(sizes))]


class _Smac:
    """SMAC3's Gaussian process (``BlackBoxFacade``), its defaults but for the number of points that it starts from.

    One point a parameter and one more, as for the other methods: its own 24 would be a quarter of the trials.
    """

    def __init__(self, sizes: list[tuple[int, bool]], start: list[int], seed: int, trials: int) -> None:
        smac = importlib.import_module("smac")
        self._results = importlib.import_module("smac.runhistory.dataclasses")
        self._sizes, self._start = sizes, start
        self._space = _space(sizes, seed)
        self._folder = tempfile.TemporaryDirectory(prefix="smac-")
        scenario = smac.Scenario(
            self._space, deterministic=True, n_trials=trials + 1, seed=seed, output_directory=self._folder.name
        )
        facade = smac.BlackBoxFacade
        self._smac = facade(
            scenario,
            lambda config, seed=0: 0.0,  # noqa: ARG005 - never called: SMAC is asked and told
            initial_design=facade.get_initial_design(scenario, n_configs=len(sizes) + 1),
            overwrite=True,
            logging_level=False,
        )
        self._asked: Any = None

    def ask(self) -> list[int]:
        if self._start:
            return self._start
        self._asked = self._smac.ask()
        return _places(self._asked.config, self._sizes)

    def tell(self, cost: float) -> None:
        if self._start:
            values = _values(self._start, self._sizes)
            config = importlib.import_module("ConfigSpace").Configuration(self._space, values=values)
            self._start, self._asked = [], self._results.TrialInfo(config, seed=0)
        self._smac.tell(self._asked, self._results.TrialValue(cost=cost))


class _Mlos:
    """mlos-core's optimiser over FLAML (CFO and BlendSearch); its other one is SMAC again."""

    def __init__(self, sizes: list[tuple[int, bool]], start: list[int], seed: int, trials: int) -> None:  # noqa: ARG002
        optimizers = importlib.import_module("mlos_core.optimizers")
        self._data = importlib.import_module("mlos_core.data_classes")
        self._pandas = importlib.import_module("pandas")
        self._sizes, self._start = sizes, start
        self._optimizer = optimizers.OptimizerFactory.create(
            parameter_space=_space(sizes, seed),
            optimization_targets=["cost"],
            optimizer_type=optimizers.OptimizerType.FLAML,
            optimizer_kwargs={"seed": seed},
        )
        self._suggestion: Any = None

    def ask(self) -> list[int]:
        if self._start:
            values = self._pandas.Series(_values(self._start, self._sizes), dtype=object)
            self._suggestion, self._start = self._data.Suggestion(config=values), []
        else:
            self._suggestion = self._optimizer.suggest()
        return _places(self._suggestion.config, self._sizes)

    def tell(self, cost: float) -> None:
        self._optimizer.register(self._suggestion.complete(self._pandas.Series({"cost": cost})))


_PEERS: dict[str, Any] = {"smac": _Smac, "mlos": _Mlos}


def main() -> None:
    """Answer until the pipe is closed. Standard output is the pipe's alone: what packages print is not read."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    out, sys.stdout = sys.stdout, sys.stderr
    peer: _Peer | None = None
    for line in sys.stdin:
        order = json.loads(line)
        began = time.perf_counter()
        if "method" in order:
            sizes = [(values, ordered) for values, ordered in order["sizes"]]
            peer = _PEERS[order["method"]](sizes, order["start"], order["seed"], order["trials"])
        elif peer is not None:
            peer.tell(order["cost"])
        if peer is not None:
            places = peer.ask()
            out.write(json.dumps({"places": places, "ms": (time.perf_counter() - began) * 1000}) + "\n")
            out.flush()


if __name__ == "__main__":
    main()
