"""A similarity becomes a probability, and a rate of errors becomes a threshold.

Both depend on how many records were searched: among more strangers some look more alike.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from fprnet.errors import GalleryError
from fprnet.files import write_text
from fprnet.gallery.strangers import Strangers
from fprnet.plain_text import parse_json

__all__ = [
    "NO_TRACKLETS",
    "Calibration",
    "calibration_path",
    "read_calibration",
    "write_calibration",
]

FORMAT = 2
READ = (1, 2)  # 1 knows nothing of pairs of one modality
NO_TRACKLETS = (
    "the calibration was made before tracklets were measured, so there is no threshold; make it "
    "again with 'fprnet calibrate'"
)
FARTHEST = 700.0  # of a logarithm of odds, so that its exponential is finite


@dataclass(frozen=True)
class Calibration:
    """How far the similarities of one model can be trusted.

    Attributes:
        checkpoint_sha256: Of the model.
        method: "logistic" or "isotonic", how the curve was fitted.
        similarities: Ascending places of the curve, -1 to 1.
        log_ratios: At each of them the natural logarithm of the likelihood ratio, how much more
            often pairs of one person are so alike than pairs of two people. Between them the curve
            is straight, outside it is level.
        stranger_quantiles: Quantiles of :class:`Strangers` of a visible and an infrared image.
        tail_scale: Scale of the tail beyond those quantiles, see :class:`Strangers`.
        tail_shape: Shape of that tail, at most 0, see :class:`Strangers`.
        measured: What was measured, on other people than those fitted on; for the reader only.
        projection_sha256: Hash of the projection whose compact embeddings were compared; "" for
            full embeddings.
        same_modality: Modality -> how alike two images of it are that show two people at two
            locations; people look more alike in one kind of light than in two. Empty where it was
            not measured.
        tracklets: Calibration of templates, which are more alike than images: the mean of the
            embeddings of one person in one camera, of unit length again. None where it was not
            measured.
    """

    checkpoint_sha256: str
    method: str
    similarities: tuple[float, ...]
    log_ratios: tuple[float, ...]
    stranger_quantiles: tuple[float, ...]
    tail_scale: float
    tail_shape: float
    measured: Mapping[str, Any] = field(default_factory=dict)
    projection_sha256: str = ""
    same_modality: Mapping[str, Strangers] = field(default_factory=dict)
    tracklets: Calibration | None = None

    @property
    def strangers(self) -> Strangers:
        """How alike a visible and an infrared image of two people are."""
        return Strangers(self.stranger_quantiles, self.tail_scale, self.tail_shape)

    def probability(self, similarity: float, candidates: int, images: float = 1.0) -> float:
        """Return the probability, 0 to 1, that a match is the same person.

        Bayes' rule: the curve's likelihood ratio times the odds before looking. Those say that the
        person of the query is in the gallery with ``images`` of the ``candidates`` records, each
        as likely to be one of them as any other. The probability of a person who is not in the
        gallery is therefore too high: that question is :meth:`threshold`'s.

        Args:
            similarity: Cosine of the two embeddings.
            candidates: Records that pass the filters.
            images: Images of the person, that are expected among them.
        """
        others = max(candidates - images, 1.0)
        ratio = float(np.interp(similarity, self.similarities, self.log_ratios))
        odds = ratio + math.log(images / others)
        return 1 / (1 + math.exp(min(-odds, FARTHEST)))

    def threshold(
        self, false_match_rate: float, candidates: int, *, modality: str | None = None
    ) -> float:
        """Return the similarity from which a match is accepted.

        Of the searches for people who are not in the gallery, at most about the share
        ``false_match_rate`` find an image that is so alike (the false positive identification rate
        of ISO/IEC 19795-1): with N candidates each may be so alike with probability
        1 - (1 - rate)^(1/N). Images of one stranger resemble each other, which makes the true
        share smaller; people who look alike make it larger.

        Args:
            false_match_rate: Above 0 and below 1.
            candidates: Records that pass the filters.
            modality: In which both images are, "visible" or "infrared"; None is one of each.

        Returns:
            A cosine, at most 1.

        Raises:
            GalleryError: The rate is no such share, or pairs of the modality were not measured.
        """
        if not 0 < false_match_rate < 1:
            raise GalleryError(
                f"false-match rate {false_match_rate} is no share between 0 and 1; give e.g. 0.01, "
                "for one in 100 searches for people who are not in the gallery"
            )
        strangers = self.strangers if modality is None else self.same_modality.get(modality)
        if strangers is None:
            raise GalleryError(
                f"the calibration has not compared {modality} images with each other; make it "
                "again with 'fprnet calibrate'"
            )
        of_pair = -math.expm1(math.log1p(-false_match_rate) / max(candidates, 1))
        return strangers.exceeded_by(of_pair)

    def threshold_between(
        self, one: str, other: str, false_match_rate: float, candidates: int
    ) -> float:
        """Return :meth:`threshold` for images of two modalities, which may be the same."""
        return self.threshold(false_match_rate, candidates, modality=one if one == other else None)

    @property
    def of_tracklets(self) -> Calibration:
        """The calibration of templates.

        Raises:
            GalleryError: It was not measured.
        """
        if self.tracklets is None:
            raise GalleryError(NO_TRACKLETS)
        return self.tracklets

    def as_dict(self) -> dict[str, Any]:
        """Return what the file holds."""
        return {"format": FORMAT, **asdict(self)}


def calibration_path(checkpoint: Path) -> Path:
    """Return where the calibration of a checkpoint lies: ``best.calibration.json`` beside it."""
    return checkpoint.with_name(f"{checkpoint.stem}.calibration.json")


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write the JSON file."""
    write_text(path, json.dumps(calibration.as_dict(), indent=1) + "\n")


def read_calibration(path: Path) -> Calibration:
    """Read a calibration.

    Raises:
        GalleryError: The file is missing, or no calibration.
    """
    try:
        content: Any = parse_json(path.read_text(encoding="utf-8"))
        found = content.pop("format")
        if found not in READ:
            raise GalleryError(f"{path} has format {found}, this version reads up to {FORMAT}")
        calibration = _calibration(content)
        calibration.probability(0.5, 10)
        calibration.threshold(0.01, 10)
    except FileNotFoundError as error:
        raise GalleryError(f"{path} does not exist; make it with 'fprnet calibrate'") from error
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise GalleryError(
            f"{path} is no calibration ({error}); make it again with 'fprnet calibrate'"
        ) from error
    return calibration


def _calibration(content: Mapping[str, Any]) -> Calibration:
    """Return what a file's content says; wrong content raises nearly anything."""
    values = dict(content)
    for name in ("similarities", "log_ratios", "stranger_quantiles"):
        values[name] = tuple(float(value) for value in values[name])
    values["same_modality"] = {
        modality: Strangers(**{**one, "quantiles": tuple(map(float, one["quantiles"]))})
        for modality, one in values.get("same_modality", {}).items()
    }
    if values.get("tracklets") is not None:
        values["tracklets"] = _calibration(values["tracklets"])
    return Calibration(**values)
