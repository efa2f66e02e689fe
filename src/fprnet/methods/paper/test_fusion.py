"""Fusion specs: reading, Table 4's forms typed by hand, and small fusions worked by hand."""

import pytest
import torch
from torch import Tensor

from fprnet.errors import ConfigError
from fprnet.methods.paper.fusion import Cell, FusionSpec

PAPERS_BEST = "r5 i5 i4 r4 r5 i5 i2 r2"


def test_reads_and_writes_the_papers_best() -> None:
    spec = FusionSpec.parse(PAPERS_BEST)
    assert str(spec) == PAPERS_BEST
    assert spec.cells[:3] == (Cell("visible", 5), Cell("infrared", 5), Cell("infrared", 4))
    assert (len(spec.rows), spec.columns) == (1, 8)
    assert spec.levels("visible") == (2, 4, 5)
    assert spec.levels("infrared") == (2, 4, 5)


def test_vertical_is_the_transpose() -> None:
    spec = FusionSpec.parse("r5 r2 / i5 i2")
    assert str(spec.vertical()) == "r5 i5 / r2 i2"
    assert spec.vertical().vertical() == spec
    assert str(FusionSpec.parse("i3 r3").vertical()) == "i3 / r3"


@pytest.mark.parametrize(
    ("cells", "kind", "expected"),
    [
        ("r5 r4 i5 i4", 3, "r5 r4 / i5 i4"),  # the example of paper 3.1.2
        ("r5 r2 r5 r2", 1, "r5 r2 / r2 r5"),  # the hybrids of Table 4
        ("r5 r2 r5 r2", 3, "r5 r2 / r5 r2"),
        ("i4 i3 i4 i3", 1, "i4 i3 / i3 i4"),
        ("i4 i3 i4 i3", 2, "i4 i4 / i3 i3"),
        ("r5 r2 i5 i2", 1, "r5 r2 / i2 i5"),
        ("r5 r2 i5 i2", 3, "r5 r2 / i5 i2"),
        ("r4 r3 i4 i3", 1, "r4 r3 / i3 i4"),
        ("r4 r3 i4 i3", 2, "r4 i4 / r3 i3"),
    ],
)
def test_hybrids(cells: str, kind: int, expected: str) -> None:
    spec = FusionSpec.parse(cells).hybrid(kind)  # type: ignore[arg-type]
    assert str(spec) == expected
    same_in_row = {len({cell.level for cell in row}) == 1 for row in spec.rows}
    same_in_column = {len({cell.level for cell in column}) == 1 for column in spec.vertical().rows}
    assert (same_in_row, same_in_column) == {
        1: ({False}, {False}), 2: ({True}, {False}), 3: ({False}, {True}),
    }[kind]  # fmt: skip


@pytest.mark.parametrize("text", ["r5 r2", "r5 r5 i5 i4", "r5 r2 / i5 i2"])
def test_no_hybrid_of_other_specs(text: str) -> None:
    with pytest.raises(ConfigError, match="has no hybrid form"):
        FusionSpec.parse(text).hybrid(1)


def test_unknown_hybrid_kind() -> None:
    with pytest.raises(ConfigError, match="hybrid kind 4 is unknown"):
        FusionSpec.parse("r5 r2 i5 i2").hybrid(4)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("r5 x4", "'x4' in row 1, column 2 is unknown; did you mean '.4'"),
        ("r5 r4 / i5 i9", "'i9' in row 2, column 2 is unknown; did you mean 'i[2-5]'"),
        ("r1", "'r1' in row 1, column 1"),
        ("r5 r4 / i5", "row 2 of fusion spec 'r5 r4 / i5' has 1 cells but row 1 has 2"),
        ("r5 /", "row 2 of fusion spec 'r5 / ' has 0 cells"),
        ("", "needs at least one cell"),
        ("/ r5", "needs at least one cell"),
    ],
)
def test_bad_specs_say_where(text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        FusionSpec.parse(text)


@pytest.fixture
def pooled() -> dict[Cell, Tensor]:
    """Two images per modality, one channel: level 5 is 5.1, 5.2; infrared is negative."""
    return {
        Cell(modality, level): sign * torch.tensor([[level + 0.1], [level + 0.2]])
        for modality, sign in (("visible", 1), ("infrared", -1))
        for level in (2, 3, 4, 5)
    }


LABELS = torch.tensor([7, 9])


def test_horizontal_makes_more_samples(pooled: dict[Cell, Tensor]) -> None:
    visible, infrared = torch.tensor([7, 9]), torch.tensor([9, 7])
    block, labels = FusionSpec.parse("r5 i5 r2").fuse(pooled, visible, infrared)
    expected = torch.tensor([5.1, 5.2, -5.1, -5.2, 2.1, 2.2])[:, None]
    torch.testing.assert_close(block, expected)
    assert labels.tolist() == [7, 9, 9, 7, 7, 9]


def test_vertical_makes_longer_vectors(pooled: dict[Cell, Tensor]) -> None:
    block, labels = FusionSpec.parse("r5 / i4 / r2").fuse(pooled, LABELS, LABELS)
    torch.testing.assert_close(block, torch.tensor([[5.1, -4.1, 2.1], [5.2, -4.2, 2.2]]))
    assert labels.tolist() == [7, 9]


def test_hybrid_does_both(pooled: dict[Cell, Tensor]) -> None:
    block, labels = FusionSpec.parse("r5 r4 / i5 i4").fuse(pooled, LABELS, LABELS)
    expected = torch.tensor([[5.1, -5.1], [5.2, -5.2], [4.1, -4.1], [4.2, -4.2]])
    torch.testing.assert_close(block, expected)
    assert labels.tolist() == [7, 9, 7, 9]


def test_one_vector_needs_one_person(pooled: dict[Cell, Tensor]) -> None:
    swapped = torch.tensor([9, 7])
    with pytest.raises(ValueError, match="do not hold the same identities in the same order"):
        FusionSpec.parse("r5 / i5").fuse(pooled, LABELS, swapped)
    _, labels = FusionSpec.parse("r5 i5 / r4 i4").fuse(pooled, LABELS, swapped)
    assert labels.tolist() == [7, 9, 9, 7]
