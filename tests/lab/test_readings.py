"""The document's table of readings against the presets, its sentences against the tables' data."""

import re

import pytest
import yaml

from documents import DOCS
from fprnet.config import config_as_dict, load_config
from fprnet_lab.reproduction.published import read_table

PRESETS = ("paper", "released", "fprnet")
MISSING = object()


def section(page, heading):
    text = (DOCS / page).read_text(encoding="utf-8")
    return re.split(r"^## ", text.partition(f"## {heading}\n")[2], flags=re.MULTILINE)[0]


def readings():
    """Option -> cell of each preset, of the table in docs/model.md."""
    lines = section("model.md", "Where the sources are silent or disagree").splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line[:1] == "|"]
    head, _, *body = rows
    assert head[2:6] == ["option", *(f"`{preset}`" for preset in PRESETS)]
    assert all(len(row) == len(head) for row in body)
    options = [row[2].strip("`") for row in body]
    assert len(set(options)) == len(options)
    return {option: row[3:6] for option, row in zip(options, body, strict=True)}


def look_up(values, path):
    """The value of an option; the word ``init_args`` is left out of a path."""
    for key in path.split("."):
        inside = values.get("init_args") or {} if isinstance(values, dict) else {}
        if isinstance(values, dict) and key in values:
            values = values[key]
        elif key in inside:
            values = inside[key]
        else:
            return MISSING
    return values


def options_of(preset):
    def flat(values, path=()):
        for key, value in values.items():
            inner = path if key == "init_args" else (*path, key)
            if isinstance(value, dict) and "class_path" not in path and value:
                yield from flat(value, inner)
            else:
                yield ".".join(inner), value

    return dict(flat(config_as_dict(load_config(preset))))


@pytest.mark.parametrize("preset", PRESETS)
def test_values_of_the_readings_are_those_of_the_presets(preset):
    config = config_as_dict(load_config(preset))
    cells = {option: row[PRESETS.index(preset)] for option, row in readings().items()}
    for option, cell in cells.items():
        value = look_up(config, option)
        if cell == "–":
            assert value is MISSING, option
        else:
            assert cell.startswith("`"), option
            assert value == yaml.safe_load(cell.strip("`")), option


def test_every_option_in_which_text_and_code_differ_is_a_reading():
    paper, released = (options_of(preset) for preset in ("paper", "released"))
    keys = paper.keys() | released.keys()
    different = {key for key in keys if paper.get(key) != released.get(key)}
    known = readings()
    unknown = {
        key
        for key in different
        if not any(key == option or key.startswith(f"{option}.") for option in known)
    }
    assert unknown == {"preset", "callbacks", "callbacks.restraint.class_path"}


def best(metric):
    return read_table("table8").row("FPRnet").published[metric]


@pytest.mark.parametrize(
    ("number", "method", "metric"),
    [
        ("17.24", "One-stream", "rank-1"),
        ("18.75", "One-stream", "rank-10"),
        ("14.48", "Zero-padding", "rank-1"),
        ("9.68", "Zero-padding", "rank-20"),
    ],
)
def test_distances_to_older_methods_are_as_the_document_says(number, method, metric):
    distance = best(metric) - read_table("table8").row(method).published[metric]
    assert f"{distance:.2f}" == number
    assert number in section("model.md", "Where the paper contradicts itself")


def test_fusion_across_modalities_is_not_always_better():
    rows = {row.label: row.published["mAP"] for row in read_table("table4").rows}
    text = section("model.md", "Where the paper contradicts itself")
    for way in ("horizontal", "vertical"):
        single = [rows[f"{cells}, {way}"] for cells in ("r5 r2 r5 r2", "i4 i3 i4 i3", "r5 r3")]
        across = rows[f"r5 r5 i5 i5, {way}"]
        assert across < min(single)
        if way == "horizontal":
            assert f"({across:.2f} against {min(single):.2f} to {max(single):.2f})" in text


@pytest.mark.parametrize("name", ["table3", "table4", "table6"])
def test_published_spans_are_as_the_document_says(name):
    values = [row.published["mAP"] for row in read_table(name).rows if row.line is None]
    span = f"{max(values) - min(values):.2f}"
    number = name.removeprefix("table")
    text = " ".join(section("reproduction.md", "What this can show").split())
    assert f"{span} in Table {number}" in text
