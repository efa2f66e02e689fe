"""The paper's game and hybrid loss (paper 3.2, Eqs. 2 to 8).

L_ri is the cross entropy of the block that becomes the joint feature U, L_r and L_i those of the
RGB and IR block; L' = lambda_1 L_ri + lambda_2 L_r + lambda_3 L_i + e^|d| with
d = L_ri - (L_r + L_i) / 2. Baselines add a ranking loss on the main block.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

import torch
from torch import Tensor

from fprnet.errors import ConfigError
from fprnet.kinds import RANKING_LOSS
from fprnet.losses.identity import accuracy, correct_rows, identity_loss
from fprnet.losses.ranking import RankingLoss
from fprnet.losses.terms import LossTerms
from fprnet.models.heads import HeadOutput
from fprnet.ranges import BelowOne, NonNegative

__all__ = ["Discrepancy", "Game", "HybridLoss", "fusion_wins"]

Game = Literal["count", "rate", "max", "sum", "main", "fusion"]
Discrepancy = Literal["none", "detached", "differentiable"]


def fusion_wins(
    main: HeadOutput, fusion: HeadOutput, game: Game, *, smoothing: float = 0.0
) -> Tensor:
    """Whether the fusion block becomes the joint feature U, a bool scalar on the device.

    Ties go to the main block.

    Args:
        main: Head of the IR-RGB block.
        fusion: Head of the fusion block.
        game: "count": the block with more correctly classified rows (released code: raw counts
            over blocks of different sizes); "rate": with a larger share of them; "max": with the
            larger cross entropy, so that L_ri = max(L_main, L_fusion) is what is minimised (a
            minimax game, as the caption of Fig. 1 calls it); "main" and "fusion": that one,
            whatever happens.
        smoothing: Label smoothing of the cross entropies that "max" compares.
    """
    of_main, of_fusion = correct_rows(main), correct_rows(fusion)
    match game:
        case "count":
            return of_fusion > of_main
        case "rate":  # of_fusion / rows > of_main / rows, in whole numbers so that ties are exact
            return of_fusion * len(main.labels) > of_main * len(fusion.labels)
        case "max":
            of_main, of_fusion = (
                identity_loss(block, smoothing=smoothing).detach() for block in (main, fusion)
            )
            return of_fusion > of_main
        case "main":
            return torch.zeros_like(of_main, dtype=torch.bool)
        case "fusion":
            return torch.ones_like(of_main, dtype=torch.bool)
    raise ConfigError(f"game '{game}' has no winner; use count, rate, max, main or fusion")


@dataclass(frozen=True)
class HybridLoss:
    """Eq. 8, each part optional.

    Outputs that are missing (Table 5 removes components) leave their term out; a block without an
    opponent always wins, and no wins are counted. The block that does not become U enters with
    weight 0: its gradient is 0, not None.

    Attributes:
        joint_weight: lambda 1 of Eq. 2, weight of the joint loss L_ri.
        visible_weight: lambda 2, weight of the RGB block's loss L_r.
        infrared_weight: lambda 3, weight of the IR block's loss L_i.
        discrepancy: e^|d| as a "differentiable" term (Eq. 7 as written), "detached" (released
            code: a constant) or "none".
        game: Whose loss L_ri is, the main or the fusion block's: a rule of ``fusion_wins``
            ("count", "rate", "max", "main", "fusion"), or "sum" of both.
        label_smoothing: Label smoothing of every cross entropy, in [0, 1).
        ranking: Ranking loss on the main block's features; None leaves it out.
        ranking_weight: Weight of the ranking loss.
    """

    joint_weight: NonNegative = 1.0
    visible_weight: NonNegative = 1.0
    infrared_weight: NonNegative = 1.0
    discrepancy: Discrepancy = "none"
    game: Game = "rate"
    label_smoothing: BelowOne = 0.0
    ranking: Annotated[RankingLoss | None, RANKING_LOSS] = None
    ranking_weight: NonNegative = 1.0

    def __post_init__(self) -> None:
        for name, value, known in (
            ("game", self.game, get_args(Game)),
            ("discrepancy", self.discrepancy, get_args(Discrepancy)),
        ):
            if value not in known:
                raise ConfigError(f"{name} '{value}' is unknown; use one of {', '.join(known)}")

    def __call__(self, outputs: Mapping[str, HeadOutput]) -> LossTerms:
        """Return L' of outputs "main", "fusion", "visible", "infrared".

        Raises:
            ConfigError: There is neither a main nor a fusion block, or the discrepancy is on
                without RGB and IR blocks, or a ranking without a main block.
        """
        losses = {
            head: identity_loss(output, smoothing=self.label_smoothing)
            for head, output in outputs.items()
        }
        joint, wins = self._joint(outputs, losses)
        total = self.joint_weight * joint
        for weight, head in ((self.visible_weight, "visible"), (self.infrared_weight, "infrared")):
            if head in losses:
                total = total + weight * losses[head]
        terms = {**losses, "joint": joint}
        if self.discrepancy != "none":
            if not {"visible", "infrared"} <= losses.keys():
                raise ConfigError(
                    f"discrepancy '{self.discrepancy}' compares the joint loss with the RGB and IR "
                    "blocks', but they are switched off; set the discrepancy to none"
                )
            d = joint - (losses["visible"] + losses["infrared"]) / 2
            term = d.abs().exp()
            terms["discrepancy"] = term
            total = total + (term if self.discrepancy == "differentiable" else term.detach())
        if self.ranking is not None:
            if "main" not in outputs:
                raise ConfigError(
                    "a ranking loss needs a main block, but it is switched off; set the ranking to "
                    "none"
                )
            terms["ranking_main"] = self.ranking(outputs["main"])
            total = total + self.ranking_weight * terms["ranking_main"]
        terms |= {f"accuracy_{head}": accuracy(output) for head, output in outputs.items()}
        terms |= wins
        return LossTerms(total, {name: term.detach() for name, term in terms.items()})

    @staticmethod
    def faults(options: Mapping[str, Any], config: Any) -> Iterable[str]:  # noqa: ANN401
        """Yield what does not fit between the loss and the blocks of a cross-modality head."""
        head = config.model.options.get("head")
        blocks = head.options if head is not None else {}
        if options["discrepancy"] != "none" and blocks.get("modality_blocks") == "none":
            yield (
                f"loss.discrepancy is {options['discrepancy']} but model.head.modality_blocks is "
                "none, so there is nothing to compare; set loss.discrepancy to none"
            )
        if options["ranking"] is not None and not blocks.get("main", True):
            yield f"loss.ranking {options['ranking'].name} needs model.head.main true"

    def _joint(
        self, outputs: Mapping[str, HeadOutput], losses: Mapping[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        blocks = [head for head in ("main", "fusion") if head in losses]
        if not blocks:
            raise ConfigError("a hybrid loss needs a main or a fusion block; switch one on")
        if len(blocks) == 1:
            return losses[blocks[0]], {}
        if self.game == "sum":
            return losses["main"] + losses["fusion"], {}
        fusion = fusion_wins(
            outputs["main"], outputs["fusion"], self.game, smoothing=self.label_smoothing
        )
        joint = torch.where(fusion, losses["fusion"], losses["main"])
        return joint, {"wins_main": (~fusion).float(), "wins_fusion": fusion.float()}
