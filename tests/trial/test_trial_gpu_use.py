"""What a server uses of its GPUs: told apart from its neighbours where the driver does, absent where it is not."""

# ruff: noqa: N802 - NVIDIA's names
from __future__ import annotations

import threading

import pynvml

from tests.trial.conftest import until
from tests.trial.fake_nvml import GIB, Device, FakeNvml, Running, h100, nvml_error, slice_of
from tuner.measurement.resource_use import GpuUse
from tuner.trial.gpu_use import GpuReader
from tuner.trial.observation import LocalObservation

SERVER = (41, 42)


def reader(nvml: FakeNvml, *uuids: str) -> GpuReader:
    return GpuReader(uuids, lambda: SERVER, nvml)


def test_a_board_tells_the_servers_memory_and_how_busy_it_was() -> None:
    board = h100(mig=False)
    nvml = FakeNvml([board])
    gpus = reader(nvml, "GPU-0")
    for own, busy in ((3, 50), (5, 100), (4, 0)):
        board.running = [Running(41, own * GIB), Running(42, GIB), Running(99, 20 * GIB)]
        board.used, board.busy = 30 * GIB, busy
        gpus.sample()
    gpus.close()
    assert gpus.uses() == (GpuUse(uuid="GPU-0", samples=3, peak_memory=6 * GIB, memory_of="server", activity=0.5),)
    assert nvml.open == 0


def test_an_instance_tells_its_memory_and_has_no_activity() -> None:
    own = slice_of("1g.10gb", 1, 9.75)
    own.used, own.running = 2 * GIB, [Running(41, None)]
    gpus = reader(FakeNvml([h100(slice_of("1g.10gb", 0, 9.75), own)]), "MIG-1")
    gpus.sample()
    assert gpus.uses() == (GpuUse(uuid="MIG-1", samples=1, peak_memory=2 * GIB, memory_of="device", activity=None),)


def test_processes_of_another_namespace_leave_the_devices_own_count() -> None:
    board = h100(mig=False)
    board.used, board.running = 7 * GIB, [Running(100_041, 5 * GIB)]
    gpus = reader(FakeNvml([board]), "GPU-0")
    gpus.sample()
    (use,) = gpus.uses()
    assert (use.peak_memory, use.memory_of) == (7 * GIB, "device")


def test_once_told_apart_the_devices_count_is_forgotten() -> None:
    board = h100(mig=False)
    board.used = 30 * GIB  # the server has not allocated yet: what is there is a neighbour's
    gpus = reader(FakeNvml([board]), "GPU-0")
    gpus.sample()
    board.running = [Running(41, GIB)]
    gpus.sample()
    board.running = []
    gpus.sample()
    (use,) = gpus.uses()
    assert (use.peak_memory, use.memory_of, use.samples) == (GIB, "server", 3)


def test_a_driver_that_hides_processes_still_tells_the_memory() -> None:
    board = h100(mig=False)
    board.used, board.running = GIB, None
    gpus = reader(FakeNvml([board]), "GPU-0")
    gpus.sample()
    assert gpus.uses()[0].peak_memory == GIB


def test_what_the_driver_does_not_say_is_absent() -> None:
    lost, old = h100(mig=False), Device("Tesla T4", "GPU-7", 16 * GIB)
    lost.broken, old.used = True, GIB
    gpus = reader(FakeNvml([lost, old]), "GPU-0", "GPU-7", "GPU-9")
    gpus.sample()
    assert [(use.uuid, use.samples, use.peak_memory) for use in gpus.uses()] == [
        ("GPU-0", 0, None),
        ("GPU-7", 1, GIB),
        ("GPU-9", 0, None),
    ]


def test_a_driver_that_does_not_start_is_no_error() -> None:
    class Broken(FakeNvml):
        def nvmlInit(self) -> None:
            raise nvml_error(pynvml.NVML_ERROR_DRIVER_NOT_LOADED)

    gpus = reader(Broken([]), "GPU-0")
    gpus.sample()
    gpus.close()
    assert not gpus.useful
    assert gpus.uses() == (GpuUse(uuid="GPU-0", samples=0),)


def test_without_gpus_the_driver_is_not_touched() -> None:
    nvml = FakeNvml([h100()])
    assert not reader(nvml).useful
    assert nvml.open == 0


def test_an_observation_samples_while_it_lasts_and_counts_the_servers_cpu() -> None:
    board = h100(mig=False)
    board.running = [Running(41, GIB)]
    nvml = FakeNvml([board])
    used = iter((10.0, 12.5))
    before = threading.active_count()
    observation = LocalObservation((0,), lambda: next(used), reader(nvml, "GPU-0"), every=0.01)
    assert until(lambda: threading.active_count() > before)
    board.running = [Running(41, 2 * GIB)]
    assert until(lambda: seen(observation) == 2 * GIB)
    found = observation.end()
    assert found.use is not None
    assert found.use.cpu_seconds == 2.5
    assert found.use.gpus[0].peak_memory == 2 * GIB
    assert found.interference is not None
    assert until(lambda: threading.active_count() == before)
    assert nvml.open == 0


def seen(observation: LocalObservation) -> int | None:
    return observation._gpus.uses()[0].peak_memory
