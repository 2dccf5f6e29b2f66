"""The page opens from disk, loads nothing, and can be read by everybody."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from tuner.report.document import render
from tuner.report.model import ReportInput
from tuner.report.page import page as page_of
from tuner.report.question import Question
from tuner.report.text import clean
from tuner.trial.outcome import Completed

Build = Callable[..., ReportInput]
ENDINGS = ["propose", "keep", "denied", "denied-then-next"]
VOID = {"meta", "br", "img", "input", "link", "hr"}
NASTY = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)> {{7*7}} \u202e </table> </pre> </title> ]]> &amp;"


class Page(HTMLParser):
    """Elements with their attributes; refuses what is not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.stack: list[str] = []
        self.text = ""
        self.script = ""
        self.feed(text)
        self.close()
        assert self.stack == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.stack.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.stack.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.stack and self.stack[-1] == "script":
            self.script += data
        elif not self.stack or self.stack[-1] != "style":
            self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module", params=ENDINGS)
def page(request: pytest.FixtureRequest, build: Build) -> Page:
    return Page(render(build(request.param)).page)


def test_it_loads_nothing(page: Page) -> None:
    for tag, attributes in page.elements:
        assert tag not in {"link", "iframe", "object", "embed", "form", "base", "audio", "video", "img"}
        assert "src" not in attributes
        for name in ("href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith("#")
        assert "url(" not in (attributes.get("style") or "").replace("url(#", "")
    policy = next(each["content"] for each in page.all("meta") if each.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none';")
    assert "connect-src" not in policy
    assert "script-src 'unsafe-inline'" not in policy


def test_only_its_own_script_may_run(page: Page) -> None:
    digest = base64.b64encode(hashlib.sha256(page.script.encode()).digest()).decode()
    policy = next(each["content"] for each in page.all("meta") if each.get("http-equiv"))
    assert f"script-src 'sha256-{digest}'" in (policy or "")
    assert len(page.all("script")) == 1
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)


def test_every_question_has_a_section(page: Page) -> None:
    headings = {attributes.get("id") for attributes in page.all("h2")}
    assert {question.anchor for question in Question} <= headings
    assert len(page.all("h1")) == 1
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_ids_are_unique_and_every_reference_has_its_target(page: Page) -> None:
    ids = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    for _, attributes in page.elements:
        wanted = (attributes.get("aria-labelledby") or "").split()
        wanted += [
            target[1:] for key in ("href", "xlink:href") if (target := attributes.get(key) or "").startswith("#")
        ]
        assert set(wanted) <= set(ids)


def test_tables_and_plots_are_described(page: Page) -> None:
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(attributes.get("scope") in {"col", "row"} for attributes in page.all("th"))
    for svg in page.all("svg"):
        assert svg.get("role") == "img"
        assert svg.get("aria-labelledby")
    assert len(page.all("desc")) == len(page.all("svg"))
    assert page.all("html")[0].get("lang") == "en"


def test_figures_on_the_page_equal_the_records(build: Build) -> None:
    report = build()
    comparison = report.recommendation.comparison
    assert comparison is not None
    raw = {attributes["value"] for attributes in Page(page_of(report, ())).all("data")}
    for side in (comparison.baseline, comparison.candidate):
        assert {str(value) for value in side.latency.values()} <= raw
        assert side.cost.monthly is not None
        assert str(float(side.cost.monthly.amount)) in raw
    assert str(comparison.ratio.value) in raw
    assert str(report.effort.core_hours) in raw


def test_every_trial_is_in_the_table_and_failed_ones_have_no_score(build: Build) -> None:
    report = build()
    made = page_of(report, ())
    rows = re.findall(r'<tr><th scope="row" data-value="(\d+)">(.*?)</tr>', made)
    assert [int(number) for number, _ in rows] == [trial.number for trial in report.trials]
    for trial, (_, row) in zip(report.trials, rows, strict=True):
        capacity, cost = re.findall(r'<td class="number" data-value="([^"]*)">', row)[:2]
        if isinstance(trial.outcome, Completed):
            assert trial.outcome.measurement.capacity is not None
            assert float(capacity) == trial.outcome.measurement.capacity.rate.value
            assert float(cost) > 0
        else:
            assert (capacity, cost) == ("", "")
            assert trial.outcome.reason in row
        for name, value in trial.assignment.items():
            assert f"{name}={value}" in row


def test_five_hundred_trials_stay_under_two_megabytes(build: Build) -> None:
    assert len(render(build(trials=500, samples=5)).page.encode()) < 2_000_000


@pytest.mark.parametrize("ending", ENDINGS)
def test_foreign_text_changes_nothing_in_the_shape(poison: Build, ending: str) -> None:
    plain, foul = Page(page_of(poison("plain", ending), ())), Page(page_of(poison(NASTY, ending), ()))
    assert [tag for tag, _ in foul.elements] == [tag for tag, _ in plain.elements]
    assert foul.script == plain.script
    assert clean(NASTY) in foul.text
    assert "\u202e" not in foul.text


def test_commands_keep_their_lines(build: Build) -> None:
    assert "git switch main\ngit revert" in Page(page_of(build(), ())).text
