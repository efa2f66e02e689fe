"""The paper's tables as data files become rows: what is published, and what is trained for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

import yaml

from fprnet.config.sections import augmentation_overrides
from fprnet_lab.reproduction.request import Request
from fprnet_lab.reproduction.runs import Ranking, SuperResolution, Variant

__all__ = ["PublishedRow", "PublishedTable", "Row", "read_file", "read_table"]


@dataclass(frozen=True)
class Row:
    """A row of one of the paper's tables.

    Attributes:
        label: As the paper writes it.
        variants: What is trained for it, one for each column of results.
        published: Metric -> percent; {} where the paper has no such row.
        ranking: Which of the scores of a run are compared.
        line: None for a row of the paper's table; else the text of the line below which it stands,
            counted in nothing.
        source: Where the published values of a row come from that the table itself does not have.
    """

    label: str
    variants: tuple[Variant, ...]
    published: Mapping[str, float] = field(default_factory=dict)
    ranking: Ranking = "plain"
    line: str | None = None
    source: str = ""


@dataclass(frozen=True)
class PublishedRow:
    """A row as its data file has it.

    Attributes:
        label: As the paper writes it.
        published: Metric -> percent.
        preset: What is trained; None: the base that the user chooses.
        overrides: Key of the config -> value.
        by_base: Base -> overrides that it has instead; None: it has no such row.
        superres: What the training images go through before.
        ranking: Which of the scores of a run are compared.
        line: See `Row`.
        source: See `Row`.
    """

    label: str
    published: Mapping[str, float]
    preset: str | None = None
    overrides: Mapping[str, Any] = field(default_factory=dict)
    by_base: Mapping[str, Mapping[str, Any] | None] = field(default_factory=dict)
    superres: SuperResolution | None = None
    ranking: Ranking = "plain"
    line: str | None = None
    source: str = ""


@dataclass(frozen=True)
class PublishedTable:
    """A table as its data file has it.

    Attributes:
        name: File and command-line name, "table4".
        title: Title of its page.
        summary: One sentence, for the documents.
        where: Where the numbers are printed, "Table 4, section 4.2.1".
        about: What is compared; {base} and {scale} stand for those of the request.
        first: Head of the column that names the rows.
        metrics: Columns of the paper's table.
        rows: Rows of the paper's table, then those that stand apart.
        notes: How unclear points are read.
        equal_augmentation: Preset whose augmentation all rows have in a second column of results;
            None: there is one column.
    """

    name: str
    title: str
    summary: str
    where: str
    about: str
    first: str
    metrics: tuple[str, ...]
    rows: tuple[PublishedRow, ...]
    notes: tuple[str, ...]
    equal_augmentation: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns of results; a single one needs no name."""
        if self.equal_augmentation is None:
            return ("",)
        return ("own augmentation", f"augmentation of {self.equal_augmentation}")

    def rows_of(self, request: Request) -> list[Row]:
        """Return the rows that a request trains."""
        rows = []
        for row in self.rows:
            preset = request.base if row.preset is None else row.preset
            overrides = row.by_base.get(preset, row.overrides)
            if overrides is None:
                continue
            words = _words(overrides)
            variants = [Variant(preset, words, row.superres)]
            if self.equal_augmentation is not None:
                equal = augmentation_overrides(
                    preset, wanted=self.equal_augmentation, scale=request.scale
                )
                variants.append(Variant(preset, (*words, *equal), row.superres))
            rows.append(
                Row(row.label, tuple(variants), row.published, row.ranking, row.line, row.source)
            )
        return rows

    def row(self, label: str) -> PublishedRow:
        """Return the row of a label."""
        return next(row for row in self.rows if row.label == label)


@cache
def read_table(name: str) -> PublishedTable:
    """Read the data file of a table: "table3", "table4", "table5", "table6" or "table8"."""
    content = read_file(name)
    source, apart = content.pop("source"), content.pop("apart", [])
    metrics = content["metrics"] = tuple(content["metrics"])
    rows = [_row(row, metrics) for row in content.pop("rows")]
    for part in apart:
        rows += [_row(row, metrics, line=part["line"]) for row in part["rows"]]
    where = f"Table {source['table']}, section {source['section']}"
    notes = tuple(content.pop("notes", ()))
    return PublishedTable(**content, where=where, rows=tuple(rows), notes=notes)


def read_file(name: str) -> dict[str, Any]:
    """Return the content of ``tables/NAME.yaml``."""
    file = resources.files("fprnet_lab.reproduction").joinpath("tables", f"{name}.yaml")
    content: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return content


def _row(
    content: Mapping[str, Any], metrics: tuple[str, ...], *, line: str | None = None
) -> PublishedRow:
    fields = dict(content)
    published = fields.pop("published", None)
    values = {} if published is None else dict(zip(metrics, published, strict=True))
    source = ""
    if (places := fields.pop("assembled", None)) is not None:
        values, source = _assembled(places, metrics)
    if "released" in fields:
        fields["by_base"] = {"released": fields.pop("released")}
    if "superres" in fields:
        fields["superres"] = SuperResolution(**fields["superres"])
    return PublishedRow(published=values, line=line, source=source, **fields)


def _assembled(places: Mapping[str, str], metrics: tuple[str, ...]) -> tuple[dict[str, float], str]:
    """Take each metric from the first of some tables' rows that has it, and say which.

    Args:
        places: Name of a table -> label of its row.
        metrics: Wanted ones.

    Returns:
        Metric -> percent, and a sentence's part.
    """
    values: dict[str, float] = {}
    parts = []
    for name, label in places.items():
        published = read_table(name).row(label).published
        new = [metric for metric in metrics if metric in published and metric not in values]
        values |= {metric: published[metric] for metric in new}
        table = name.removeprefix("table")
        parts.append(f"{', '.join(new)} of Table {table}, row {label}")
    return {metric: values[metric] for metric in metrics}, "; ".join(parts)


def _words(overrides: Mapping[str, Any]) -> tuple[str, ...]:
    """Return ``("--loss.game", "sum", ...)`` of a mapping from keys to YAML values."""
    return tuple(
        word
        for key, value in overrides.items()
        for word in (f"--{key}", value if isinstance(value, str) else json.dumps(value))
    )
