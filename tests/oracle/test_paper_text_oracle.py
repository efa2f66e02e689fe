"""The tables' data files against the numbers that the paper's own text prints."""

import re
from pathlib import Path

import pytest

from fprnet_lab.reproduction.published import read_file, read_table

NUMBER = re.compile(r"\d+\.\d\d")


@pytest.fixture(scope="module")
def text():
    """The text of the paper, which is not part of the project."""
    file = Path(__file__).parents[3] / "shared" / "spec" / "seeds"
    texts = sorted(file.glob("*.txt"))
    if not texts:
        pytest.skip(f"{file} has no text of the paper")
    return texts[0].read_text(encoding="utf-8")


def section(text, begin, end):
    """The part between two lines."""
    return text[text.index(begin) : text.index(end, text.index(begin))]


@pytest.mark.parametrize(
    ("name", "begin", "end"),
    [
        ("table4", "Table 4  Analysis of feature", "表 3  选择权重参数值"),
        ("table5", "Table 5  Component comparison", "表 6  Prediction"),
        ("table6", "Table 6  Module comparison", "输入，只能预处理"),
        ("table8", "Table 8  Comparison with state", "表 7  超分辨结构"),
    ],
)
def test_every_number_of_a_table_in_its_order(text, name, begin, end):
    printed = list(map(float, NUMBER.findall(section(text, begin, end))))
    rows = [row for row in read_table(name).rows if row.line is None]
    ours = [value for row in rows for value in row.published.values()]
    if name == "table4":  # a printed line has several of our rows, its hybrid ones on lines of own
        printed, ours = sorted(printed), sorted(ours)
    assert ours == printed


def test_weights_and_map_of_table_3(text):
    lines = section(text, "Table 3  Selecting value", "有利于找到一组").splitlines()
    printed = [
        tuple(map(float, re.findall(r"\d+(?:\.\d+)?", re.sub(r"λ\d", "", line))))
        for line in lines
        if line.startswith(("λ1", "λ2", "λ3", "mAP"))
    ]
    ours = [(*row.overrides.values(), row.published["mAP"]) for row in read_table("table3").rows]
    assert ours == list(zip(*printed, strict=True))


def test_structure_of_table_7(text):
    part = section(text, "Table 7  Super-resolution structure", "结  论")
    for name, layer in read_file("table7")["layers"].items():
        (line,) = (line for line in part.splitlines() if line.lower().startswith(name))
        words = line.replace("×", "x").replace("=", " ").split()[1:]
        sizes = (layer["input"], layer["input_channels"], layer["output"], layer["output_channels"])
        assert words[:4] == list(map(str, sizes))
        structure = " ".join(words[4:]).replace("PixelShuffle (2)", "PixelShuffle(2)")
        structure = structure.replace("Bicubic interpolation (2)", "bicubic x2")
        assert structure.replace("x9,", "x9,") == layer["structure"]
