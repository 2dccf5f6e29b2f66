"""The images of the test bed, made from what this machine has: its Python, its C library and the wheels.

``python``: the interpreter with its standard library and a shell. ``triton-python``: Triton Inference Server with ONNX
Runtime, laid out as NVIDIA's image has it (``/opt/tritonserver``). ``model-store``: hands out the sample models.
``pause``: what holds a pod's namespaces.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from testbed import serving
from testbed.cluster.archive import Contents, Image
from testbed.cluster.node import PAUSE
from testbed.toolbox import Toolbox
from tuner.engine.triton.installation import search_path
from tuner.errors import PermanentError

__all__ = ["MODEL_STORE", "PYTHON", "RECIPES", "TRITON", "Recipe"]

PYTHON = "localhost/python:3"
TRITON = "localhost/triton-python:2"
MODEL_STORE = "localhost/model-store:1"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_SYSTEM = ("/lib/", "/lib64/", "/usr/lib/", "/usr/lib64/")
_SERVICES = ("file-type", "text-orientation")
_CONFIGS = Path(__file__).resolve().parents[2] / "configs"
_FETCH = """\
#!/usr/local/bin/python3
\"\"\"model-store fetch MODEL/VERSION FOLDER: put a model's files into a folder.\"\"\"
import pathlib, shutil, sys
_, what, where = sys.argv[1:]
target = pathlib.Path(where)
target.mkdir(parents=True, exist_ok=True)
for file in pathlib.Path("/models", what).iterdir():
    shutil.copyfile(file, target / file.name)
"""


@dataclass(frozen=True, slots=True)
class Recipe:
    """``key`` names everything that the image is made from, so that it is made anew where any of it changes."""

    name: str
    image: str
    key: Callable[[Toolbox], str]
    make: Callable[[Toolbox], Image]

    def digest(self, box: Toolbox) -> str:
        """Of the ingredients and of the code here."""
        code = b"".join(Path(file).read_bytes() for file in (__file__, Path(__file__).with_name("archive.py")))
        return hashlib.sha256(code + self.key(box).encode()).hexdigest()[:16]


def _pause(box: Toolbox) -> Image:
    contents = Contents()
    contents.file("/pause", box.path("pause"))
    return Image(PAUSE, [contents], ["/pause"])


def _python(_: Toolbox) -> Image:
    return Image(PYTHON, [_interpreter()], ["python3"], environment=_environment())


def _triton(_: Toolbox) -> Image:
    home = serving.install()
    packages = next(home.glob("lib/python3.*/site-packages"))
    contents = Contents()
    site = f"/usr/local/lib/{packages.parent.name}/site-packages"
    contents.tree(site, packages, ("pytriton", "nvidia_pytriton.libs", "models"))
    binaries = packages / "pytriton" / "tritonserver"
    contents.file("/opt/tritonserver/bin/tritonserver", binaries / "bin" / "tritonserver")
    contents.link("/usr/local/bin/tritonserver", "/opt/tritonserver/bin/tritonserver")
    contents.tree("/opt/tritonserver/backends", home / "backends")
    contents.tree("/opt/tritonserver/caches", binaries / "caches")
    contents.tree("/opt/tritonserver/lib", packages / "nvidia_pytriton.libs")
    folders = search_path(home)["LD_LIBRARY_PATH"]
    for library in (file for folder in folders.split(":") for file in Path(folder).glob("libpython3*.so*")):
        contents.file(f"/opt/tritonserver/lib/{library.name}", library)
    programs = [Path("/bin/bash"), binaries / "bin" / "tritonserver", *packages.glob("onnxruntime/**/*.so")]
    programs += [home / "backends/python/triton_python_backend_stub", home / "backends/python/libtriton_python.so"]
    _libraries(contents, programs, folders)
    contents.file("/bin/bash", Path("/bin/bash"))
    environment = _environment("/opt/tritonserver/lib:/usr/local/lib")
    return Image(TRITON, [_interpreter(), contents], ["tritonserver"], environment=environment)


def _model_store(_: Toolbox) -> Image:
    contents = Contents()
    home = serving.install()
    for service in _SERVICES:
        contents.file(f"/models/{service}/1/model.onnx", serving.onnx_model(home, service))
        for file in (_CONFIGS / service / "model" / "1").glob("*.py"):
            contents.file(f"/models/{service}/1/{file.name}", file)
    contents.text("/usr/local/bin/model-store", _FETCH, 0o755)
    entrypoint = ["/usr/local/bin/model-store"]
    return Image(MODEL_STORE, [_interpreter(), contents], entrypoint=entrypoint, environment=_environment())


def _environment(libraries: str = "/usr/local/lib") -> Mapping[str, str]:
    return {"PATH": _PATH, "LD_LIBRARY_PATH": libraries, "PYTHONDONTWRITEBYTECODE": "1", "LANG": "C.UTF-8"}


def _interpreter() -> Contents:
    """The running interpreter without its packages, moved to ``/usr/local``, and busybox as shell."""
    contents = Contents()
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    program = Path(sys.base_prefix, "bin", version)
    library = Path(sysconfig.get_path("stdlib"))
    contents.file(f"/usr/local/bin/{version}", program)
    for name in ("python3", "python"):
        contents.link(f"/usr/local/bin/{name}", version)
    configs = [folder.name for folder in library.glob("config-*")]
    contents.tree(f"/usr/local/lib/{version}", library, ("site-packages", "dist-packages", *configs))
    contents.folder(f"/usr/local/lib/{version}/site-packages")
    for file in Path(sys.base_prefix, "lib").glob("libpython3*.so*"):
        contents.file(f"/usr/local/lib/{file.name}", file)
    _libraries(contents, [program, *library.glob("lib-dynload/*.so")])
    _shell(contents)
    return contents


def _shell(contents: Contents) -> None:
    contents.file("/bin/busybox", _program("busybox"))
    for applet in _say(str(_program("busybox")), "--list").split():
        if applet != "busybox":
            contents.link(f"/bin/{applet}", "busybox")
    root, nobody = "root:x:0:0:root:/root:/bin/sh", "nobody:x:65534:65534:nobody:/:/bin/sh"
    contents.text("/etc/passwd", f"{root}\ntuner:x:1000:1000:tuner:/tmp:/bin/sh\n{nobody}\n")
    contents.text("/etc/group", "root:x:0:\ntuner:x:1000:\nnogroup:x:65534:\n")
    contents.text("/etc/nsswitch.conf", "hosts: files dns\n")
    contents.folder("/tmp", 0o1777)  # noqa: S108 - of the image
    contents.folder("/root", 0o700)


def _libraries(contents: Contents, programs: Iterable[Path], search: str = "") -> None:
    """The system's libraries that these programs name, at their own places."""
    environment = {"LD_LIBRARY_PATH": search} if search else None
    for program in programs:
        for found in re.findall(r"(?:=> |^\s+)(/\S+) \(", _say("ldd", str(program), environment=environment), re.M):
            if found.startswith(_SYSTEM):
                contents.file(found, Path(found))


def _say(*command: str, environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    if done.returncode != 0 and "not a dynamic executable" not in done.stderr + done.stdout:
        raise PermanentError(f"{' '.join(command[:3])} failed: {(done.stderr or done.stdout).strip()[-300:]}")
    return done.stdout


def _program(name: str) -> Path:
    found = shutil.which(name)
    if found is None:
        raise PermanentError(f"{name} is missing (Debian package busybox-static)")
    return Path(found)


def _ours(_: Toolbox) -> str:
    return f"{sys.version} {sys.base_prefix} {_say('ldd', '--version').splitlines()[0]} {_program('busybox').stat()}"


def _theirs(box: Toolbox) -> str:
    models = (file.read_text() for service in _SERVICES for file in (_CONFIGS / service).glob("model/1/*.py"))
    return json.dumps([_ours(box), serving.LOCK.read_text(), *models])


RECIPES: Sequence[Recipe] = (
    Recipe("pause", PAUSE, lambda box: str(box.path("pause")), _pause),
    Recipe("python", PYTHON, _ours, _python),
    Recipe("triton-python", TRITON, _theirs, _triton),
    Recipe("model-store", MODEL_STORE, _theirs, _model_store),
)
