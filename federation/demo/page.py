"""The demo's HTML page: one self-contained file, readable on paper.

Layer:       federation.demo.page.
Guarantees:  every value is escaped; the file loads nothing from anywhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One question and its answer, or its refusal."""

    title: str
    sql: str = ""
    caption: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = ()
    pictures: Sequence[str] = ()
    notes: Sequence[str] = ()
    text: str = ""
    refusal: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """The content of the page."""

    lead: str
    made: str
    terms: str
    sites: Sequence[dict[str, str]]
    words: Sequence[tuple[str, str]] = ()
    sections: Sequence[Section] = field(default_factory=tuple)


def render(page: Page) -> str:
    """Render the page as HTML.

    Args:
        page: its content; pictures are SVG made by ``federation.demo.pictures``, all other text is escaped.

    Returns:
        A complete document.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=False)
    template = environment.from_string(files("federation.demo").joinpath("page.html.j2").read_text("utf-8"))
    sections = [
        {
            "title": section.title,
            "sql": section.sql,
            "caption": section.caption,
            "columns": section.columns,
            "rows": section.rows,
            "pictures": [Markup(picture) for picture in section.pictures],  # noqa: S704
            "notes": section.notes,
            "text": section.text,
            "refusal": section.refusal,
        }
        for section in page.sections
    ]
    return template.render(
        lead=page.lead,
        made=page.made,
        terms=page.terms,
        sites=page.sites,
        words=page.words,
        sections=sections,
    )
