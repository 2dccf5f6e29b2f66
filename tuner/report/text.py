"""Foreign text made harmless: specs, logs and repositories may hold anything, and it is shown to people who trust it.

HTML is escaped by Jinja's autoescaping, after ``clean``. Markdown has no such standard, so the rules are here: what
could end a cell, open an element, link, mention somebody or number an issue is written so that it reads the same and
does nothing.
"""

from __future__ import annotations

import re
import unicodedata

from markupsafe import Markup

__all__ = ["clean", "code", "fence", "html", "markdown", "shorten"]

_SPACES = re.compile(r"\s+")
_SPECIAL = re.compile(r"[&<>\\`*\[\]|~$]|(?<![0-9A-Za-z])_|_(?![0-9A-Za-z])")
_LEADING = re.compile(r"^(\d*)([-+=.)])(?=\s|$|[-=])")
_ISSUE = re.compile(r"((?<!&)#|\b[Gg][Hh]-(?=\d))")
_HARMLESS_CONTROLS = "\n\t"
_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_BREAK = "&#8203;"
"""A zero-width space as an entity: it keeps forges from seeing a mention, an issue number or an address."""


def clean(text: str, *, lines: bool = False) -> str:
    """Control, bidirectional and other invisible characters made visible as ``⟨U+202E⟩``.

    White space becomes single blanks, or with ``lines`` stays as line feeds and tabs.
    """
    text = text.replace("\r\n", "\n") if lines else _SPACES.sub(" ", text).strip()
    if text.isprintable():
        return text
    return "".join(character if _visible(character) else f"⟨U+{ord(character):04X}⟩" for character in text)


def _visible(character: str) -> bool:
    if character in _HARMLESS_CONTROLS:
        return True
    point = ord(character)
    if point & 0xFFFE == 0xFFFE or 0xFDD0 <= point <= 0xFDEF:  # noncharacters: XML refuses some of them
        return False
    return unicodedata.category(character) not in {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}


def shorten(text: str, limit: int) -> str:
    """At most ``limit`` characters, the cut marked by an ellipsis."""
    text = clean(text)
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def html(value: object) -> Markup:
    """Text for HTML: cleaned and escaped; what is Markup already passes."""
    return value if isinstance(value, Markup) else Markup.escape(clean(str(value)))


def markdown(value: object) -> Markup:
    """Text for the middle of a Markdown line or table cell, also inside ``<summary>``; Markup passes as it is.

    Special characters become entities and not backslash escapes: an entity reads the same where a renderer takes the
    line for HTML.
    """
    if isinstance(value, Markup):
        return value
    text = _SPECIAL.sub(_entity, clean(str(value)))
    text = _LEADING.sub(lambda match: f"{match[1]}&#{ord(match[2])};", text)
    text = text.replace("@", f"@{_BREAK}").replace("://", f":{_BREAK}//").replace("www.", f"www{_BREAK}.")
    return Markup(_ISSUE.sub(lambda match: f"{match[1]}{_BREAK}", text))  # noqa: S704 - escaped above


def _entity(match: re.Match[str]) -> str:
    return _NAMED.get(match[0], f"&#{ord(match[0])};")


def code(value: object) -> Markup:
    """A Markdown code span, in a table cell too, but not inside ``<summary>``; nothing in it is interpreted."""
    text = clean(str(value))
    if not text:
        return Markup("–")
    if re.search(r"[`|]", text):  # a pipe ends a cell and a backtick the span: only HTML holds both
        return Markup("<code>{}</code>").format(markdown(text))
    return Markup(f"`{text}`")  # noqa: S704 - a code span is never interpreted


def fence(value: str, language: str = "") -> Markup:
    """A fenced block that its content cannot end."""
    text = clean(value, lines=True).rstrip("\n")
    run = "`" * max(3, max((len(found) for found in re.findall("`+", text)), default=0) + 1)
    return Markup(f"{run}{language}\n{text}\n{run}")  # noqa: S704 - a fenced block is never interpreted
