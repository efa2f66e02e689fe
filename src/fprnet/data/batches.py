"""Records become batches: the same people in both modalities, chosen by (seed, step).

Shapes: P identities in a batch, K images of each of them in each modality; M identities in all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from fprnet.data.records import Records
from fprnet.errors import DataError, UsageError
from fprnet.ranges import PositiveInt

__all__ = ["SAMPLERS", "Batch", "IdentitySampler", "Sampler"]

NAMED = 5  # identities that a message names before it only counts


@dataclass(frozen=True)
class Batch:
    """Which images a step trains on; the K images of an identity are next to each other.

    Attributes:
        label: ``(P K,)`` int64, 0..M-1: row b of both modalities shows this identity.
        visible: ``(P K,)`` int64, rows of the visible images.
        infrared: ``(P K,)`` int64, rows of the infrared images; None if only visible ones are used.
        images: K.
        infrared_label: ``(P K,)`` int64, where the infrared rows show others than the visible ones
            do; None: the same. Methods that compare row b of both modalities need the same.
    """

    label: NDArray[np.int64]
    visible: NDArray[np.int64]
    infrared: NDArray[np.int64] | None
    images: int
    infrared_label: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.label)

    def part_of(self, process: int, processes: int) -> slice:
        """Return the rows that belong to one of several processes: whole identities, in order.

        The same slice cuts the augmentation's parameters of the batch.

        Raises:
            UsageError: The identities cannot be shared evenly.
        """
        identities = len(self) // self.images
        if identities % processes != 0:
            raise UsageError(
                f"{identities} identities of a batch cannot be shared evenly by {processes} "
                f"processes; choose --batches.identities as a multiple of {processes}"
            )
        share = identities // processes * self.images
        return slice(process * share, (process + 1) * share)

    def __getitem__(self, rows: slice) -> Batch:
        infrared, label = (
            None if column is None else column[rows]
            for column in (self.infrared, self.infrared_label)
        )
        return Batch(self.label[rows], self.visible[rows], infrared, self.images, label)


class Sampler(Protocol):
    """What decides which images each step shows.

    Attributes:
        identity: ``(M,)`` int64, sorted: the identity number of each label.
        left_out: ``(L,)`` int64: identities that are never shown.
        steps_per_epoch: At least 1.
    """

    identity: NDArray[np.int64]
    left_out: NDArray[np.int64]
    steps_per_epoch: int

    @property
    def images_per_modality(self) -> int:
        """Rows of one modality in a batch."""

    def batch(self, step: int) -> Batch:
        """Return the whole batch of a step, a pure function of the seed and the step's number."""


class _Side(NamedTuple):
    """The images of a modality, and of every identity which of them show it."""

    records: Records
    rows: list[NDArray[np.int64]]


class IdentitySampler:
    """Batches of P distinct identities with K images each, the same people in both modalities.

    The batch of a step is a pure function of the seed and the step's number, so a run that was
    stopped needs nothing but that number to go on.

    Args:
        visible: The visible images that may be shown.
        infrared: The infrared ones; None uses visible ones only.
        seed: Seed of all batches, at least 0.
        identities: P, distinct people in a batch.
        images: K, images of each of them in each modality. An identity with fewer images shows
            each of them once, then again.

    Attributes:
        identity: ``(M,)`` int64, sorted: the identity number of each label. Those that have images
            in only one modality are not among them.
        left_out: ``(L,)`` int64, those, sorted.
        steps_per_epoch: max(visible, infrared images of the M identities) // (P K), at least 1.

    Raises:
        DataError: There are fewer than P identities.
    """

    def __init__(
        self,
        visible: Records,
        infrared: Records | None,
        seed: int,
        *,
        identities: PositiveInt = 32,
        images: PositiveInt = 1,
    ) -> None:
        if identities < 1 or images < 1 or seed < 0:
            raise UsageError(
                f"a batch of {identities} identities x {images} images with seed {seed} is not "
                "possible; give at least 1 identity, 1 image and seed 0"
            )
        other = visible if infrared is None else infrared
        self.identity: NDArray[np.int64] = np.intersect1d(visible.identity, other.identity)
        self.left_out: NDArray[np.int64] = np.setxor1d(visible.identity, other.identity)
        if identities > len(self.identity):
            next_step = (
                f"lower it with --batches.identities {len(self.identity)}"
                if len(self.identity) > 0
                else "look at the folder with 'fprnet data check'"
            )
            raise DataError(
                f"a batch of {identities} identities cannot be drawn from {self._what_there_is()}; "
                + next_step
            )
        self.identities, self.images, self.seed = identities, images, seed
        self._visible = _Side(visible, _rows_of_each(self.identity, visible.identity))
        self._infrared = (
            None
            if infrared is None
            else _Side(infrared, _rows_of_each(self.identity, infrared.identity))
        )
        sides = [side for side in (self._visible, self._infrared) if side is not None]
        most = max(sum(map(len, side.rows)) for side in sides)
        self.steps_per_epoch = max(1, most // (identities * images))

    @property
    def images_per_modality(self) -> int:
        """P K, rows of one modality in a batch."""
        return self.identities * self.images

    def __len__(self) -> int:
        return len(self.identity)

    def _what_there_is(self) -> str:
        text = f"{len(self.identity)} identities"
        if len(self.left_out) > 0:
            named = ", ".join(map(str, self.left_out[:NAMED]))
            more = f" and {len(self.left_out) - NAMED} more" if len(self.left_out) > NAMED else ""
            text += f" (left out, because they are in one modality only: {named}{more})"
        return text

    def batch(self, step: int) -> Batch:
        """Return the whole batch of a step, counted from 0 over the entire run."""
        random = np.random.default_rng([self.seed, step])
        label = random.choice(len(self.identity), self.identities, replace=False)
        return self.batch_of(label, random)

    def batch_of(self, label: NDArray[np.int64], random: np.random.Generator) -> Batch:
        """Return a batch of these people, for a sampler that derives from this one.

        Args:
            label: ``(P,)``, 0..M-1: positions in ``identity``.
            random: Draws the K images of each of them.
        """
        visible = self._draw(random, self._visible, label)
        infrared = None if self._infrared is None else self._draw(random, self._infrared, label)
        return Batch(np.repeat(label, self.images), visible, infrared, self.images)

    def choose_images(
        self, records: Records, rows: NDArray[np.int64], random: np.random.Generator
    ) -> NDArray[np.int64]:
        """Return the K images of a person in a modality; a sampler that derives may choose others.

        Args:
            records: All images of the modality.
            rows: ``(n,)``, which of them are the person's, in ascending order; n is at least 1.
            random: Draws them.

        Returns:
            ``(K,)`` of these rows: without repetition; where there are too few, all, then again.
        """
        del records
        rounds = -(-self.images // len(rows))
        return np.concatenate([random.permutation(rows) for _ in range(rounds)])[: self.images]

    def _draw(
        self, random: np.random.Generator, side: _Side, label: NDArray[Any]
    ) -> NDArray[np.int64]:
        return np.concatenate(
            [self.choose_images(side.records, side.rows[one], random) for one in label]
        )


SAMPLERS = {"identities": IdentitySampler}
"""Samplers by the name that ``batches`` takes."""


def _rows_of_each(
    identity: NDArray[np.int64], identity_of_image: NDArray[np.int64]
) -> list[NDArray[np.int64]]:
    """Return, for every identity, the rows of its images in ascending order."""
    order = np.argsort(identity_of_image, kind="stable")
    ordered = identity_of_image[order]
    first = np.searchsorted(ordered, identity, side="left")
    last = np.searchsorted(ordered, identity, side="right")
    return [order[a:b] for a, b in zip(first, last, strict=True)]
