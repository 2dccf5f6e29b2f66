"""The paper that plots are drawn on: matplotlib's SVG, made deterministic, accessible and fit for two colour schemes.

Plots are drawn with stand-in colours, which become CSS variables afterwards. In the page the page's own variables
rule; as a file of its own, a plot carries both schemes and its own background, so that it reads on any page.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from tuner.report.text import clean

__all__ = ["BASELINE", "CANDIDATE", "INK", "MUTED", "PAPER", "Plot", "draw", "palette"]

INK, MUTED, FAINT, PAPER, BASELINE, CANDIDATE = "#010101", "#020202", "#030303", "#040404", "#050505", "#060606"
_ROLES = {INK: "ink", MUTED: "muted", FAINT: "faint", PAPER: "paper", BASELINE: "baseline", CANDIDATE: "candidate"}
_STAND_IN = re.compile("|".join(_ROLES))
_LIGHT = {
    "ink": "#1f2328",
    "muted": "#59636e",
    "faint": "#d1d9e0",
    "paper": "#ffffff",
    "baseline": "#c04f00",
    "candidate": "#0072b2",
}
_DARK = {
    "ink": "#f0f6fc",
    "muted": "#9198a1",
    "faint": "#3d444d",
    "paper": "#0d1117",
    "baseline": "#e69f00",
    "candidate": "#56b4e9",
}
"""Blue and orange of the Okabe-Ito palette, the darker sisters on white: told apart by people of any colour vision."""

_VIEW = re.compile(r'viewBox="0 0 ([\d.]+) ([\d.]+)"')
_SVG = "http://www.w3.org/2000/svg"
_XLINK = "http://www.w3.org/1999/xlink"
_FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', Helvetica, Arial, sans-serif"
_STYLE: Any = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.family": "DejaVu Sans",
    "font.size": 11.0,
    "axes.labelsize": 11.0,
    "axes.titlesize": 11.0,
    "xtick.labelsize": 10.0,
    "ytick.labelsize": 10.0,
    "legend.fontsize": 10.0,
    "text.color": INK,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": FAINT,
    "grid.linewidth": 0.8,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
}


@dataclass(frozen=True, slots=True)
class Plot:
    """A drawn plot: ``name`` is its file's stem; ``title`` and ``description`` say it to those who do not see it."""

    name: str
    title: str
    description: str
    svg: str
    """The ``<svg>`` element, coloured by CSS variables, unaware of any scheme."""

    @property
    def inline(self) -> Markup:
        """For the body of an HTML page that defines the variables."""
        return Markup(self.svg)  # noqa: S704 - serialised by ElementTree, which escapes

    @property
    def file(self) -> bytes:
        """A document of its own, in both schemes, with its background."""
        head, _, rest = self.svg.partition("</desc>")
        head = _VIEW.sub(
            lambda match: f'{match[0]} width="{float(match[1]):.0f}pt" height="{float(match[2]):.0f}pt"', head
        )
        paper = '<rect width="100%" height="100%" style="fill: var(--paper)" />'
        return f'<?xml version="1.0" encoding="utf-8"?>\n{head}</desc>{_schemes()}{paper}{rest}\n'.encode()


def palette() -> str:
    """The CSS that defines the variables in both schemes, for ``:root``."""
    light, dark = ("".join(f"--{role}:{colour};" for role, colour in part.items()) for part in (_LIGHT, _DARK))
    return f":root{{{light}}}@media (prefers-color-scheme:dark){{:root{{{dark}}}}}@media print{{:root{{{light}}}}}"


def _schemes() -> str:
    return f"<style>{escape(palette(), quote=False)}</style>"


@contextmanager
def _style(name: str) -> Iterator[None]:
    with mpl.rc_context():
        mpl.rcdefaults()  # whatever the machine's own matplotlibrc says
        mpl.rcParams.update(_STYLE)
        mpl.rcParams["svg.hashsalt"] = name
        yield


def draw(
    name: str,
    title: str,
    description: str,
    paint: Callable[[Figure], None],
    size: tuple[float, float] = (6.0, 3.6),
) -> Plot:
    """Let ``paint`` draw on a figure of ``size`` inches, and return it as a plot. Equal input gives equal bytes."""
    with _style(name):
        figure = Figure(figsize=size, layout="constrained")
        paint(figure)
        for patch in (figure.patch, *(axes.patch for axes in figure.axes)):
            patch.set(facecolor="none", edgecolor="none")
        for axes in figure.axes:
            _quiet(axes)
        buffer = io.StringIO()
        # Not ``savefig``, which lays everything out and draws it once more to see how large it is.
        canvas = FigureCanvasSVG(figure)
        metadata = {"Date": None, "Creator": None, "Format": None, "Type": None}
        canvas.print_svg(buffer, metadata=metadata)  # type: ignore[no-untyped-call]
    title, description = clean(title), clean(description)
    return Plot(
        name=name, title=title, description=description, svg=_rewrite(buffer.getvalue(), name, title, description)
    )


def _quiet(axes: Axes) -> None:
    axes.tick_params(length=3)


def _rewrite(text: str, name: str, title: str, description: str) -> str:
    """Own ids, no metadata, CSS variables for colours, and words for screen readers."""
    ElementTree.register_namespace("", _SVG)
    ElementTree.register_namespace("xlink", _XLINK)
    root = ElementTree.fromstring(text)  # noqa: S314 - matplotlib's own output
    for found in root.findall(f"{{{_SVG}}}metadata"):
        root.remove(found)
    _own_ids(root, name)
    _paint_by_variables(root)
    root.attrib.pop("height", None)
    root.attrib.pop("width", None)
    root.set("role", "img")
    root.set("aria-labelledby", f"{name}-title {name}-desc")
    root.set("style", f"font-family: {_FONT}")
    for position, (tag, words) in enumerate((("title", title), ("desc", description))):
        element = ElementTree.Element(f"{{{_SVG}}}{tag}", {"id": f"{name}-{tag}"})
        element.text = words
        root.insert(position, element)
    return ElementTree.tostring(root, encoding="unicode")


def _own_ids(root: ElementTree.Element, name: str) -> None:
    """Ids that nothing refers to go; the others get the plot's name, so that plots can share a page."""
    used = set(re.findall(r"(?:url\(#|href=\"#)([^)\"]+)", ElementTree.tostring(root, encoding="unicode")))
    for element in root.iter():
        for key, value in list(element.attrib.items()):
            if key == "id" and value not in used:
                del element.attrib[key]
            elif key == "id":
                element.set(key, f"{name}-{value}")
            elif value.startswith("#") and key.endswith("href"):
                element.set(key, f"#{name}-{value[1:]}")
            else:
                element.set(key, value.replace("url(#", f"url(#{name}-"))


def _paint_by_variables(root: ElementTree.Element) -> None:
    """Stand-in colours become variables; the font is the root's; blanks between elements go."""
    for element in root.iter():
        if style := element.get("style"):
            style = re.sub(r"font-family:[^;]*;?\s*", "", style)
            style = _STAND_IN.sub(lambda match: f"var(--{_ROLES[match[0]]}, {_LIGHT[_ROLES[match[0]]]})", style)
            element.set("style", style)
        element.tail = (element.tail or "").strip() or None
        if not element.tag.endswith("}text"):
            element.text = (element.text or "").strip() or None
