"""Foreign text does nothing, and still reads as it was written."""

from __future__ import annotations

import re
from html import unescape
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tuner.report.text import clean, code, fence, html, markdown, shorten

HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "](javascript:alert(1))",
    "![x](https://evil.example/x.svg)",
    "`code`",
    "``",
    "a|b|c",
    "\\|",
    "\\",
    "@someone",
    "@org/team",
    "#12",
    "GH-7",
    "owner/repo#3",
    "https://evil.example",
    "www.evil.example",
    "mail@evil.example",
    "<!-- tuner:marker -->",
    "-->",
    "]]>",
    "\n\n# heading",
    "\n```\n",
    "</details>",
    "</summary>",
    "&lt;b&gt;",
    "&#64;",
    "*bold*",
    "_it_",
    "__b__",
    "~~s~~",
    "$x$",
    "- item",
    "1. one",
    "1) one",
    "+ plus",
    "> quote",
    "---",
    "===",
    "    indented",
    "\u202egnirts",
    "\u2066x\u2069",
    "\u200b",
    "\u0000",
    "\u0007",
    "\u001b[31m",
    "\ufeff",
    "\u2028",
    "{{ 7*7 }}",
    "{% raw %}",
    "[x]: http://e",
    "<a href='x'>",
    "'\"",
    "\ufffe",
    "|---|",
    "&",
    "max_batch_size",
    "a  b",
    "\r\n",
    ":smile:",
    "[^1]",
    "<!DOCTYPE x>",
    "<?xml?>",
    "<![CDATA[x]]>",
]
hostile = st.lists(st.one_of(st.sampled_from(HOSTILE), st.text(max_size=8)), min_size=1, max_size=4).map("".join)
ALLOWED = {"p", "code", "pre", "table", "thead", "tbody", "tr", "th", "td", "details", "summary"}


class Seen(HTMLParser):
    """The elements, comments and texts of a piece of HTML."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.text = ""
        self.others: list[str] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.others.append(data)

    def handle_decl(self, decl: str) -> None:
        self.others.append(decl)

    def unknown_decl(self, data: str) -> None:
        self.others.append(data)

    def handle_pi(self, data: str) -> None:
        self.others.append(data)


def seen(text: str) -> Seen:
    found = Seen(MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(text))
    assert found.others == []
    assert set(found.tags) <= ALLOWED
    return found


def read(text: str) -> str:
    return re.sub(r"\s+", " ", text.replace("\u200b", "")).strip()


@given(hostile)
@example("".join(HOSTILE))
def test_text_in_markdown_reads_as_written_and_does_nothing(text: str) -> None:
    for place in (f"before {markdown(text)} after", f"before {markdown(text)}\nafter"):
        found = seen(place)
        assert found.tags == ["p"]
        assert read(found.text) == f"before {clean(text)} after".replace("  ", " ")


@given(hostile)
def test_text_at_the_start_of_an_item_stays_one_paragraph(text: str) -> None:
    found = Seen(MarkdownIt("commonmark", {"html": True}).render(f"- {markdown(text)}\n- next"))
    assert [tag for tag in found.tags if tag != "p"] == ["ul", "li", "li"]


@given(hostile)
@example("a|b")
@example("`|`")
def test_text_and_code_stay_in_their_table_cell(text: str) -> None:
    found = seen(f"| a | b |\n|---|---|\n| {markdown(text)} | {code(text)} |\n")
    assert found.tags.count("td") == 2
    assert found.tags.count("tr") == 2
    expected = clean(text)
    assert read(found.text).replace(" ", "") == f"ab{expected}{expected or '–'}".replace(" ", "")


@given(hostile)
def test_text_in_a_summary_is_text(text: str) -> None:
    found = seen(f"<details><summary>{markdown(text)}</summary>\n\nbody\n\n</details>\n")
    assert [tag for tag in found.tags if tag != "p"] == ["details", "summary"]


@given(hostile)
def test_nothing_mentions_links_or_numbers_anything(text: str) -> None:
    shown = unescape(str(markdown(text)))
    assert not re.search(r"@\w", shown)
    assert "://" not in shown
    assert "www." not in shown
    assert not re.search(r"#\d", shown)
    assert not re.search(r"\bGH-\d", shown, re.IGNORECASE)


@given(hostile, st.sampled_from(["", "diff"]))
def test_a_block_cannot_be_ended_by_its_content(text: str, language: str) -> None:
    rendered = MarkdownIt("commonmark", {"html": True}).parse(f"{fence(text, language)}\n\nend")
    assert [token.type for token in rendered] == ["fence", "paragraph_open", "inline", "paragraph_close"]
    assert rendered[0].content.rstrip("\n") == clean(text, lines=True).rstrip("\n")


@given(hostile)
def test_text_in_html_reads_as_written_and_does_nothing(text: str) -> None:
    found = Seen(f'<p title="{html(text)}">{html(text)}</p>')
    assert found.tags == ["p"]
    assert found.others == []
    assert found.text == clean(text)


@pytest.mark.parametrize(
    "character", ["\u202a", "\u202e", "\u2066", "\u200f", "\u0000", "\u001b", "\ufeff", "\U000e0041"]
)
def test_invisible_characters_are_shown(character: str) -> None:
    assert clean(f"a{character}b") == f"a⟨U+{ord(character):04X}⟩b"


@given(st.text(), st.integers(min_value=1, max_value=80))
def test_shortened_text_fits_and_says_that_it_was_cut(text: str, limit: int) -> None:
    shown = shorten(text, limit)
    assert len(shown) <= limit
    assert shown == clean(text) or shown.endswith("…")
