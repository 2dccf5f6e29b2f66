"""How like a service an earlier one is, before either has said anything."""

from __future__ import annotations

from tuner.experience.model import Earlier, ModelFeatures
from tuner.search.resemblance import resemblance


def service(**about: object) -> Earlier:
    return Earlier.model_validate({"service": "s", "engine": "triton", "trials": (), **about})


def model(size: int, nodes: int = 100) -> ModelFeatures:
    return ModelFeatures(size=size, parameters=size, operations=nodes, depth=nodes)


def test_nothing_that_is_known_to_differ_is_alike() -> None:
    assert resemblance(service(), service()) == 1.0
    assert resemblance(service(hardware="a"), service()) == 1.0
    assert resemblance(service(features=model(10**6)), service(features=model(10**6))) == 1.0


def test_each_difference_makes_less_alike() -> None:
    this = service(hardware="a", load="x", features=model(10**6))
    others = [
        this,
        service(hardware="a", load="y", features=model(10**6)),
        service(hardware="b", load="y", features=model(10**6)),
        service(hardware="b", load="y", features=model(10**7)),
        service(hardware="b", load="y", features=model(10**7), engine="vllm"),
    ]
    found = [resemblance(this, other) for other in others]
    assert found == sorted(found, reverse=True)
    assert len(set(found)) == len(found)


def test_a_model_nearer_in_size_is_more_alike_and_none_is_left_out() -> None:
    this = service(features=model(10**6))
    near, far = (resemblance(this, service(features=model(size))) for size in (3 * 10**6, 10**9))
    assert near > far > 0
