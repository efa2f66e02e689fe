"""Rows of both modalities through one block or through one block each, joined only where needed.

Shapes: V visible rows and I infrared rows; a joint tensor holds the V visible rows first.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property

import torch
from torch import Tensor

from fprnet.data.records import Modality

__all__ = ["Pair", "through_mapping"]


class Pair:
    """A tensor of V visible and I infrared rows, kept joint or in two parts as it was computed.

    Splitting is a view; joining copies once and is remembered. Either part may have no rows.
    Rows are counted by ``shape``, not ``len``, which would fix their number in an exported graph.
    """

    def __init__(
        self, *, visible_rows: int, joint: Tensor | None, parts: tuple[Tensor, ...]
    ) -> None:
        self.visible_rows = visible_rows
        self._joint = joint
        self._parts = parts

    @classmethod
    def of(cls, visible: Tensor, infrared: Tensor) -> Pair:
        """Return the pair of ``(V, ...)`` visible and ``(I, ...)`` infrared rows.

        Raises:
            ValueError: The rows of the two modalities have different shapes.
        """
        if visible.shape[1:] != infrared.shape[1:]:
            raise ValueError(
                f"visible rows are {tuple(visible.shape[1:])} but infrared rows are "
                f"{tuple(infrared.shape[1:])}; both must have one shape"
            )
        return cls(visible_rows=visible.shape[0], joint=None, parts=(visible, infrared))

    @classmethod
    def joined(cls, joint: Tensor, visible_rows: int) -> Pair:
        """Return the pair of ``(V + I, ...)`` rows, the ``visible_rows`` visible ones first."""
        if not 0 <= visible_rows <= joint.shape[0]:
            raise ValueError(f"visible_rows is {visible_rows} but there are {len(joint)} rows")
        return cls(visible_rows=visible_rows, joint=joint, parts=())

    @cached_property
    def joint(self) -> Tensor:
        """All rows, ``(V + I, ...)``, visible first."""
        if self._joint is not None:
            return self._joint
        visible, infrared = self._parts
        if infrared.shape[0] == 0:
            return visible
        return infrared if visible.shape[0] == 0 else torch.cat((visible, infrared))

    @property
    def visible(self) -> Tensor:
        """The visible rows, ``(V, ...)``."""
        return self._parts[0] if self._joint is None else self._joint[: self.visible_rows]

    @property
    def infrared(self) -> Tensor:
        """The infrared rows, ``(I, ...)``."""
        return self._parts[1] if self._joint is None else self._joint[self.visible_rows :]

    def part(self, modality: Modality) -> Tensor:
        """Return the rows of one modality."""
        return self.visible if modality == "visible" else self.infrared

    def through(
        self, visible: Callable[[Tensor], Tensor], infrared: Callable[[Tensor], Tensor]
    ) -> Pair:
        """Apply one block per modality, or once to all rows where both are the same block."""
        if visible is infrared:
            return Pair.joined(visible(self.joint), self.visible_rows)
        results = through_mapping(
            {0: self},
            lambda rows: {0: visible(rows[0])},
            lambda rows: {0: infrared(rows[0])},
        )
        return results[0]

    def map_rows(self, function: Callable[[Tensor], Tensor]) -> Pair:
        """Apply a function that treats rows one by one, once or per part, whichever is at hand."""
        if self._joint is not None:
            return Pair.joined(function(self._joint), self.visible_rows)
        return self.map_parts(function)

    def map_parts(self, function: Callable[[Tensor], Tensor]) -> Pair:
        """Apply a function to the rows of each modality by themselves (e.g. a gather)."""
        visible, infrared = self.visible, self.infrared
        result = function(visible)
        # Labels of both modalities are often one tensor, and stay one: that tells that they agree.
        return Pair.of(result, result if infrared is visible else function(infrared))


def through_mapping(
    pairs: Mapping[int, Pair],
    visible: Callable[[dict[int, Tensor]], dict[int, Tensor]],
    infrared: Callable[[dict[int, Tensor]], dict[int, Tensor]],
) -> dict[int, Pair]:
    """Apply blocks that take and return several tensors by number, e.g. pyramids.

    A block never sees an empty modality: BatchNorm could not take it. Where only one modality
    gives a number, the other part of that pair has no rows.

    Args:
        pairs: Inputs by number (stage, level), all of the same V and I.
        visible: Block for the visible rows, and for all rows in one pass where it is the same
            object as ``infrared``.
        infrared: Block for the infrared rows.

    Returns:
        Outputs by number.
    """
    if visible is infrared:
        visible_rows = next(iter(pairs.values())).visible_rows
        results = visible({key: pair.joint for key, pair in pairs.items()})
        return {key: Pair.joined(rows, visible_rows) for key, rows in results.items()}
    of_visible = _unless_empty(visible, {key: pair.visible for key, pair in pairs.items()})
    of_infrared = _unless_empty(infrared, {key: pair.infrared for key, pair in pairs.items()})
    either = of_infrared | of_visible
    return {
        key: Pair.of(of_visible.get(key, rows[:0]), of_infrared.get(key, rows[:0]))
        for key, rows in either.items()
    }


def _unless_empty(
    block: Callable[[dict[int, Tensor]], dict[int, Tensor]], rows: dict[int, Tensor]
) -> dict[int, Tensor]:
    return {} if any(tensor.shape[0] == 0 for tensor in rows.values()) else block(rows)
