"""The body answers ten questions, each under its heading, with the recorded figures."""

from __future__ import annotations

import re
import statistics
from collections.abc import Callable
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tuner.recommendation.model import KeepBaseline
from tuner.report import format as fmt
from tuner.report.body import BODY_LIMIT, body
from tuner.report.document import render
from tuner.report.headline import title
from tuner.report.model import Candidate, ReportInput
from tuner.report.provenance import short
from tuner.report.question import Question
from tuner.report.text import clean
from tuner.spec.model import Baseline
from tuner.trial.outcome import Completed

Build = Callable[..., ReportInput]
ENDINGS = ["propose", "keep", "denied", "denied-then-next"]


def words(report: ReportInput) -> str:
    """The body without plots, which take time to draw."""
    return body(report, ())


def sections(body: str) -> dict[str, str]:
    parts = re.split(r"^### (.*)$", body, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_question_has_its_heading_and_an_answer(build: Build, ending: str) -> None:
    found = sections(words(build(ending)))
    assert list(found) == [question.value for question in Question]
    assert all(len(answer.strip()) > 20 for answer in found.values())


def test_what_changes(build: Build) -> None:
    report = build()
    answer = sections(words(report))[Question.CHANGES]
    for change in report.changes:
        assert f"| `{change.name}` | `{change.before}` | `{change.after}` |" in answer
    assert report.diff.strip() in answer


def test_how_much_better_and_how_sure(build: Build) -> None:
    report = build()
    comparison = report.recommendation.comparison
    assert comparison is not None
    answer = sections(words(report))[Question.BETTER]
    assert fmt.ratio(comparison.ratio, comparison.confidence) in answer
    assert "audit record 51" in answer
    assert comparison.order in answer
    for side in (comparison.baseline, comparison.candidate):
        median = statistics.median(side.capacities)
        shown = [float(found.replace(",", "")) for found in re.findall(r"\| ([\d,]+) \(", answer)]
        assert any(abs(each - median) <= median * 0.005 for each in shown)
        assert fmt.latency(side.latency["p99"]) in answer
        assert fmt.latency(side.latency["p50"]) in answer


def test_at_what_load_and_slo(build: Build) -> None:
    answer = sections(words(build()))[Question.LOAD]
    for part in ("p50 ≤ 20 ms", "p99 ≤ 50 ms", "0.1 %", "99 %", "Poisson", "480 requests/s", "2,000 requests/s"):
        assert part in answer


def test_what_it_costs(build: Build) -> None:
    report = build()
    comparison = report.recommendation.comparison
    assert comparison is not None
    answer = sections(words(report))[Question.COST]
    before, after = comparison.baseline.cost, comparison.candidate.cost
    assert before.monthly is not None
    assert after.monthly is not None
    saved = before.monthly.model_copy(update={"amount": before.monthly.amount - after.monthly.amount})
    assert f"{fmt.amount(saved)} (33 %) less" in answer
    for cost in (before, after):
        assert cost.monthly is not None
        assert cost.per_million is not None
        assert fmt.amount(cost.monthly) in answer
        shown = [float(found) for found in re.findall(r"\| ([\d.]+) \([\d.]+–[\d.]+\) USD", answer)]
        assert any(abs(each - float(cost.per_million.amount)) < 1e-4 for each in shown)


def test_what_the_policies_said(build: Build) -> None:
    answer = sections(words(build()))[Question.POLICY]
    assert "Trial 11: **allowed**, 1 warning" in answer
    assert "audit record 52" in answer
    assert "changes 2 settings at once" in answer
    for package in ("tuner.cost", "tuner.sla", "tuner.image"):
        assert f"| `{package}` | allows |" in answer


def test_what_was_tried_and_what_failed(build: Build) -> None:
    report = build()
    answer = sections(words(report))[Question.TRIALS]
    assert "36 trials of 420 configurations: 31 measured" in answer
    failed = [trial for trial in report.trials if not isinstance(trial.outcome, Completed)]
    assert failed
    for trial in failed:
        assert not isinstance(trial.outcome, Completed)
        row = next(line for line in answer.splitlines() if trial.outcome.reason in line)
        assert str(trial.number) in row.split("|")[1]
        assert "requests/s" not in row.replace(trial.outcome.reason, "")
        assert "USD" not in row


def test_why_not_the_runner_up(build: Build) -> None:
    answer = sections(words(build()))[Question.RUNNER_UP]
    assert re.search(r"Trial 12: 0\.\d+× \(0\.\d+–0\.\d+×\) of the proposed one", answer)
    assert "audit record 16" in answer


def test_a_better_candidate_that_was_denied_is_the_runner_up(build: Build) -> None:
    report = build("denied-then-next")
    answer = sections(words(report))[Question.RUNNER_UP]
    first = report.candidates[0].comparison
    assert first is not None
    assert f"Trial 11: {fmt.ratio(first.ratio, 0.95)} of the baseline" in answer
    assert "cost.monthly" in answer


def test_the_baseline_is_no_runner_up_where_nothing_was_better(build: Build) -> None:
    reason = "keep the baseline: the baseline is the best configuration found in 36 trials"
    nothing = Candidate(trial=0, comparison=None, comparison_record=51, reason=reason)
    report = build("keep", recommendation=KeepBaseline(reason=reason), candidates=(nothing,))
    answer = sections(words(report))[Question.RUNNER_UP]
    assert "Trial 0:" not in answer
    assert answer.count("What decided") == 1


def test_what_was_measured_is_what_ships(build: Build) -> None:
    report = build()
    answer = sections(words(report))[Question.MEASURED]
    comparison = report.recommendation.comparison
    assert comparison is not None
    assert answer.count(comparison.candidate.workload[:19]) == 2
    assert ": the same." in answer
    assert "the trials ran no image" in answer
    assert "AMD EPYC 7B13, 2 cores, 8 GiB, no GPU" in answer


def test_what_ships_is_not_what_was_measured(build: Build) -> None:
    report = build()
    assert report.shipped is not None
    other = report.shipped.model_copy(update={"workload": "sha256:" + "0" * 64})
    answer = sections(words(build(shipped=other)))[Question.MEASURED]
    assert "**not the same, do not merge**" in answer


def test_how_to_undo_and_how_to_verify(build: Build) -> None:
    found = sections(words(build()))
    assert "git revert" in found[Question.UNDO]
    assert "configs/text-orientation/deployment.yaml" in found[Question.UNDO]
    assert "tuner audit verify audit/text-orientation/text-orientation-3f2a9c1b.jsonl" in found[Question.VERIFY]
    assert "tuner report text-orientation-3f2a9c1b" in found[Question.VERIFY]
    assert "docs/audit.md" in found[Question.VERIFY]


def test_what_undoing_restores_is_the_baseline_only_where_that_is_the_manifest(build: Build) -> None:
    report = build()
    elsewhere = report.spec.model_copy(update={"baseline": Baseline(source="engine")})
    digest = short(report.baseline)
    assert digest in sections(words(report))[Question.UNDO]
    assert digest not in sections(words(build(spec=elsewhere)))[Question.UNDO]


def test_keeping_the_baseline_shows_the_nearest_miss(build: Build) -> None:
    report = build("keep")
    made = words(report)
    assert title(report) == "keep text-orientation: nothing better within p99 ≤ 50 ms"
    assert "nearest miss: 1.02× (0.98–1.06×, 95 %)" in made.splitlines()[0]
    found = sections(made)
    assert found[Question.CHANGES].startswith("\n\nNothing:")
    assert "the interval of the ratio includes 1" in found[Question.BETTER]
    assert "nothing to undo" in found[Question.UNDO]
    assert "Taken at face value" in found[Question.COST]


def test_keeping_the_baseline_without_any_candidate(build: Build) -> None:
    bare = build("keep", recommendation=KeepBaseline(reason="no trial met the SLO"), candidates=())
    made = words(bare)
    assert "nothing better was found" in made.splitlines()[0]
    assert list(sections(made)) == [question.value for question in Question]
    assert "no trial met the SLO" in sections(made)[Question.BETTER]


def test_a_denial_says_what_was_denied_and_what_would_pass(build: Build) -> None:
    report = build("denied")
    made = words(report)
    assert title(report) == "keep text-orientation: denied by policy (cost.monthly)"
    assert "denied by policy" in made.splitlines()[0]
    answer = sections(made)[Question.POLICY]
    assert "the limit of the team is 100 USD" in answer
    assert "candidate.monthly_cost = 110.668" in answer
    assert "It would pass if" in answer
    assert "No other candidate was tried" in answer


def test_a_denial_after_which_nothing_better_was_left(build: Build) -> None:
    denied = build("denied-then-next")
    second = denied.candidates[1]
    assert second.comparison is not None
    ended = build(
        "denied-then-next",
        recommendation=KeepBaseline(reason="the next one is not better", comparison=second.comparison),
        candidates=(denied.candidates[0], second.model_copy(update={"verdict": None, "reason": "not better"})),
    )
    made = words(ended)
    assert "denied by policy" in title(ended)
    assert "candidates that were tried after it" in sections(made)[Question.POLICY]
    assert "not better" in sections(made)[Question.RUNNER_UP]


def test_a_verdict_without_a_denial_and_without_an_allow_is_a_deny(build: Build) -> None:
    report = build()
    (candidate,) = report.candidates
    assert candidate.verdict is not None
    silent = candidate.verdict.model_copy(update={"allow": False, "denials": ()})
    denied = build(candidates=(candidate.model_copy(update={"verdict": silent}),))
    assert title(denied).startswith("keep text-orientation: denied")
    assert "without an allow it is denied" in words(denied)


def test_the_body_fits_a_forge_however_long_the_campaign(build: Build) -> None:
    report = build("denied", trials=500, samples=5)
    candidate = report.candidates[0]
    assert candidate.verdict is not None
    reasons = tuple(candidate.verdict.denials[0].model_copy(update={"msg": "*@" * 1000}) for _ in range(100))
    verdict = candidate.verdict.model_copy(update={"denials": reasons})
    changes = tuple(report.changes[0].model_copy(update={"name": f"p{number}"}) for number in range(400))
    long = build(
        "denied", trials=500, samples=5, candidates=(candidate.model_copy(update={"verdict": verdict}),),
        changes=changes, diff="+" + "x" * 100_000 + "\n" + "+y\n" * 10_000,
    )  # fmt: skip
    made = words(long)
    assert len(made) <= BODY_LIMIT
    assert list(sections(made)) == [question.value for question in Question]


def test_titles_fit(build: Build) -> None:
    report = build()
    for ending in ENDINGS:
        for name in ("a", "x" * 63):
            metadata = report.spec.metadata.model_copy(update={"name": name})
            made = title(build(ending, spec=report.spec.model_copy(update={"metadata": metadata})))
            assert len(made) <= 72
            assert "\n" not in made


class Markup(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.comments: list[str] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_comment(self, data: str) -> None:
        self.comments.append(data)

    def handle_data(self, data: str) -> None:
        self.text += data


def shape(body: str) -> Markup:
    return Markup(MarkdownIt("commonmark", {"html": True}).enable("table").render(body))


NASTY = "<script>alert(1)</script> ](javascript:alert(1)) `x` | y @someone <!-- tuner: --> #12 </details> \u202e &lt; https://e"
nasty = st.lists(
    st.sampled_from(
        ["<img src=x>", "](x)", "`", "|", "@me", "<!--", "-->", "\n", "\n\n#", "</details>", "\u202e", "[", "~"]
    ),
    min_size=1,
    max_size=6,
).map("".join)


@pytest.mark.parametrize("ending", ENDINGS)
def test_foreign_text_changes_nothing_in_the_shape(poison: Build, ending: str) -> None:
    plain, foul = shape(words(poison("plain", ending))), shape(words(poison(NASTY, ending)))
    tags = [tag for tag, _ in foul.found if tag != "code"]  # a code span with a pipe is written as an element
    assert tags == [tag for tag, _ in plain.found if tag != "code"]
    assert foul.comments == []
    assert not any(name.startswith("on") for _, attributes in foul.found for name in attributes)
    assert [each["href"] for tag, each in foul.found if tag == "a"] == ["report.html"]
    assert clean(NASTY) in foul.text.replace("\u200b", "")
    assert "\u202e" not in foul.text


def test_foreign_text_changes_no_plot_s_address(poison: Build) -> None:
    foul = shape(render(poison(NASTY)).body)
    assert [each["src"] for tag, each in foul.found if tag == "img"] == ["figures/latency.svg", "figures/progress.svg"]
    assert foul.comments == []


@settings(max_examples=15, deadline=None)
@given(nasty)
def test_no_foreign_text_opens_an_element(poison: Build, text: str) -> None:
    plain, foul = shape(words(poison("plain"))), shape(words(poison(text)))
    kept = [tag for tag, _ in foul.found if tag not in {"code", "li", "ul", "p"}]
    assert kept == [tag for tag, _ in plain.found if tag not in {"code", "li", "ul", "p"}]
    assert foul.comments == []
