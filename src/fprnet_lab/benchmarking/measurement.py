"""What a benchmark is asked, and what every benchmark answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Benchmark", "Measurement", "Sizes", "Value"]

Value = str | int | float | Mapping[str, float]


@dataclass(frozen=True)
class Sizes:
    """How much is measured; every benchmark takes what concerns it.

    Attributes:
        data: SYSU-MM01's split files; None draws a split of the official size.
        dimensions: Numbers per embedding, of evaluation and reranking.
        trials: Number of trials of the evaluation.
        records: In the gallery of search.
        repeats: Each side is measured so often, in turns; the best one counts.
        size: H, W of the images, pixels.
        width: Channels of the stem of the ResNet-50.
        images: Images of each modality in a training batch, or of an embedding batch.
        device: "cpu" or "cuda".
        threads: Threads of the CPU.
        precision: "bfloat16", "float32", or None for the one in which the backbone is faster.
    """

    data: Path | None = None
    dimensions: int = 512
    trials: int = 10
    records: int = 100_000
    repeats: int = 3
    size: tuple[int, int] = (288, 144)
    width: int = 64
    images: int = 32
    device: str = "cpu"
    threads: int = 1
    precision: str | None = None


@dataclass(frozen=True)
class Measurement:
    """The ratio of a benchmark, and that both sides agree.

    Attributes:
        ratio: How many times faster the package is than the plain side.
        max_difference: Between the two sides' results.
        tolerance: ... and how large it may be.
        speeds: The two sides in words, e.g. "18.2 images/s against 4.0".
        further: Other differences by name, each with how large it may be.
        share_of_limit: Operations a second as a share of the matrix rate measured on this machine;
            None where matrix products are not the limit.
        limit: That rate in words, e.g. "float32 matrix rate, 145 GFLOP/s".
        lines: Lines of a table that is printed below the sentence.
        details: Everything else that was measured, for ``--json``.
    """

    ratio: float
    max_difference: float
    tolerance: float
    speeds: str
    further: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    share_of_limit: float | None = None
    limit: str = "matrix rate"
    lines: tuple[str, ...] = ()
    details: Mapping[str, Value] = field(default_factory=dict)

    @property
    def disagreements(self) -> list[str]:
        """Where the two sides do not compute the same; what is no number never agrees."""
        differences = {"": (self.max_difference, self.tolerance), **self.further}
        return [
            f"the two sides differ by {difference}" + (f" in {name}" if name else "")
            for name, (difference, allowed) in differences.items()
            if not difference <= allowed
        ]

    def as_dict(self) -> dict[str, Value]:
        """Return the JSON object of ``fprnet benchmark --json``."""
        result: dict[str, Value] = {"ratio": self.ratio, "max_difference": self.max_difference}
        if self.share_of_limit is not None:
            result["share_of_limit"] = self.share_of_limit
        return {**result, **self.details}

    def sentence(self) -> str:
        """Return the line of ``fprnet benchmark``, without the benchmark's name."""
        share = ""
        if self.share_of_limit is not None:
            share = f", {100 * self.share_of_limit:.0f} % of this machine's {self.limit}"
        return (
            f"{self.ratio:6.1f} times faster: {self.speeds}{share}, "
            f"largest difference {self.max_difference:.1e}"
        )


Benchmark = Callable[[Sizes], Measurement]
