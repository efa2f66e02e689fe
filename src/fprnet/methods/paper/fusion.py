"""Fusion specs: which pyramid features are joined, and which way, as a value (paper 3.1.2).

Shapes: B images per modality; one pyramid feature is ``(B, P)``; a spec is a matrix of r rows and
c columns of cells (modality, level). Rows are stacked on the channels, columns along the batch.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from fprnet.data.records import Modality
from fprnet.errors import ConfigError

__all__ = ["LEVELS", "Cell", "FusionSpec"]

LEVELS = (2, 3, 4, 5)


class Cell(NamedTuple):
    """One pyramid feature, P_r(5) = ``Cell("visible", 5)``, written r5."""

    modality: Modality
    level: int

    def __str__(self) -> str:
        return f"{'r' if self.modality == 'visible' else 'i'}{self.level}"


CELLS = {str(cell): cell for m in ("visible", "infrared") for cell in (Cell(m, k) for k in LEVELS)}


@dataclass(frozen=True)
class FusionSpec:
    """A matrix of pyramid features: one row is horizontal, one column vertical, else hybrid.

    >>> spec = FusionSpec.parse("r5 r2 i5 i2")
    >>> str(spec.vertical()), str(spec.hybrid(3))
    ('r5 / r2 / i5 / i2', 'r5 r2 / i5 i2')
    """

    rows: tuple[tuple[Cell, ...], ...]

    def __post_init__(self) -> None:
        if not self.rows or not self.rows[0]:
            raise ConfigError("a fusion spec needs at least one cell; write e.g. 'r5 i5 i4 r4'")
        for number, row in enumerate(self.rows, start=1):
            if len(row) != self.columns:
                raise ConfigError(
                    f"row {number} of fusion spec '{self}' has {len(row)} cells but row 1 has "
                    f"{self.columns}; give every row as many"
                )

    @classmethod
    def parse(cls, text: str) -> FusionSpec:
        """Read ``"r5 r4 / i5 i4"``: r or i and a level 2 to 5, ``/`` between rows.

        Raises:
            ConfigError: A cell is unknown (its place and the nearest one are named), there is none,
                or rows differ in length.
        """
        return cls(
            tuple(
                tuple(
                    _parse_cell(word, row, column)
                    for column, word in enumerate(line.split(), start=1)
                )
                for row, line in enumerate(text.split("/"), start=1)
            )
        )

    def __str__(self) -> str:
        return " / ".join(" ".join(map(str, row)) for row in self.rows)

    @property
    def columns(self) -> int:
        """Number of cells side by side: the batch grows by this factor."""
        return len(self.rows[0])

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells, row by row."""
        return tuple(cell for row in self.rows for cell in row)

    def levels(self, modality: Modality) -> tuple[int, ...]:
        """Return the levels that one modality contributes, finest first."""
        return tuple(sorted({cell.level for cell in self.cells if cell.modality == modality}))

    def redrawn(self) -> FusionSpec:
        """Return a spec of the same shape whose cells are drawn by PyTorch's random numbers.

        Any of the eight cells may stand anywhere, as in the paper's search (section 3.1.2).
        """
        drawn = torch.randint(len(CELLS), (len(self.rows), self.columns), device="cpu")
        cells = tuple(CELLS.values())
        return FusionSpec(tuple(tuple(cells[place] for place in row) for row in drawn.tolist()))

    def vertical(self) -> FusionSpec:
        """Return the transpose: horizontal becomes vertical and back."""
        return FusionSpec(tuple(zip(*self.rows, strict=True)))

    def hybrid(self, kind: Literal[1, 2, 3]) -> FusionSpec:
        """Return four cells a b c d (a, c of one level, b, d of another) as a 2 x 2 matrix.

        Kinds T of paper 3.1.2: 1 has different levels along rows and columns, ``a b / d c``;
        2 the same level along a row, ``a c / b d``; 3 the same level down a column, ``a b / c d``.

        Raises:
            ConfigError: The spec is not four cells of such levels in one row, or T is unknown.
        """
        cells = self.cells
        fits = len(self.rows) == 1 and len(cells) == 4
        if not fits or [c.level for c in cells[:2]] != [c.level for c in cells[2:]]:
            raise ConfigError(
                f"fusion spec '{self}' has no hybrid form; give four cells in one row whose "
                "levels repeat, e.g. 'r5 r2 i5 i2'"
            )
        a, b, c, d = cells
        match kind:
            case 1:
                return FusionSpec(((a, b), (d, c)))
            case 2:
                return FusionSpec(((a, c), (b, d)))
            case 3:
                return FusionSpec(((a, b), (c, d)))
        raise ConfigError(f"hybrid kind {kind} is unknown; T is 1, 2 or 3")

    def fuse(
        self, pooled: Mapping[Cell, Tensor], visible_labels: Tensor, infrared_labels: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Join pooled features into the fusion block.

        Args:
            pooled: Cell -> ``(B, P)``, for every cell of the spec.
            visible_labels: ``(V,)`` identities of the rows of visible cells.
            infrared_labels: ``(I,)`` identities of the rows of infrared cells.

        Returns:
            ``(c * B, r * P)`` fusion block and its ``(c * B,)`` labels.

        Raises:
            ValueError: A column joins the modalities but row b is not one identity in both.
        """
        labels: dict[Modality, Tensor] = {"visible": visible_labels, "infrared": infrared_labels}
        block, block_labels = [], []
        for column in zip(*self.rows, strict=True):
            if len({cell.modality for cell in column}) == 2 and not _same(
                visible_labels, infrared_labels
            ):
                raise ValueError(
                    f"fusion spec '{self}' joins a visible and an infrared image into one vector, "
                    "but the two batches do not hold the same identities in the same order"
                )
            block.append(torch.cat([pooled[cell] for cell in column], dim=1))
            block_labels.append(labels[column[0].modality])
        return torch.cat(block), torch.cat(block_labels)


def _same(one: Tensor, other: Tensor) -> bool:
    """Whether two label vectors agree; of one and the same tensor no device need be asked."""
    return one is other or torch.equal(one, other)


def _parse_cell(word: str, row: int, column: int) -> Cell:
    if word in CELLS:
        return CELLS[word]
    nearest = difflib.get_close_matches(word.lower(), CELLS, n=1, cutoff=0.0)
    raise ConfigError(
        f"fusion cell '{word}' in row {row}, column {column} is unknown; "
        f"did you mean '{nearest[0]}' (r or i, then a level 2 to 5)?"
    )
