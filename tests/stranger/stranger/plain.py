"""A backbone of five convolutions. Shapes: N images ``(N, C_in, H, W)``; stage k has C_k maps."""

from __future__ import annotations

from torch import nn

from fprnet.ranges import PositiveInt

__all__ = ["Plain"]


class Plain(nn.Module):
    """Five stages of one convolution each, every one halving height and width.

    Args:
        input_channels: C_in.
        width: Channels of stage 1; each stage but the last doubles them.
    """

    def __init__(self, input_channels: int = 3, *, width: PositiveInt = 8) -> None:
        super().__init__()
        counts = [input_channels, width, 2 * width, 4 * width, 8 * width, 8 * width]
        self.input_channels = input_channels
        self.stage_channels = {stage: counts[stage] for stage in (2, 3, 4, 5)}
        self.stage_ends = {f"stage{stage}": stage for stage in (1, 2, 3, 4, 5)}
        for stage in self.stage_ends.values():
            block = nn.Sequential(
                nn.Conv2d(counts[stage - 1], counts[stage], 3, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(counts[stage]),
                nn.ReLU(),
            )
            self.add_module(f"stage{stage}", block)

    def stages(self, first: int, last: int) -> nn.Sequential:
        """Return the modules of stages ``first`` to ``last``."""
        chosen = nn.Sequential()
        for stage in range(first, last + 1):
            chosen.add_module(f"stage{stage}", self.get_submodule(f"stage{stage}"))
        return chosen

    def load_pretrained(self, source: str) -> None:
        """Refuse: nobody has published weights of this network."""
        raise ValueError(f"there are no weights {source}; set model.weights to none")
