from __future__ import annotations

from collections.abc import Callable

import pytest

from tuner.space.build import build_space
from tuner.space.parameter import Condition, Domain, Parameter
from tuner.space.space import Space
from tuner.spec.loading import load_spec
from tuner.spec.model import Target

_SPEC = """\
apiVersion: tuner/v1alpha1
kind: TuningSpec
metadata: {name: service}
service: {engine: triton, model: model, manifest: deployment.yaml, container: triton}
load: {payload: {samples: samples, inputs: [{name: x, datatype: FP32, shape: [1]}]}}
slo: {latency: {p99: 50ms}}
prices: {cpu: 0.03 USD, memory: 0.004 USD}
"""

KNOBS = (
    Parameter(
        name="batch",
        domain=Domain(kind="ordinal", values=(1, 2, 4, 8)),
        default=1,
        target=Target(engine="max_batch_size"),
    ),
    Parameter(
        name="copies", domain=Domain(kind="int", low=1, high=8, step=1), default=1, target=Target(engine="count")
    ),
    Parameter(
        name="batching",
        domain=Domain(kind="categorical", values=(False, True)),
        default=False,
        target=Target(engine="dynamic_batching"),
    ),
    Parameter(
        name="delay",
        domain=Domain(kind="int", low=0, high=1000, step=100),
        default=0,
        target=Target(engine="delay"),
        when=(Condition(name="batching", values=(True,)),),
    ),
    Parameter(
        name="share",
        domain=Domain(kind="float", low=0.01, high=1.0, log=True),
        default=0.5,
        target=Target(engine="share"),
    ),
)


@pytest.fixture(scope="session")
def space_of() -> Callable[[str], Space]:
    """Build a space from the YAML of ``parameters`` and whatever else differs from a plain spec.

    The spec's other sections take the first seven lines of the file.
    """

    def build(text: str) -> Space:
        return build_space(load_spec((_SPEC + text).encode(), "t.yaml"), KNOBS)

    return build
