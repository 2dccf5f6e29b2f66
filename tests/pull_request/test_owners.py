"""Reviewers are those whom CODEOWNERS names for the files of the change."""

from __future__ import annotations

import pytest

from tests.pull_request.hosting import MANIFEST, Hosted
from tuner.pull_request.owners import owners_of

RULES = """
# everything
*                      @acme/platform
configs/               @ada me@example.com @acme/serving
configs/other/         @bob
"""


def owners(hosted: Hosted, files: dict[str, str], *paths: str) -> tuple[str, ...]:
    return owners_of(hosted.repository.snapshot(hosted.commit("main", files)), paths)


def test_the_last_rule_that_fits_names_them(bare: Hosted) -> None:
    assert owners(bare, {"CODEOWNERS": RULES}, MANIFEST) == ("ada", "acme/serving")
    assert owners(bare, {}, MANIFEST, "README.md") == ("ada", "acme/serving", "acme/platform")


def test_the_forges_own_folder_comes_first(bare: Hosted) -> None:
    assert owners(bare, {"CODEOWNERS": RULES, ".github/CODEOWNERS": "* @carol\n"}, MANIFEST) == ("carol",)


def test_nobody_is_asked_without_the_file(bare: Hosted) -> None:
    assert owners(bare, {"README.md": "hello\n"}, MANIFEST) == ()


@pytest.mark.parametrize("text", ["(unclosed @ada\n", "[ @ada\n", "** @\n", "\0 @ada\n", "* @ada # note\n", "\\ @x\n"])
def test_a_file_that_is_wrong_stops_nothing(bare: Hosted, text: str) -> None:
    assert set(owners(bare, {"CODEOWNERS": text}, MANIFEST)) <= {"ada"}
