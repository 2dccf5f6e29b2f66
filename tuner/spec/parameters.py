"""The sections ``parameters`` and ``constraints``: what may vary, where it lands, and the rules between."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from tuner.spec.mistake import Mistake, shown
from tuner.spec.section import Flag, Number, Scalar, Section, Written, clean

__all__ = ["Constraint", "ParameterName", "ParameterRange", "Target"]

_LONGEST_EXPRESSION = 1000
_NAME = r"^[a-z][a-z0-9_]{0,62}$"
_ARGUMENT = r"^--?[A-Za-z][-A-Za-z0-9_.]{0,99}$"
_VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]{0,99}$"
_KEY = r"^[A-Za-z][-A-Za-z0-9_.]{0,99}$"
_LABEL = r"[a-z0-9]([-a-z0-9.]{0,60}[a-z0-9])?/[A-Za-z0-9]([-A-Za-z0-9_.]{0,60}[A-Za-z0-9])?"
_FIELD = rf"^(replicas|resources\.(cpu|memory|gpu|{_LABEL})|nodeSelector\.{_LABEL})$"
# The words that a CEL expression cannot use as a name.
_RESERVED = frozenset(
    re.findall(
        r"\w+",
        "as break const continue else false for function if import in let loop namespace null package return true var "
        "void while",
    )
)


def _parameter_name(name: str) -> str:
    if not re.fullmatch(_NAME[1:-1], name):
        raise Mistake(
            f"{shown(name)} is not a parameter name",
            "use up to 63 lower-case letters, digits and _, with a letter first",
        )
    if name in _RESERVED:
        raise Mistake(f"{name!r} cannot name a parameter: it is a word of the constraint language", "choose another")
    return name


def _matching(pattern: str, what: str, fix: str) -> tuple[AfterValidator, WithJsonSchema]:
    def check(text: str) -> str:
        if not re.fullmatch(pattern[1:-1], text):
            raise Mistake(f"{shown(text)} is not {what}", fix)
        return text

    return AfterValidator(check), WithJsonSchema({"type": "string", "pattern": pattern})


def _one_or_more(raw: Any) -> Any:
    """``2`` and ``[2, 4]`` are both written; the list is checked here so that no union has to be explained."""
    if isinstance(raw, list | tuple) and not raw:
        raise Mistake("the list is empty", "name at least one value")
    return tuple(raw) if isinstance(raw, list | tuple) else (raw,)


ParameterName = Annotated[
    str, AfterValidator(_parameter_name), WithJsonSchema({"type": "string", "pattern": _NAME, "maxLength": 63})
]
_WrittenOrList = Annotated[
    tuple[Written, ...],
    BeforeValidator(_one_or_more),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": ["boolean", "number", "string"]},
                {"type": "array", "minItems": 1, "items": {"type": ["boolean", "number", "string"]}},
            ]
        }
    ),
]
_Reason = Annotated[str, AfterValidator(clean)]
_Key = Annotated[str, *_matching(_KEY, "a configuration key", "use letters, digits, -, _ and .")]
_Argument = Annotated[str, *_matching(_ARGUMENT, "a command-line flag", "write it with its dashes: --max-num-seqs")]
_Variable = Annotated[str, *_matching(_VARIABLE, "an environment variable", "use letters, digits and _")]
_ManifestField = Annotated[
    str,
    *_matching(
        _FIELD,
        "a field of the manifest that can be tuned",
        "write replicas, resources.cpu, resources.memory, resources.gpu, resources.<vendor>/<resource> "
        "or nodeSelector.<label>",
    ),
]


class Target(Section):
    """Where a parameter's value lands; exactly one place. Engine parameters have their place already."""

    engine: _Key | None = Field(None, description="Key of the engine's own configuration.")
    argument: _Argument | None = Field(None, description="Command-line flag, for example `--max-num-seqs`.")
    environment: _Variable | None = Field(None, description="Environment variable of the container.")
    manifest: _ManifestField | None = Field(
        None,
        description=(
            "Field of the manifest: `replicas`; `resources.cpu` (cores); `resources.memory`; "
            "`resources.<vendor>/<resource>` (how many GPUs or MIG slices of that kind, for example "
            "`resources.nvidia.com/mig-1g.10gb`); `resources.gpu` (which GPU or MIG resource, one of it, for example "
            "the values `nvidia.com/mig-1g.10gb` and `nvidia.com/mig-2g.20gb`); `nodeSelector.<label>` (for example "
            "`nodeSelector.nvidia.com/gpu.product`)."
        ),
    )

    @property
    def place(self) -> tuple[str, str]:
        """(kind of place, name in it), for example ``("argument", "--max-num-seqs")``."""
        written = self.model_dump(exclude_none=True)
        return next(iter(written.items()))

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if len(self.model_dump(exclude_none=True)) != 1:
            raise Mistake("a target is exactly one place", "write one of engine, argument, environment, manifest")
        return self


def _identity(value: Scalar) -> tuple[bool, Scalar]:
    return isinstance(value, bool), value


class ParameterRange(Section):
    """What one parameter may be. An engine's own parameter may be left empty (`{}`): the engine supplies the rest.

    Every engine has these too, which say only their values: `replicas`, `cpu`, `memory`, `gpu` (which GPU or MIG
    resource) and `gpu_product` (the node label `nvidia.com/gpu.product`). A parameter that the engine does not know
    needs `type`, `values` or `min` and `max`, `default` and `target`.
    """

    type: Literal["int", "float", "categorical", "ordinal"] | None = Field(
        None, description="Kind of parameter; needed for a parameter that the engine does not know."
    )
    values: tuple[Written, ...] | None = Field(
        None, max_length=1000, description="The values to try, in order for `ordinal`; instead of `min` and `max`."
    )
    min: Number | None = Field(None, ge=-(2**53), le=2**53, description="Lowest value of an int or float.")
    max: Number | None = Field(None, ge=-(2**53), le=2**53, description="Highest value of an int or float.")
    step: Number | None = Field(None, gt=0, le=2**53, description="Distance between neighbouring values, from `min`.")
    log: Flag = Field(default=False, description="Search on a logarithmic scale.")
    default: Written | None = Field(None, description="Value the engine uses when nothing is set.")
    when: dict[str, _WrittenOrList] | None = Field(
        None,
        min_length=1,
        description="Only where other parameters have these values: one value or a list, by parameter.",
    )
    target: Target | None = Field(None, description="Where the value lands; an engine's own parameter needs none.")

    @model_validator(mode="after")
    def _values_or_range(self) -> Self:
        if self.values is None:
            return self
        if not self.values:
            raise Mistake("values is empty", "name at least one value", at=("values",))
        if len({_identity(value) for value in self.values}) != len(self.values):
            raise Mistake("values has a duplicate", "name each value once", at=("values",))
        for key in ("min", "max", "step"):
            if getattr(self, key) is not None:
                raise Mistake(f"values and {key} exclude each other", "keep one of the two", at=(key,))
        if self.log:
            raise Mistake("log is for a range of min and max, not for values", "remove it", at=("log",))
        return self

    @model_validator(mode="after")
    def _range(self) -> Self:
        if self.type in ("categorical", "ordinal"):
            for key in ("min", "max", "step"):
                if getattr(self, key) is not None:
                    raise Mistake(f"{key} is not for a parameter of type {self.type}", "write values", at=(key,))
        if self.min is not None and self.max is not None and self.min > self.max:
            raise Mistake(
                f"the range is empty: min {self.min:g} is above max {self.max:g}", "swap or widen them", at=("min",)
            )
        if self.log and self.min is not None and self.min <= 0:
            raise Mistake("a log scale needs min above 0", f"raise min from {self.min:g}", at=("min",))
        if self.log and self.step is not None:
            raise Mistake("a log scale has no step", "remove log or step", at=("step",))
        return self


class Constraint(Section):
    """A rule between parameters; configurations that break it are never tried."""

    expression: Annotated[str, Field(min_length=1, max_length=_LONGEST_EXPRESSION)] = Field(
        description=(
            "CEL expression over the parameters, true where the configuration is allowed. A rule that needs a "
            "parameter which is inactive (`when`) holds. Beside CEL's operators: `int`, `double`, `string`, `size`, "
            "`contains`, `startsWith`, `endsWith`, `matches` and `quantity('4Gi')`."
        )
    )
    reason: _Reason = Field("", description="Why, in a few words; shown where the rule decides.")
