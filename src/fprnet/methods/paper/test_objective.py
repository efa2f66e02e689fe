"""The game with cases typed by hand, and the hybrid loss against Eqs. 2 to 8."""

import math

import pytest
import torch
from torch import Tensor

from fprnet.errors import ConfigError
from fprnet.losses.ranking import CrossModalityTopRanking
from fprnet.methods.paper.objective import HybridLoss, fusion_wins
from fprnet.models.heads import HeadOutput

IDENTITIES = 5


def block(rows: int, correct: int) -> HeadOutput:
    """A block of which exactly ``correct`` rows are classified correctly."""
    labels = torch.zeros(rows, dtype=torch.int64)
    logits = torch.zeros(rows, IDENTITIES)
    logits[:correct, 0] = 1.0
    logits[correct:, 1] = 1.0
    return HeadOutput(torch.zeros(rows, 2), logits, labels)


# B = 4: the main block has 2 B = 8 rows, the fusion block 8 B = 32.
@pytest.mark.parametrize(
    ("game", "main", "fusion", "expected"),
    [
        ("count", 5, 6, True),
        ("count", 6, 6, False),  # a tie goes to the main block
        ("count", 8, 9, True),  # all of the main block against 9 of 32
        ("count", 1, 0, False),
        ("rate", 8, 9, False),
        ("rate", 2, 8, False),  # 1/4 each: a tie
        ("rate", 2, 9, True),
        ("rate", 0, 0, False),
        ("main", 0, 32, False),
        ("fusion", 8, 0, True),
    ],
)
def test_who_wins(game: str, main: int, fusion: int, expected: bool) -> None:
    wins = fusion_wins(block(8, main), block(32, fusion), game)  # type: ignore[arg-type]
    assert wins.shape == ()
    assert wins.item() is expected


def random_outputs(seed: int = 0, scale: float = 1.0) -> dict[str, HeadOutput]:
    generator = torch.Generator().manual_seed(seed)
    rows = {"main": 8, "fusion": 32, "visible": 4, "infrared": 4}
    return {
        head: HeadOutput(
            torch.zeros(count, 2),
            (scale * torch.randn(count, IDENTITIES, generator=generator)).requires_grad_(),
            torch.randint(0, IDENTITIES, (count,), generator=generator),
        )
        for head, count in rows.items()
    }


def cross_entropy(output: HeadOutput) -> float:
    return torch.nn.functional.cross_entropy(output.logits, output.labels).item()


@pytest.mark.parametrize("discrepancy", ["none", "detached", "differentiable"])
@pytest.mark.parametrize("game", ["main", "fusion", "sum"])
def test_equations_2_to_8(game: str, discrepancy: str) -> None:
    outputs = random_outputs()
    loss = HybridLoss(1.5, 0.7, 0.2, discrepancy, game)(outputs)  # type: ignore[arg-type]
    losses = {head: cross_entropy(output) for head, output in outputs.items()}
    joint = losses["main"] + losses["fusion"] if game == "sum" else losses[game]
    expected = 1.5 * joint + 0.7 * losses["visible"] + 0.2 * losses["infrared"]
    d = joint - (losses["visible"] + losses["infrared"]) / 2
    if discrepancy != "none":
        expected += math.exp(abs(d))
        assert loss.terms["discrepancy"].item() == pytest.approx(math.exp(abs(d)), rel=1e-5)
    assert loss.total.item() == pytest.approx(expected, rel=1e-5)
    assert loss.terms["joint"].item() == pytest.approx(joint, rel=1e-6)
    for head, value in losses.items():
        assert loss.terms[head].item() == pytest.approx(value, rel=1e-6)


@pytest.mark.parametrize("game", ["count", "rate", "max", "main", "fusion"])
def test_the_loser_gets_a_gradient_of_zero_and_the_winner_its_own(game: str) -> None:
    outputs = random_outputs()
    loss = HybridLoss(game=game, discrepancy="differentiable")(outputs)  # type: ignore[arg-type]
    loss.total.backward()
    fusion = bool(fusion_wins(outputs["main"], outputs["fusion"], game))  # type: ignore[arg-type]
    winner, loser = ("fusion", "main") if fusion else ("main", "fusion")
    assert outputs[loser].logits.grad is not None
    assert not outputs[loser].logits.grad.any()
    assert outputs[winner].logits.grad.any()
    assert (loss.terms["wins_fusion"].item(), loss.terms["wins_main"].item()) == (
        fusion,
        not fusion,
    )


# One row of two identities whose logits are x apart: the cross entropy is log(1 + e^x).
@pytest.mark.parametrize(
    ("main", "fusion", "expected", "taken"),
    [
        (0.0, 1.0, math.log(1 + math.e), "fusion"),
        (1.0, 0.0, math.log(1 + math.e), "main"),
        (-1.0, 0.0, math.log(2), "fusion"),
        (0.0, 0.0, math.log(2), "main"),  # a tie
    ],
)
def test_minimax_minimises_the_larger_loss(
    main: float, fusion: float, expected: float, taken: str
) -> None:
    outputs = {
        head: HeadOutput(
            torch.zeros(1, 1), torch.tensor([[0.0, x]], requires_grad=True), torch.tensor([0])
        )
        for head, x in (("main", main), ("fusion", fusion))
    }
    loss = HybridLoss(game="max", discrepancy="none")(outputs)
    loss.total.backward()
    assert loss.terms["joint"].item() == pytest.approx(expected)
    assert {head for head, output in outputs.items() if output.logits.grad.any()} == {taken}
    assert loss.terms[f"wins_{taken}"].item() == 1


@pytest.mark.parametrize("seed", range(5))
def test_minimax_compares_the_losses_that_it_minimises(seed: int) -> None:
    outputs = random_outputs(seed, scale=4.0)
    for smoothing in (0.0, 0.6):
        terms = HybridLoss(game="max", label_smoothing=smoothing)(outputs).terms
        assert terms["joint"] == torch.maximum(terms["main"], terms["fusion"])


def slopes(joint: float, visible: float, infrared: float, loss: HybridLoss) -> tuple[float, ...]:
    """dL'/d(L_ri, L_r, L_i) where the cross entropies have the given values."""
    weights = []
    outputs = {}
    for head, value in (("main", joint), ("visible", visible), ("infrared", infrared)):
        # One row, two identities: the cross entropy is softplus(x), so x = log(e^value - 1).
        x = torch.tensor(math.log(math.expm1(value)), requires_grad=True)
        logits = torch.stack((torch.zeros(()), x))[None]
        outputs[head] = HeadOutput(torch.zeros(1, 1), logits, torch.tensor([0]))
        weights.append(x)
    loss(outputs).total.backward()
    return tuple(x.grad.item() / torch.sigmoid(x.detach()).item() for x in weights)


@pytest.mark.parametrize("sign", [1, -1])
def test_differentiable_discrepancy_works_against_the_smaller_loss(sign: int) -> None:
    """Below the mean dL'/dL_ri = 1 - e^|d|; above it dL'/dL_r = dL'/dL_i = 1 - e^|d| / 2."""
    joint, visible, infrared = 2.0 + sign * 0.9, 1.8, 2.2
    e = math.exp(0.9)
    of_joint, of_visible, of_infrared = slopes(
        joint, visible, infrared, HybridLoss(discrepancy="differentiable")
    )
    assert of_joint == pytest.approx(1 + sign * e, rel=1e-4)
    assert of_visible == pytest.approx(1 - sign * e / 2, rel=1e-4)
    assert of_infrared == pytest.approx(1 - sign * e / 2, rel=1e-4)
    assert of_joint < 0 or of_visible < 0  # |d| > ln 2: one of them is pushed up


@pytest.mark.parametrize("discrepancy", ["none", "detached"])
def test_other_readings_of_the_discrepancy_have_no_gradient(discrepancy: str) -> None:
    loss = HybridLoss(0.5, 2.0, 3.0, discrepancy=discrepancy)  # type: ignore[arg-type]
    assert slopes(2.9, 1.8, 2.2, loss) == pytest.approx((0.5, 2.0, 3.0), rel=1e-4)


def without(*heads: str) -> dict[str, HeadOutput]:
    return {head: output for head, output in random_outputs().items() if head not in heads}


def test_removed_components_leave_their_terms_out() -> None:
    losses = {head: cross_entropy(output) for head, output in random_outputs().items()}
    no_fusion = HybridLoss(game="fusion", discrepancy="none")(without("fusion"))
    assert no_fusion.total.item() == pytest.approx(
        sum(losses.values()) - losses["fusion"], rel=1e-6
    )
    no_main = HybridLoss(discrepancy="none")(without("main", "visible", "infrared"))
    assert no_main.total.item() == pytest.approx(losses["fusion"], rel=1e-6)
    assert not any(name.startswith("wins") for name in (*no_fusion.terms, *no_main.terms))


def test_ranking_of_the_main_block_is_added() -> None:
    outputs = random_outputs()
    features = torch.randn(8, 3, generator=torch.Generator().manual_seed(5))
    outputs["main"] = outputs["main"]._replace(features=features, visible_rows=4)
    ranking = CrossModalityTopRanking(margin=0.5)
    loss = HybridLoss(discrepancy="none", ranking=ranking, ranking_weight=0.3)(outputs)
    plain = HybridLoss(discrepancy="none")(outputs)
    value = ranking(outputs["main"]).item()
    assert value > 0
    assert loss.total.item() == pytest.approx(plain.total.item() + 0.3 * value, rel=1e-6)
    assert loss.terms["ranking_main"].item() == pytest.approx(value)


def test_impossible_combinations_are_refused() -> None:
    with pytest.raises(ConfigError, match="needs a main block, but it is switched off"):
        HybridLoss(discrepancy="none", ranking=CrossModalityTopRanking())(without("main"))
    with pytest.raises(ConfigError, match="discrepancy 'detached' compares"):
        HybridLoss(discrepancy="detached")(without("visible", "infrared"))
    with pytest.raises(ConfigError, match="needs a main or a fusion block"):
        HybridLoss()(without("main", "fusion"))
    with pytest.raises(ConfigError, match="game 'coin' is unknown; use one of count, rate"):
        HybridLoss(game="coin")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="discrepancy 'on' is unknown"):
        HybridLoss(discrepancy="on")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="game 'sum' has no winner"):
        fusion_wins(block(2, 1), block(2, 1), "sum")


def test_terms_are_detached_and_accuracies_are_there() -> None:
    terms: dict[str, Tensor] = HybridLoss()(random_outputs()).terms
    assert not any(term.requires_grad for term in terms.values())
    assert {f"accuracy_{head}" for head in random_outputs()} <= terms.keys()


def test_smoothing_reaches_every_cross_entropy() -> None:
    outputs = random_outputs()
    loss = HybridLoss(discrepancy="none", game="sum", label_smoothing=0.2)(outputs)
    expected = sum(
        torch.nn.functional.cross_entropy(o.logits, o.labels, label_smoothing=0.2).item()
        for o in outputs.values()
    )
    assert loss.total.item() == pytest.approx(expected, rel=1e-6)
