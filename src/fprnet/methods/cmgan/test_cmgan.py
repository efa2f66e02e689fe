"""cmGAN's two players: each gets its own gradient and moves nothing but its own parameters."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from fprnet.config import load_config
from fprnet.losses.ranking import CrossModalityTopRanking, cross_modality_top_ranking
from fprnet.losses.terms import LossTerms
from fprnet.methods.cmgan.discriminator import CONFUSION, MODALITY, ModalityDiscriminator
from fprnet.methods.cmgan.objective import AdversarialLoss
from fprnet.methods.levels.objective import LevelLoss
from fprnet.methods.network import untrained
from fprnet.models.heads import HeadOutput
from fprnet.models.reidentifier import Reidentifier
from fprnet.training.optimizer import make_optimizers

GAMMA = 0.05
CONFIG = load_config("cmgan", scale="tiny")


@pytest.fixture
def model() -> Reidentifier:
    torch.manual_seed(0)
    return untrained(CONFIG.model).build(4)


def batch() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    images = torch.randn(2, 4, 3, 64, 32, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 1, 2, 3])
    return images[0], images[1], labels, labels


def loss_of(model: Reidentifier) -> LossTerms:
    return CONFIG.loss.build()(model(*batch()))


def players(model: Reidentifier) -> tuple[dict[str, nn.Parameter], dict[str, nn.Parameter]]:
    """Parameters of generator and identity head, and of the discriminator."""
    everything = dict(model.named_parameters())
    adversary = {n: p for n, p in everything.items() if n.startswith("auxiliaries.")}
    return {n: p for n, p in everything.items() if n not in adversary}, adversary


def test_preset_has_the_layers_of_its_authors() -> None:
    with torch.device("meta"):
        full = untrained(load_config("cmgan").model).build(395)
    sizes = {name: tuple(p.shape) for name, p in full.named_parameters() if "streams" not in name}
    assert sizes == {
        "head.main.hidden.0.weight": (512, 2048),
        "head.main.hidden.0.bias": (512,),
        "head.main.classifier.weight": (395, 512),
        "head.main.classifier.bias": (395,),
        "auxiliaries.discriminator.layers.0.weight": (1000, 2048),
        "auxiliaries.discriminator.layers.0.bias": (1000,),
        "auxiliaries.discriminator.layers.2.weight": (500, 1000),
        "auxiliaries.discriminator.layers.2.bias": (500,),
        "auxiliaries.discriminator.layers.4.weight": (2, 500),
        "auxiliaries.discriminator.layers.4.bias": (2,),
    }


def test_both_views_give_one_answer_and_name_the_modality() -> None:
    torch.manual_seed(0)
    discriminator = ModalityDiscriminator(3, sizes=(4, 5))
    features = torch.randn(5, 3, requires_grad=True)
    head = HeadOutput(features, torch.zeros(5, 2), torch.zeros(5, dtype=torch.int64), 2)
    outputs = discriminator(head)
    assert list(outputs) == [MODALITY, CONFUSION]
    first, second, third = (discriminator.layers[i] for i in (0, 2, 4))
    by_hand = third(second(first(features).relu()).relu())
    for output in outputs.values():
        assert output.labels.tolist() == [0, 0, 1, 1, 1]
        torch.testing.assert_close(output.logits, by_hand)
    with pytest.raises(ValueError, match="rows are of one modality each"):
        discriminator(head._replace(visible_rows=None))


def test_one_backward_pass_gives_both_gradients_of_the_formulas(model: Reidentifier) -> None:
    generator, adversary = players(model)
    reference = copy.deepcopy(model)
    loss_of(model).total_with_adversary.backward()

    # The same by the formulas, with a discriminator that lets every gradient through.
    main = reference(*batch())["main"]
    discriminator = reference.auxiliaries["discriminator"]
    modality = torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])
    of_modality = F.cross_entropy(discriminator.layers(main.features), modality)
    of_identity = F.cross_entropy(main.logits, main.labels)
    triplet = cross_modality_top_ranking(main.features, main.labels, 4, margin=1.4)
    its_generator, its_adversary = players(reference)
    of_generator = torch.autograd.grad(
        triplet + of_identity - GAMMA * of_modality,
        list(its_generator.values()),
        retain_graph=True,
    )
    of_adversary = torch.autograd.grad(of_modality, list(its_adversary.values()))
    for (name, parameter), expected in zip(generator.items(), of_generator, strict=True):
        torch.testing.assert_close(parameter.grad, expected, atol=1e-6, rtol=1e-4, msg=name)
    for (name, parameter), expected in zip(adversary.items(), of_adversary, strict=True):
        torch.testing.assert_close(parameter.grad, expected, atol=1e-6, rtol=1e-4, msg=name)


def test_no_loss_reaches_the_other_player(model: Reidentifier) -> None:
    generator, adversary = players(model)
    loss = loss_of(model)
    assert loss.adversary is not None
    of_others = torch.autograd.grad(
        loss.adversary, list(generator.values()), retain_graph=True, allow_unused=True
    )
    assert all(gradient is None for gradient in of_others)
    of_others = torch.autograd.grad(loss.total, list(adversary.values()), allow_unused=True)
    assert all(gradient is None for gradient in of_others)


@pytest.mark.parametrize("player", ["model", "adversary"])
def test_a_players_step_moves_its_own_parameters_alone(model: Reidentifier, player: str) -> None:
    optimizers = make_optimizers(model, CONFIG.optimizer)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    loss_of(model).total_with_adversary.backward()
    optimizers[player].step()
    moved = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    generator, adversary = players(model)
    assert moved == set(adversary if player == "adversary" else generator)


def test_the_discriminators_steps_leave_identity_and_triplet_loss_alone(
    model: Reidentifier,
) -> None:
    optimizers = make_optimizers(
        model, CONFIG.optimizer.with_options(learning_rate=0.01, multipliers={})
    )
    first = loss_of(model).terms
    for _ in range(5):
        for optimizer in optimizers.values():
            optimizer.zero_grad()
        loss_of(model).total_with_adversary.backward()
        optimizers["adversary"].step()
    last = loss_of(model).terms
    assert last["modality"] < first["modality"]
    assert torch.equal(last["main"], first["main"])
    assert torch.equal(last["ranking_main"], first["ranking_main"])


def test_loss_by_hand() -> None:
    features, labels = torch.eye(4), torch.tensor([0, 1, 0, 1])
    main = HeadOutput(features, torch.zeros(4, 2), labels, 2)
    logits = torch.tensor([[3.0, 0.0], [0.0, 0.0], [0.0, 1.0], [2.0, 0.0]])
    modality = HeadOutput(features, logits, torch.tensor([0, 0, 1, 1]), 2)
    inner = LevelLoss(CrossModalityTopRanking(1.4))
    loss = AdversarialLoss(inner, 0.5)({"main": main, MODALITY: modality, CONFUSION: modality})
    # Every distance is sqrt 2, so the triplet loss is 1.4 in each direction.
    rows = (1 + torch.tensor([-3.0, 0.0, -1.0, 2.0]).exp()).log()
    l_mod = rows.mean().item()
    assert loss.adversary is not None
    assert loss.adversary.item() == pytest.approx(l_mod, rel=1e-6)
    expected = torch.tensor(2.0).log().item() + 2.8 - 0.5 * l_mod
    assert loss.total.item() == pytest.approx(expected, rel=1e-5)
    assert loss.total_with_adversary.item() == pytest.approx(expected + l_mod, rel=1e-5)
    assert loss.terms["modality"].item() == pytest.approx(l_mod, rel=1e-6)
    assert loss.terms["accuracy_modality"].item() == 0.75  # argmax of equals is the first
    assert "confusion" not in loss.terms


def test_weight_0_only_watches(model: Reidentifier) -> None:
    outputs = model(*batch())
    inner = LevelLoss(CrossModalityTopRanking(1.4))
    watched = AdversarialLoss(inner, 0.0)(outputs)
    assert watched.total.item() == inner({"main": outputs["main"]}).total.item()
    weight = model.streams.shared.conv1.weight
    of_watched, of_inner = (
        torch.autograd.grad(loss, weight, retain_graph=True)[0]
        for loss in (watched.total, inner({"main": outputs["main"]}).total)
    )
    torch.testing.assert_close(of_watched, of_inner)
