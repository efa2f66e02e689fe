"""Pairs of visible and infrared rows: joined only where needed, never a block on no rows."""

import pytest
import torch
from torch import Tensor

from fprnet.models.pair import Pair, through_mapping


def rows(*values: float) -> Tensor:
    return torch.tensor(values)[:, None]


def test_parts_and_joint_are_the_same_rows_either_way() -> None:
    by_parts = Pair.of(rows(1, 2), rows(3))
    by_joint = Pair.joined(rows(1, 2, 3), 2)
    for pair in (by_parts, by_joint):
        assert pair.joint.flatten().tolist() == [1, 2, 3]
        assert pair.part("visible").flatten().tolist() == [1, 2]
        assert pair.part("infrared").flatten().tolist() == [3]


def test_joining_with_an_empty_modality_copies_nothing() -> None:
    visible = rows(1, 2)
    assert Pair.of(visible, visible[:0]).joint is visible
    assert Pair.of(visible[:0], visible).joint is visible


def test_one_block_for_both_runs_once_and_two_blocks_run_once_each() -> None:
    seen: list[list[float]] = []

    def block(x: Tensor) -> Tensor:
        seen.append(x.flatten().tolist())
        return 2 * x

    def other(x: Tensor) -> Tensor:
        seen.append(x.flatten().tolist())
        return 3 * x

    assert Pair.of(rows(1), rows(2)).through(block, block).joint.flatten().tolist() == [2, 4]
    assert Pair.of(rows(1), rows(2)).through(block, other).joint.flatten().tolist() == [2, 6]
    assert seen == [[1, 2], [1], [2]]


def test_a_block_never_sees_an_empty_modality() -> None:
    def refuse(x: Tensor) -> Tensor:
        raise AssertionError("called on no rows")

    only_infrared = Pair.of(rows(), rows(5)).through(refuse, torch.neg)
    assert (only_infrared.visible.shape, only_infrared.infrared.tolist()) == ((0, 1), [[-5]])
    only_visible = Pair.of(rows(5), rows()).through(torch.neg, refuse)
    assert (only_visible.visible.tolist(), only_visible.infrared.shape) == ([[-5]], (0, 1))


def test_a_number_that_one_modality_lacks_has_no_rows_there() -> None:
    pair = Pair.of(rows(1, 2), rows(3))
    result = through_mapping({5: pair}, lambda maps: {4: maps[5]}, lambda maps: {3: maps[5]})
    assert result[4].visible.flatten().tolist() == [1, 2]
    assert result[4].infrared.shape == (0, 1)
    assert result[3].joint.flatten().tolist() == [3]


def test_rows_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"visible rows are \(3, 8, 4\) but infrared rows are"):
        Pair.of(torch.zeros(2, 3, 8, 4), torch.zeros(2, 3, 8, 5))


def test_more_visible_rows_than_rows_are_refused() -> None:
    with pytest.raises(ValueError, match="visible_rows is 3 but there are 2 rows"):
        Pair.joined(rows(1, 2), 3)


def test_one_tensor_for_both_modalities_stays_one() -> None:
    labels, calls = torch.arange(3), []

    def gather(rows: torch.Tensor) -> torch.Tensor:
        calls.append(rows)
        return torch.cat((rows, rows))

    result = Pair.of(labels, labels).map_parts(gather)
    assert result.visible is result.infrared
    assert len(calls) == 1
