"""Other tuners behind a pipe: a process of an environment of its own, which holds their packages and none of tuner's.

A line of JSON in, a line of JSON out. ``{"begin": {"method", "seed", "trials", "sizes": [[values, ordered], …]}}``
begins a run, at any time; ``{"ask": true}`` is answered by ``{"places": […]}``, the configuration at these places of
each parameter's list of values, or by ``{"places": null}`` where the tuner finds none that is new to it; and
``{"tell": {"places": […], "cost": c}}`` says what a configuration cost, the lower the better, whoever chose it.
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
import tempfile
import warnings
from typing import Any, Protocol


class _Peer(Protocol):
    def ask(self) -> list[int] | None: ...

    def tell(self, places: list[int], cost: float) -> None: ...


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


def _quick_process(scenario: Any, facade: Any) -> Any:
    """SMAC's own Gaussian process, which fits the same kernel to the same values in half of the time.

    scikit-learn copies the kernel, priors and their random states and all, for each of the thousands of likelihoods of
    one fit; without copies the likelihoods, and so all that SMAC proposes, are the same.
    """
    regression = importlib.import_module("sklearn.gaussian_process").GaussianProcessRegressor
    process = importlib.import_module("smac.model.gaussian_process").GaussianProcess

    class Regressor(regression):  # type: ignore[misc, valid-type]
        def log_marginal_likelihood(self, *about: Any, **options: Any) -> Any:
            return super().log_marginal_likelihood(*about, **options | {"clone_kernel": False})

    class Process(process):  # type: ignore[misc, valid-type]
        def _get_gaussian_process(self) -> Any:
            return Regressor(**super()._get_gaussian_process().get_params(deep=False))

    kernel = facade.get_kernel(scenario)
    return Process(configspace=scenario.configspace, kernel=kernel, normalize_y=True, seed=scenario.seed)


class _Smac:
    """SMAC3's Gaussian process (``BlackBoxFacade``), its defaults but for the number of points that it starts from.

    One point a parameter and one more, as for the other methods: its own 24 would be a quarter of the trials.
    """

    def __init__(self, sizes: list[tuple[int, bool]], seed: int, trials: int) -> None:
        smac = importlib.import_module("smac")
        self._runs = importlib.import_module("smac.runhistory.dataclasses")
        self._configuration = importlib.import_module("ConfigSpace").Configuration
        self._sizes, self._space = sizes, _space(sizes, seed)
        self._folder = tempfile.TemporaryDirectory(prefix="smac-")
        scenario = smac.Scenario(
            self._space, deterministic=True, n_trials=trials + 1, seed=seed, output_directory=self._folder.name
        )
        facade = smac.BlackBoxFacade
        self._smac = facade(
            scenario,
            lambda config, seed=0: 0.0,  # noqa: ARG005 - never called: SMAC is asked and told
            model=_quick_process(scenario, facade),
            initial_design=facade.get_initial_design(scenario, n_configs=len(sizes) + 1),
            overwrite=True,
            logging_level=False,
        )
        self._asked: dict[tuple[int, ...], Any] = {}

    def ask(self) -> list[int] | None:
        try:
            asked = self._smac.ask()
        except StopIteration:
            return None
        places = _places(asked.config, self._sizes)
        self._asked[tuple(places)] = asked
        return places

    def tell(self, places: list[int], cost: float) -> None:
        about = self._asked.get(tuple(places))
        if about is None:
            config = self._configuration(self._space, values=_values(places, self._sizes))
            about = self._runs.TrialInfo(config, seed=0)
        self._smac.tell(about, self._runs.TrialValue(cost=cost))


class _Mlos:
    """mlos-core's optimiser over FLAML (CFO and BlendSearch); its other one is SMAC again."""

    def __init__(self, sizes: list[tuple[int, bool]], seed: int, trials: int) -> None:  # noqa: ARG002
        optimizers = importlib.import_module("mlos_core.optimizers")
        self._data = importlib.import_module("mlos_core.data_classes")
        self._pandas = importlib.import_module("pandas")
        self._sizes = sizes
        self._optimizer = optimizers.OptimizerFactory.create(
            parameter_space=_space(sizes, seed),
            optimization_targets=["cost"],
            optimizer_type=optimizers.OptimizerType.FLAML,
            optimizer_kwargs={"seed": seed},
        )

    def ask(self) -> list[int] | None:
        try:
            return _places(self._optimizer.suggest().config, self._sizes)
        except RuntimeError as error:
            if "did not produce a suggestion" not in str(error):
                raise
            return None

    def tell(self, places: list[int], cost: float) -> None:
        values = self._pandas.Series(_values(places, self._sizes), dtype=object)
        self._optimizer.register(self._data.Suggestion(config=values).complete(self._pandas.Series({"cost": cost})))


_PEERS: dict[str, Any] = {"smac": _Smac, "mlos": _Mlos}


def main() -> None:
    """Answer until the pipe is closed. Standard output is the pipe's alone: what packages print is not read."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    out, sys.stdout = sys.stdout, sys.stderr
    peer: _Peer | None = None
    for line in sys.stdin:
        order = json.loads(line)
        answer: dict[str, Any] = {}
        if "begin" in order:
            wanted = order["begin"]
            sizes = [(values, ordered) for values, ordered in wanted["sizes"]]
            peer = _PEERS[wanted["method"]](sizes, wanted["seed"], wanted["trials"])
        elif peer is not None and "tell" in order:
            peer.tell(order["tell"]["places"], order["tell"]["cost"])
        elif peer is not None:
            answer = {"places": peer.ask()}
        out.write(json.dumps(answer) + "\n")
        out.flush()


if __name__ == "__main__":
    main()
