"""Where a knob stands in config.pbtxt: read it from the message, set it in the message, edit it in the text.

Message and text are changed independently of each other; ``tuner.engine.triton.configuration`` proves that both mean
the same afterwards.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from tuner.engine.triton import edit
from tuner.engine.triton.model_config import ModelConfig
from tuner.engine.triton.prototext import outline
from tuner.spec.model import Scalar

__all__ = ["Block", "Number", "Option", "Place", "Sizes"]


class Place(Protocol):
    """One place. ``read`` raises ValueError for a value that the knob cannot have."""

    def read(self, config: ModelConfig) -> Scalar | None:
        """The value now, ``None`` where the file leaves it to the engine."""
        ...

    def set(self, config: ModelConfig, value: Scalar) -> None: ...

    def write(self, text: str, value: Scalar) -> str: ...


@dataclass(frozen=True, slots=True)
class Number:
    """A number at a path of message fields; ``choices`` where people give its values names."""

    path: tuple[str, ...]
    choices: Mapping[str, int] | None = None
    unset: int = 0
    """What Triton takes for "not set", as the message cannot tell it from a missing field."""

    def read(self, config: ModelConfig) -> Scalar | None:
        message = config
        for name in self.path[:-1]:
            message = _only(message, name)
            if message is None:
                return None
        value = int(getattr(message, self.path[-1]))
        if value == self.unset:
            return None
        if self.choices is None:
            return value
        return next((name for name, number in self.choices.items() if number == value), value)

    def set(self, config: ModelConfig, value: Scalar) -> None:
        message = config
        for name in self.path[:-1]:
            message = _only(message, name, add=True)
        setattr(message, self.path[-1], self._number(value))

    def write(self, text: str, value: Scalar) -> str:
        return _assign(text, self.path, str(self._number(value)))

    def _number(self, value: Scalar) -> int:
        return self.choices[str(value)] if self.choices and str(value) in self.choices else int(value)


@dataclass(frozen=True, slots=True)
class Flag:
    """A yes or no at a path of message fields."""

    path: tuple[str, ...]

    def read(self, config: ModelConfig) -> Scalar | None:
        return True if Number(self.path).read(config) else None

    def set(self, config: ModelConfig, value: Scalar) -> None:
        message = config
        for name in self.path[:-1]:
            message = _only(message, name, add=True)
        setattr(message, self.path[-1], bool(value))

    def write(self, text: str, value: Scalar) -> str:
        return _assign(text, self.path, "true" if value else "false")


@dataclass(frozen=True, slots=True)
class Block:
    """A message whose presence alone is the setting; taking it away takes its fields with it."""

    name: str

    def read(self, config: ModelConfig) -> Scalar | None:
        return True if config.HasField(self.name) else None

    def set(self, config: ModelConfig, value: Scalar) -> None:
        if value:
            getattr(config, self.name).SetInParent()
        else:
            config.ClearField(self.name)

    def write(self, text: str, value: Scalar) -> str:
        if value:
            return edit.insert(text, outline(text), f"{self.name} {{ }}")
        while fields := outline(text).named(self.name):
            text = edit.remove(text, fields[-1])
        return text


@dataclass(frozen=True, slots=True)
class Sizes:
    """A list of numbers at a path: one of them as an int, several as ``"4,8"``, none as ``None``."""

    path: tuple[str, ...]

    def read(self, config: ModelConfig) -> Scalar | None:
        message = config
        for name in self.path[:-1]:
            message = _only(message, name)
            if message is None:
                return None
        sizes = list(getattr(message, self.path[-1]))
        return sizes[0] if len(sizes) == 1 else ",".join(map(str, sizes)) or None

    def set(self, config: ModelConfig, value: Scalar) -> None:
        message = config
        for name in self.path[:-1]:
            message = _only(message, name, add=bool(self.numbers(value)))
            if message is None:
                return
        del getattr(message, self.path[-1])[:]
        getattr(message, self.path[-1]).extend(self.numbers(value))

    def write(self, text: str, value: Scalar) -> str:
        if sizes := self.numbers(value):
            return _assign(text, self.path, f"[ {', '.join(map(str, sizes))} ]")
        return _unset(text, self.path)

    @staticmethod
    def numbers(value: Scalar) -> tuple[int, ...]:
        """The list that a value stands for; ``0`` is the empty one. ValueError where it is none."""
        sizes = tuple(int(part) for part in str(value).split(","))
        return () if sizes == (0,) else sizes


@dataclass(frozen=True, slots=True)
class Option:
    """An entry of the ``parameters`` map, which the backend or the model itself reads as a string."""

    key: str
    kind: type[bool] | type[int] | None = None
    choices: Mapping[str, str] | None = None

    def read(self, config: ModelConfig) -> Scalar | None:
        if self.key not in config.parameters:
            return None
        raw = str(config.parameters[self.key].string_value)
        if self.kind is bool and raw.lower() in _BOOLEANS:
            return _BOOLEANS[raw.lower()]
        if self.kind is int and raw.strip().isdigit():
            return int(raw)
        for name, spelled in (self.choices or {}).items():
            if spelled == raw:
                return name
        raise ValueError(f"the parameter {self.key} cannot be {raw!r}")

    def set(self, config: ModelConfig, value: Scalar) -> None:
        config.parameters[self.key].string_value = self._spelled(value)

    def write(self, text: str, value: Scalar) -> str:
        spelled = json.dumps(self._spelled(value))
        for node in reversed(outline(text).nodes("parameters")):
            keys = node.body.nodes("key") if node.body else ()
            if node.body and keys and text[keys[-1].start : keys[-1].end].strip("\"'") == self.key:
                values = node.body.nodes("value")
                if not values or values[-1].body is None:
                    return edit.insert(text, node.body, f"value {{ string_value: {spelled} }}")
                strings = values[-1].body.nodes("string_value")
                if strings:
                    return edit.replace(text, strings[-1].start, strings[-1].end, spelled)
                return edit.insert(text, values[-1].body, f"string_value: {spelled}")
        entry = f'parameters {{ key: "{self.key}" value {{ string_value: {spelled} }} }}'
        return edit.insert(text, outline(text), entry)

    def _spelled(self, value: Scalar) -> str:
        if self.choices:
            return self.choices[str(value)]
        return str(int(value))


_BOOLEANS = {"1": True, "true": True, "0": False, "false": False}


def _only(message: ModelConfig, name: str, *, add: bool = False) -> ModelConfig | None:
    """The sub-message of that name, or the one element of a repeated one; ``None`` where there is none."""
    if not message.DESCRIPTOR.fields_by_name[name].is_repeated:
        return getattr(message, name) if add or message.HasField(name) else None
    elements = getattr(message, name)
    if len(elements) > 1:
        raise ValueError(f"there are {len(elements)} {name} entries, and only one can be tuned")
    if elements:
        return elements[0]
    return elements.add() if add else None


def _assign(text: str, path: tuple[str, ...], literal: str) -> str:
    """The text with the field at ``path`` set, making the messages around it where they are missing."""
    body = outline(text)
    for depth, name in enumerate(path[:-1]):
        nodes = body.nodes(name)
        if not nodes or nodes[-1].body is None:
            inner = f"{path[-1]}: {literal}"
            for outer in reversed(path[depth:-1]):
                inner = f"{outer} {{ {inner} }}"
            return edit.insert(text, body, inner)
        body = nodes[-1].body
    first, *others = body.named(path[-1]) or (None,)
    if first is None:
        return edit.insert(text, body, f"{path[-1]}: {literal}")
    for field in reversed(others):
        text = edit.remove(text, field) if field else text
    return edit.replace(text, first.value_start, first.value_end, literal)


def _unset(text: str, path: tuple[str, ...]) -> str:
    """The text without the field at ``path``."""
    while True:
        body = outline(text)
        for name in path[:-1]:
            nodes = body.nodes(name)
            if not nodes or nodes[-1].body is None:
                return text
            body = nodes[-1].body
        fields = body.named(path[-1])
        if not fields:
            return text
        text = edit.remove(text, fields[-1])
