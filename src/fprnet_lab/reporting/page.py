"""Scores, pictures and words become one HTML page that needs no other file and no network."""

from __future__ import annotations

import base64
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from fprnet.evaluation.scores import ScoreRow
from fprnet.text_table import text_table
from fprnet_lab.reporting.score_table import METRICS, score_cells

__all__ = [
    "Collection",
    "Command",
    "Illustration",
    "Report",
    "Table",
    "TablePage",
    "render",
    "render_collection",
    "render_tables",
]

GROUP_WIDTH = 12  # letters in a line of a group's name, on the terminal


@dataclass(frozen=True)
class Illustration:
    """A picture with its heading and what it shows.

    Attributes:
        title: Heading.
        caption: Sentences under the picture.
        light: A PNG or JPEG file, for a light page.
        dark: A PNG or JPEG file for a dark page; None where ``light`` serves both.
        wide: It is scrolled sideways on a narrow screen instead of being made smaller.
    """

    title: str
    caption: str
    light: bytes
    dark: bytes | None = None
    wide: bool = False


@dataclass(frozen=True)
class Command:
    """A command line and what it does."""

    does: str
    line: str


@dataclass(frozen=True)
class Report:
    """What the page says, from top to bottom.

    Attributes:
        title: Title of the page.
        warning: Stands in a frame on top; None leaves it out.
        summary: What was measured, under the title.
        rows: Label -> scores.
        about_rows: Label -> what the row is.
        illustrations: Plots and pictures.
        limits: Paragraphs on what the numbers can and cannot show.
        seconds: Stage -> seconds.
        commands: What does the same by hand.
    """

    title: str
    warning: str | None
    summary: str
    rows: Mapping[str, ScoreRow]
    about_rows: Mapping[str, str]
    illustrations: Sequence[Illustration]
    limits: Sequence[str]
    seconds: Mapping[str, float]
    commands: Sequence[Command]


@dataclass(frozen=True)
class Table:
    """Cells as text.

    Attributes:
        title: Heading.
        head: Names of the columns; the first column names the rows.
        rows: Cells of each row, as many as columns; a row of one cell is a line across, which names
            the rows below it.
        note: Sentences under the table.
        groups: Names over neighbouring columns, and over how many: from the second column on.
    """

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    note: str
    groups: Sequence[tuple[str, int]] = ()

    def text(self) -> str:
        """Return the table for a terminal, without a line break at its end."""
        groups = [name for name, count in self.groups for _ in range(count)]
        above = ["", *groups] if groups else [""] * len(self.head)
        head = [
            "\n".join([*textwrap.wrap(group, GROUP_WIDTH), name])
            for group, name in zip(above, self.head, strict=True)
        ]
        return text_table(head, self.rows)


@dataclass(frozen=True)
class TablePage:
    """A page of tables: what a reproduced table or figure of the paper leaves.

    Attributes:
        title: Title of the page.
        summary: What was measured, under the title.
        tables: One or more.
        illustrations: Plots and pictures.
        limits: Paragraphs on what the numbers can and cannot show.
        commands: What does the same by hand.
    """

    title: str
    summary: str
    tables: Sequence[Table]
    illustrations: Sequence[Illustration]
    limits: Sequence[str]
    commands: Sequence[Command]


@dataclass(frozen=True)
class Collection:
    """Several pages as one.

    Attributes:
        title: Title of the whole page.
        summary: Under it.
        pages: One after the other, with a list of contents.
    """

    title: str
    summary: str
    pages: Sequence[TablePage]


def render(report: Report) -> str:
    """Return the page as HTML; every picture stands inside it."""
    return (
        _environment()
        .get_template("report.html.j2")
        .render(report=report, metrics=METRICS, cells=score_cells(report.rows))
    )


def render_tables(page: TablePage) -> str:
    """Return a page of tables as HTML; every picture stands inside it."""
    return _environment().get_template("tables.html.j2").render(page=page)


def render_collection(collection: Collection) -> str:
    """Return several pages of tables as one."""
    return _environment().get_template("collection.html.j2").render(collection=collection)


def data_address(picture: bytes) -> str:
    """Return a PNG or JPEG file as an address that holds the file itself."""
    kind = "png" if picture.startswith(b"\x89PNG") else "jpeg"
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("fprnet_lab.reporting"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["data_address"] = data_address
    return environment
