"""The generated protobuf classes out of the tritonclient wheel.

They are loaded by path: importing the package that they are in would need grpcio.
"""

from __future__ import annotations

import functools
import importlib.abc
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from tuner.errors import PermanentError

__all__ = ["model_config", "service"]

_PACKAGE = "tritonclient.grpc"


@functools.cache
def model_config() -> Any:
    """The module of model_config.proto. PermanentError where the wheel is missing."""
    return _loaded("model_config_pb2")


@functools.cache
def service() -> Any:
    """The module of grpc_service.proto. PermanentError where the wheel is missing."""
    with _imported(model_config()):
        return _loaded("service_pb2")


def _loaded(name: str) -> ModuleType:
    package = importlib.util.find_spec("tritonclient")
    for folder in (package.submodule_search_locations or ()) if package else ():
        spec = importlib.util.spec_from_file_location(f"tuner_{name}", Path(folder, "grpc", f"{name}.py"))
        if spec and isinstance(spec.loader, importlib.abc.Loader):
            module = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(module)
            return module
    raise PermanentError("tritonclient is not installed: install tuner's dependencies again")


@contextmanager
def _imported(config: ModuleType) -> Iterator[None]:
    """The service's module imports the configuration's by its name in the package: it finds the one at hand."""
    before = {name: sys.modules.get(name) for name in (_PACKAGE, f"{_PACKAGE}.model_config_pb2")}
    package = ModuleType(_PACKAGE)
    package.model_config_pb2 = config  # type: ignore[attr-defined]
    sys.modules[_PACKAGE], sys.modules[f"{_PACKAGE}.model_config_pb2"] = package, config
    try:
        yield
    finally:
        for name, module in before.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
