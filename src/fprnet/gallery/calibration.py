"""A similarity becomes a probability, and a rate of errors becomes a threshold."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from fprnet.errors import GalleryError
from fprnet.files import write_text

__all__ = ["Calibration", "read_calibration", "write_calibration"]

FORMAT = 1


@dataclass(frozen=True)
class Calibration:
    """How far the similarities of one model can be trusted.

    Attributes:
        checkpoint_sha256: Of the model.
        slope: Of the logarithm of the likelihood ratio same person : somebody else.
        offset: The ratio's logarithm is ``slope * similarity + offset``.
        tail_start: Similarity from which on the tail of strangers' similarities is a formula.
        tail_rate: Share of pairs of strangers that are more alike than ``tail_start``.
        tail_scale: That share falls by e for each so much more similarity.
        identities: Validation people whom it was fitted on.
        queries: Infrared images of them.
        pairs: Pairs of a query and a gallery image.
        expected_calibration_error: Measured on other people than it was fitted on (folds).
    """

    checkpoint_sha256: str
    slope: float
    offset: float
    tail_start: float
    tail_rate: float
    tail_scale: float
    identities: int = 0
    queries: int = 0
    pairs: int = 0
    expected_calibration_error: float | None = None

    def probability(self, similarity: float, candidates: int) -> float:
        """Return the probability, 0 to 1, that a match is the same person.

        It holds under the assumption that one of the ``candidates`` records that the search could
        have returned shows the person of the query: the more records, the more strangers look
        alike.

        Args:
            similarity: Cosine of the two embeddings.
            candidates: Records that pass the filters.
        """
        odds = self.slope * similarity + self.offset - math.log(max(candidates - 1, 1))
        return 1 / (1 + math.exp(min(-odds, 700.0)))

    def threshold(self, false_match_rate: float, candidates: int) -> float:
        """Return the similarity that a stranger exceeds in so few searches only.

        Args:
            false_match_rate: Share, above 0 and below 1, of the searches for people who are not in
                the gallery that find a match nevertheless.
            candidates: Records that pass the filters.

        Raises:
            GalleryError: The rate is no such share.
        """
        if not 0 < false_match_rate < 1:
            raise GalleryError(
                f"false-match rate {false_match_rate} is no share; give e.g. 0.01, for one in 100 "
                "searches for people who are not in the gallery"
            )
        of_pair = -math.expm1(math.log1p(-false_match_rate) / max(candidates, 1))
        return self.tail_start - self.tail_scale * math.log(of_pair / self.tail_rate)

    def as_dict(self) -> dict[str, Any]:
        """Return what the file holds."""
        return {"format": FORMAT, **asdict(self)}


def write_calibration(path: Path, calibration: Calibration) -> None:
    """Write the JSON file that lies beside the model's checkpoint."""
    write_text(path, json.dumps(calibration.as_dict(), indent=1) + "\n")


def read_calibration(path: Path) -> Calibration:
    """Read a calibration.

    Raises:
        GalleryError: The file is missing, or no calibration.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        found = content.pop("format")
        if found != FORMAT:
            raise GalleryError(f"{path} has format {found}, this version reads {FORMAT}")
        return Calibration(**content)
    except FileNotFoundError as error:
        raise GalleryError(f"{path} does not exist; make it with 'fprnet calibrate'") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise GalleryError(f"{path} is no calibration ({error}); make it again") from error
