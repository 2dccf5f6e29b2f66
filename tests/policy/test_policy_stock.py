"""Stock-taking: what the manifests of a commit hold, and which limits they state."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import pytest

from tests.policy.repositories import make_repository
from tuner.policy.quota import QuotaEntry, read_quota
from tuner.policy.stock import Stock, take_stock

SLICE, BOARD = "nvidia.com/mig-1g.10gb", "NVIDIA-H100-80GB-HBM3"
Take = Callable[[dict[str, str]], Stock]


def workload(
    name: str = "other",
    *,
    kind: str = "Deployment",
    replicas: int | str = 2,
    each: object = 1,
    board: str = BOARD,
    namespace: str = "",
) -> str:
    selector = f"\n      nodeSelector: {{nvidia.com/gpu.product: {board}}}" if board else ""
    space = f", namespace: {namespace}" if namespace else ""
    return f"""\
apiVersion: apps/v1
kind: {kind}
metadata: {{name: {name}{space}}}
spec:
  replicas: {replicas}
  template:
    spec:{selector}
      containers:
        - name: {name}
          image: x
          resources:
            limits: {{cpu: 1, {SLICE}: {each}}}
"""


@pytest.fixture
def take(tmp_path: Path) -> Take:
    numbers = count()

    def taken(files: dict[str, str]) -> Stock:
        with make_repository(tmp_path / str(next(numbers)), files) as repository:
            return take_stock(repository.snapshot(repository.resolve("main")))

    return taken


def entry(**change: object) -> QuotaEntry:
    return QuotaEntry(product=BOARD, resource=SLICE, limit=7).model_copy(update=change)


def test_replicas_times_limits_of_every_other_workload_count(take: Take) -> None:
    stock = take(
        {
            "a/deployment.yaml": workload("a"),
            "b/rollout.yaml": workload("b", kind="Rollout", replicas=3),
            "c/stateful.yaml": f"{workload('c', kind='StatefulSet', replicas=1)}---\n{workload('d', replicas=0)}",
            "e/other.yaml": workload("e", board="NVIDIA-H200"),
            "f/none.yaml": workload("f").replace(f", {SLICE}: 1", ""),
        }
    )
    assert stock.unread == ()
    assert stock.held(entry()) == 2 + 3 + 1
    assert stock.held(entry(), "a/deployment.yaml", "a") == 3 + 1
    assert stock.held(entry(), "a/deployment.yaml", "z") == 6
    assert stock.held(entry(product="*")) == 6 + 2


def test_what_is_bound_to_no_board_counts_on_each(take: Take) -> None:
    stock = take({"a.yaml": workload("a", board="")})
    assert stock.held(entry()) == stock.held(entry(product="NVIDIA-H200")) == 2


def test_jobs_pods_and_initial_containers_count(take: Take) -> None:
    pod = f"""\
apiVersion: v1
kind: Pod
metadata: {{name: p}}
spec:
  initContainers: [{{name: i, resources: {{limits: {{{SLICE}: 3}}}}}}]
  containers: [{{name: c, resources: {{requests: {{{SLICE}: "2"}}}}}}]
"""
    job = workload("j", kind="Job", replicas=9).replace("replicas", "parallelism")
    assert take({"p.yaml": pod}).held(entry()) == 3
    assert take({"j.yaml": job}).held(entry()) == 9


def test_an_autoscaler_may_take_its_most(take: Take) -> None:
    scaler = """\
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: a}
spec: {maxReplicas: 5, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: a}}
"""
    keda = scaler.replace("HorizontalPodAutoscaler", "ScaledObject").replace("maxReplicas: 5, ", "")
    assert take({"a.yaml": workload("a"), "scaler.yaml": scaler}).held(entry()) == 5
    assert take({"a.yaml": workload("a"), "scaler.yaml": keda}).held(entry()) == 100


def test_a_resource_quota_states_a_limit(take: Take) -> None:
    quota = f"""\
apiVersion: v1
kind: ResourceQuota
metadata: {{name: gpus, namespace: vision}}
spec: {{hard: {{requests.{SLICE}: "4", pods: "10"}}}}
"""
    stock = take(
        {"quota.yaml": quota, "a.yaml": workload("a", namespace="vision"), "b.yaml": workload("b", namespace="x")}
    )
    (limit,) = stock.entries((), "", "")
    assert limit == QuotaEntry(product="*", resource=SLICE, limit=4, taken=2, namespace="vision", source="quota.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "resources:\n  {{- if .Values.gpu }}\n  limits: {nvidia.com/gpu: 1}\n  {{- end }}\n",
        "resources: {limits: {nvidia.com/gpu: 1}}\n",
        workload(each="a lot"),
        workload(replicas="many"),
        workload(kind="DaemonSet"),
        "apiVersion: serving/v1\nkind: Service\nspec: {predictor: {resources: {limits: {nvidia.com/gpu: 1}}}}\n",
        "- nvidia.com/gpu\n",
        "a: &a [nvidia.com/gpu]\nb: &b [*a, *a]\nc: &c [*b, *b]\nd: [*c, *c]\n",
    ],
)
def test_what_cannot_be_counted_is_told(take: Take, text: str) -> None:
    stock = take({"chart/x.yaml": text})
    assert stock.unread == ("chart/x.yaml",)
    (told,) = stock.entries((entry(),), "", "")
    assert told.uncounted == ("chart/x.yaml",)
    (known,) = stock.entries((entry(),), "", "", known=("chart/x.yaml",))
    assert known.uncounted == ()


def test_what_names_no_gpu_and_what_is_tuners_own_is_left_out(take: Take) -> None:
    files = {
        "values.yaml": "{{ broken",
        "notes.md": "nvidia.com/gpu",
        "policies/data.yaml": "a: nvidia.com/gpu\n",
        "audit/x/policy.json": '{"a": "nvidia.com/gpu"}',
        "tuning.yaml": "apiVersion: tuner/v1alpha1\nkind: TuningSpec\nprices: {gpus: {nvidia.com/gpu: 1}}\n",
    }
    assert take(files) == Stock()


def test_what_no_manifest_shows_is_added(tmp_path: Path) -> None:
    quota = f"""\
apiVersion: tuner/v1alpha1
kind: Quota
quotas:
  - product: {BOARD}
    resources: {{{SLICE}: {{limit: 7, taken: 2}}}}
uncounted: [chart/x.yaml]
"""
    files = {"policies/quota.yaml": quota, "a.yaml": workload("a"), "chart/x.yaml": "{{ nvidia.com/gpu }}"}
    with make_repository(tmp_path, files) as repository:
        snapshot = repository.snapshot(repository.resolve("main"))
        stated = read_quota(snapshot)
        (told,) = take_stock(snapshot).entries(stated.entries, "", "", stated.uncounted)
    assert (told.limit, told.taken, told.uncounted) == (7, 4, ())
