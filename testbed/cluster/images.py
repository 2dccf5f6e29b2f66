"""Images on the node: made once, kept in the user's cache, imported where the node lacks them or has older ones."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from testbed.cluster.archive import save
from testbed.cluster.part import run
from testbed.cluster.place import Place
from testbed.cluster.recipes import RECIPES, Recipe
from testbed.lock import locked
from testbed.toolbox import Toolbox

__all__ = ["Images"]


@dataclass(frozen=True, slots=True)
class Images:
    """The images of the recipes; there is no registry, so pods name them with ``imagePullPolicy`` IfNotPresent."""

    place: Place
    box: Toolbox
    recipes: tuple[Recipe, ...] = tuple(RECIPES)
    name: str = "images"

    def start(self) -> None:
        """Import what the node lacks; containerd must answer."""
        for recipe in self.recipes:
            archive = self._archive(recipe)
            if self._imported(recipe) != archive.name:
                run("ctr", "--address", self.place.containerd, "-n", "k8s.io", "images", "import", archive, timeout=300)
                self._note(recipe).parent.mkdir(exist_ok=True)
                self._note(recipe).write_text(archive.name)

    def ready(self) -> bool:
        """The node has each as this machine would make it now."""
        return all(self._imported(recipe) for recipe in self.recipes)

    def stop(self) -> None:
        """They go with containerd's folder; the archives stay in the cache."""

    def logs(self) -> None:
        """It has none."""

    def prepare(self) -> None:
        """Make the archives that are missing, which takes seconds each."""
        for recipe in self.recipes:
            self._archive(recipe)

    def _archive(self, recipe: Recipe) -> Path:
        file = self.place.cache / "images" / f"{recipe.name}-{recipe.digest(self.box)}.tar"
        if not file.is_file():
            with locked(file.with_suffix(".lock"), recipe.name):
                if not file.is_file():
                    save(recipe.make(self.box), file)
                    for older in file.parent.glob(f"{recipe.name}-{'[0-9a-f]' * 16}.tar"):
                        if older != file:
                            older.unlink()
        return file

    def _imported(self, recipe: Recipe) -> str:
        note = self._note(recipe)
        return note.read_text() if note.is_file() else ""

    def _note(self, recipe: Recipe) -> Path:
        return self.place.data / "images" / recipe.name
