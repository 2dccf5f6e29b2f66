"""The config.pbtxt of a workload: read its knobs, edit its text, prove that the edit means what was asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from tuner.engine.triton.knob import KNOBS, Knob
from tuner.engine.triton.model_config import ModelConfig, parse, same
from tuner.engine.workload import Workload
from tuner.errors import Problem, UserError
from tuner.spec.model import Scalar

__all__ = ["Configuration"]


@dataclass(frozen=True, slots=True)
class Configuration:
    """One config.pbtxt: where the container sees it, its text, what it means."""

    path: str
    text: str
    message: ModelConfig

    @classmethod
    def of(cls, workload: Workload) -> Configuration:
        """The one config.pbtxt that the workload mounts; UserError where there is none, several, or a broken one."""
        paths = sorted(path for path in workload.files if PurePosixPath(path).name == "config.pbtxt")
        if not paths:
            raise UserError.of(
                "the container mounts no config.pbtxt",
                "put the model's config.pbtxt into a ConfigMap and mount it into the container",
            )
        if len(paths) > 1:
            raise UserError.of(
                f"the container mounts several config.pbtxt: {', '.join(paths)}", "tune one model a container"
            )
        return cls(paths[0], workload.files[paths[0]], parse(workload.files[paths[0]], paths[0]))

    def values(self) -> Mapping[str, Scalar]:
        """Every knob's value; Triton's default where the text says nothing."""
        return {knob.parameter.name: self._value(knob) for knob in KNOBS}

    def edited(self, values: Mapping[str, Scalar]) -> Configuration:
        """With these knobs set. What has its value already is left as it is written."""
        text, intended = self.text, parse(self.text, self.path)
        for knob in KNOBS:
            name = knob.parameter.name
            if name not in values or same_value(values[name], self._value(knob)):
                continue
            if name == "max_batch_size" and not self.message.max_batch_size:
                raise self._problem("max_batch_size cannot be tuned: the model's tensors have no batch dimension")
            if knob.needs_batching and not intended.HasField("dynamic_batching"):
                if same_value(values[name], knob.parameter.default):
                    continue
                raise self._problem(f"{name} needs dynamic_batching, which the configuration does not have")
            text = knob.place.write(text, values[name])
            knob.place.set(intended, values[name])
        if text == self.text:
            return self
        if not same(parse(text, self.path), intended):
            raise self._problem("this text cannot be edited without changing more than the parameters")
        return Configuration(self.path, text, intended)

    def _value(self, knob: Knob) -> Scalar:
        try:
            value = knob.place.read(self.message)
        except ValueError as error:
            raise self._problem(str(error)) from error
        if value is None and knob.parameter.name == "max_batch_size":
            return 0
        return knob.parameter.default if value is None else value

    def _problem(self, what: str) -> UserError:
        return UserError(Problem(what, "correct config.pbtxt, or leave the parameter out of the spec", self.path))


def same_value(one: Scalar, other: Scalar) -> bool:
    """Equal, and not merely because ``True == 1``."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)
