"""A loss that needs sizes is told them; the network is left as it was."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from fprnet.config import load_config
from fprnet.errors import ConfigError
from fprnet.losses.state import modules_in
from fprnet.methods.levels.objective import LevelLoss
from fprnet.methods.network import build_network
from fprnet.models.heads import HeadOutput
from fprnet.training.objective import build_objective, loss_of
from fprnet.training.training_set import TensorBatch

SMALL = (
    *("--model.backbone", "resnet18", "--model.backbone.width", "8", "--model.weights", "none"),
    *("--model.head.level_size", "16"),
)


class Centres(nn.Module):
    """Weights for each head."""

    def begin_training(self, sizes):
        self.sizes = sizes
        self.of = nn.ParameterDict(
            {head: torch.zeros(sizes.identities, size) for head, size in sizes.features.items()}
        )

    def forward(self, output):
        return (output.features - self.of[output.head][output.labels]).square().mean()


def prepared(preset, **options):
    config = load_config(preset, overrides=SMALL)
    torch.manual_seed(0)
    network = build_network(config.model, 5)
    centres = Centres()
    loss = SimpleNamespace(build=lambda: LevelLoss(centres))
    return network, centres, build_objective(loss, network, identities=5, size=(64, 32), **options)


def test_sizes_of_every_head():
    _, centres, objective = prepared("fprnet")
    assert centres.sizes.identities == 5
    assert centres.sizes.features == {"main": 64, "level5": 16, "level4": 16, "level3": 16}
    assert list(modules_in(objective)) == [centres]


def test_the_network_and_the_random_numbers_are_left_as_they_were():
    network, _, _ = prepared("fprnet")
    after = torch.rand(1)
    torch.manual_seed(0)
    alone = build_network(load_config("fprnet", overrides=SMALL).model, 5)
    assert torch.equal(torch.rand(1), after)
    for (name, one), other in zip(
        network.state_dict().items(), alone.state_dict().values(), strict=True
    ):
        assert torch.equal(one, other), name
    assert network.training


def test_a_loss_tells_heads_apart():
    network, centres, objective = prepared("fprnet")
    labels = torch.tensor([0, 0, 1, 1])
    images = torch.rand(4, 3, 64, 32)
    terms = loss_of(objective)(network, TensorBatch(images, images, labels, labels), 1)
    terms.total.backward()
    assert all(weights.grad is not None for weights in centres.of.values())


class Bare(nn.Module):
    """A network that returns what it should not."""

    def forward(self, visible, infrared, visible_labels, infrared_labels):
        return visible


def test_visible_only_and_one_person():
    class Seen(nn.Module):
        def forward(self, visible, infrared, visible_labels, infrared_labels):
            assert len(infrared) == len(infrared_labels) == 0
            assert visible_labels.tolist() == [0, 0, 0, 0]
            features = visible.mean(dim=(2, 3))
            return {"main": HeadOutput(features, features, visible_labels, len(visible))}

    centres = Centres()
    loss = SimpleNamespace(build=lambda: centres)
    build_objective(loss, Seen(), identities=1, size=(8, 4), visible_only=True)
    assert centres.of["main"].shape == (1, 3)


def test_a_network_without_outputs_by_head_is_named():
    loss = SimpleNamespace(build=Centres)
    with pytest.raises(ConfigError, match="returned a Tensor for a training batch"):
        build_objective(loss, Bare(), identities=2, size=(8, 4))


class Late(nn.Module):
    """Makes its weights when it first sees features."""

    def forward(self, outputs):
        features = outputs["main"].features
        if not hasattr(self, "centre"):
            self.centre = nn.Parameter(torch.zeros(features.shape[1]))
        return (features - self.centre).square().mean()


def test_weights_that_a_loss_makes_in_a_step_are_refused():
    class Bright(nn.Module):
        def forward(self, visible, infrared, visible_labels, infrared_labels):
            features = visible.mean(dim=(2, 3)).requires_grad_()
            return {"main": HeadOutput(features, features, visible_labels, len(visible))}

    labels, images = torch.tensor([0, 1]), torch.rand(2, 3, 8, 4)
    with pytest.raises(ConfigError, match="loss has made centre in a training step, too late"):
        loss_of(Late())(Bright(), TensorBatch(images, images, labels, labels), 1)
