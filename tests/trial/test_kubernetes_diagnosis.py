"""What is wrong with a pod, and whose fault that is, from what the cluster's own components write into its status."""

from __future__ import annotations

from typing import Any

import pytest

from tuner.trial.kubernetes.diagnosis import Cause, Trouble, diagnose, unschedulable
from tuner.trial.kubernetes.patience import Patience
from tuner.trial.kubernetes.pod import Pod
from tuner.trial.outcome import FailureKind


def pod(**status: Any) -> Pod:
    return Pod.of(
        {
            "metadata": {"name": "trial-1", "uid": "u", "deletionTimestamp": status.pop("deleting", None)},
            "spec": {"nodeName": "node1"},
            "status": status,
        }
    )


def server(**state: Any) -> Pod:
    ready = state.pop("ready", False)
    conditions = [{"type": "Ready", "status": "True" if ready else "False"}]
    entry = {"name": "server", "image": "example/server:1", "ready": ready, "state": state}
    return pod(phase="Running", conditions=conditions, containerStatuses=[entry])


def disrupted(reason: str) -> Pod:
    condition = {"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "told so"}
    return pod(phase="Failed", conditions=[condition])


def told(one: Pod, *, ready: bool = False, probe: str = "") -> Trouble | None:
    return diagnose(one, "server", memory=256 * 2**20, ready=ready, probe=probe)


@pytest.mark.parametrize("one", [pod(), server(running={}), server(running={}, ready=True), server(waiting={})])
def test_nothing_is_wrong_with_a_pod_that_starts_or_runs(one: Pod) -> None:
    assert told(one) is None


@pytest.mark.parametrize(
    ("one", "ready", "cause", "kind", "words"),
    [
        (
            server(terminated={"exitCode": 3}),
            False,
            Cause.CRASH,
            FailureKind.START,
            "exited before it was ready with code 3",
        ),
        (server(terminated={"exitCode": 3}), True, Cause.CRASH, FailureKind.DIED, "exited under load with code 3"),
        (
            server(terminated={"exitCode": 137, "reason": "OOMKilled"}),
            False,
            Cause.OUT_OF_MEMORY,
            FailureKind.OUT_OF_MEMORY,
            "passed its memory limit of 256 MiB before it was ready",
        ),
        (
            server(terminated={"exitCode": 137, "reason": "OOMKilled"}),
            True,
            Cause.OUT_OF_MEMORY,
            FailureKind.OUT_OF_MEMORY,
            "memory limit of 256 MiB under load",
        ),
        (
            server(waiting={"reason": "ImagePullBackOff", "message": "no such"}),
            False,
            Cause.IMAGE_PULL,
            None,
            "no such",
        ),
        (server(waiting={"reason": "ErrImageNeverPull"}), False, Cause.IMAGE_PULL, None, "example/server:1"),
        (server(waiting={"reason": "CreateContainerConfigError"}), False, Cause.SETUP, None, "cannot be created"),
        (pod(phase="Failed", reason="Evicted", message="low on memory"), True, Cause.EVICTED, None, "low on memory"),
        (pod(phase="Failed", reason="NodeLost"), True, Cause.NODE_LOST, None, "node1"),
        (disrupted("PreemptionByScheduler"), True, Cause.PREEMPTED, None, "told so"),
        (disrupted("EvictionByEvictionAPI"), True, Cause.EVICTED, None, "told so"),
        (disrupted("DeletionByTaintManager"), True, Cause.NODE_LOST, None, "told so"),
        (pod(deleting="2026-01-01T00:00:00Z"), True, Cause.DELETED, None, "somebody removed"),
    ],
)
def test_each_failure_has_its_cause_and_its_fault(
    one: Pod, ready: bool, cause: Cause, kind: FailureKind | None, words: str
) -> None:
    trouble = told(one, ready=ready)
    assert trouble is not None
    assert (trouble.cause, trouble.kind) == (cause, kind)
    assert words in trouble.reason
    assert trouble.reason.startswith(f"{cause}: ")


def test_a_container_that_ends_again_and_again_is_a_crash_loop() -> None:
    status = {
        "name": "server",
        "restartCount": 3,
        "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"exitCode": 1}},
    }
    trouble = told(pod(containerStatuses=[status]))
    assert trouble is not None
    assert (trouble.cause, trouble.kind) == (Cause.CRASH_LOOP, FailureKind.START)
    assert "with code 1, 3 times" in trouble.what


def test_a_server_that_its_probe_has_killed_failed_by_the_probe() -> None:
    trouble = told(server(terminated={"exitCode": 137}), ready=True, probe="Liveness probe failed: timeout")
    assert trouble is not None
    assert (trouble.cause, trouble.kind) == (Cause.PROBE, FailureKind.DIED)
    assert "Liveness probe failed" in trouble.what


def test_a_container_beside_the_server_is_not_the_configurations_fault() -> None:
    failed = {"name": "fetch-model", "restartCount": 1, "lastState": {"terminated": {"exitCode": 1}}}
    trouble = told(pod(initContainerStatuses=[failed]))
    assert trouble is not None
    assert trouble.kind is None
    done = {"name": "fetch-model", "state": {"terminated": {"exitCode": 0}}}
    assert told(pod(initContainerStatuses=[done])) is None


def test_a_ready_server_whose_node_is_silent_is_on_a_lost_node() -> None:
    conditions = [{"type": "Ready", "status": "False"}]
    entry = {"name": "server", "ready": True, "state": {"running": {}}}
    silent = pod(phase="Running", conditions=conditions, containerStatuses=[entry])
    trouble = told(silent, ready=True)
    assert trouble is not None
    assert (trouble.cause, trouble.kind) == (Cause.NODE_LOST, None)
    assert told(server(running={}), ready=True) is None  # busy: its own probe fails, its node reports


def test_an_unschedulable_pod_says_which_resource_and_how_long() -> None:
    message = "0/1 nodes are available: 1 Insufficient nvidia.com/mig-1g.10gb. preemption: 0/1 nodes are available."
    waiting = pod(
        conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}]
    )
    trouble = unschedulable(waiting, 42.3)
    assert trouble is not None
    assert trouble.kind is None
    assert trouble.reason == (
        "unschedulable: 0/1 nodes are available: 1 Insufficient nvidia.com/mig-1g.10gb (waited 42 s)"
    )
    assert unschedulable(pod(), 1.0) is None


def test_only_the_time_after_the_servers_own_start_is_the_configurations() -> None:
    patience = Patience(schedule=10, image=100, start=5)
    nowhere = Pod(name="a", uid="u")
    assert patience.deadline(None, 1000.0, None) == 1010.0
    assert patience.deadline(nowhere, 1000.0, None) == 1010.0
    assert patience.deadline(pod(), 1000.0, None) == 1110.0
    assert patience.deadline(pod(), 1000.0, 1050.0) == 1055.0
