"""The plain reference side is what preset ``released`` computes: weights, loss, step, pixels."""

import pytest
import torch

from fprnet.config import load_config
from fprnet.data.augmentation import apply, draw
from fprnet.methods.network import untrained
from fprnet.training.optimizer import make_optimizers
from fprnet_lab.benchmarking.plain_augmentation import plain_augmented
from fprnet_lab.benchmarking.plain_model import (
    PlainFprnet,
    copy_released_weights,
    plain_loss,
    plain_optimizer,
    plain_training_step,
)

IDENTITIES = 7
NARROW = ["--model.backbone.width", "8", "--model.weights", "none"]


@pytest.fixture
def both():
    """The preset and the plain network with the same weights, in float64."""
    config = load_config("released", overrides=NARROW)
    torch.manual_seed(0)
    model = untrained(config.model).build(IDENTITIES).double()
    plain = PlainFprnet(IDENTITIES, width=8).double()
    copy_released_weights(plain, model.state_dict())
    return config, model, plain


def batch(rows=4, size=(64, 32)):
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(2, rows, 3, *size, generator=generator, dtype=torch.float64)
    return images[0], images[1], torch.randint(IDENTITIES, (rows,), generator=generator)


def test_published_size():
    with torch.device("meta"):
        plain = PlainFprnet(395)
    assert sum(parameter.numel() for parameter in plain.parameters()) == 53_844_630


@pytest.mark.parametrize("modality", ["visible", "infrared"])
def test_embeddings_are_the_presets(both, modality):
    _, model, plain = both
    images, _, _ = batch()
    expected = model.eval().embed(images, modality)
    got = plain.eval().embed(images, modality)
    torch.testing.assert_close(got.float(), expected.float(), rtol=1e-6, atol=1e-6)
    assert got.shape == (4, 512)


def test_two_steps_are_the_presets(both):
    config, model, plain = both
    objective = config.loss.build()
    optimizer = make_optimizers(model, config.optimizer)["model"]
    plain_sgd = plain_optimizer(plain)
    visible, infrared, labels = batch()
    for _ in range(2):
        loss = objective(model(visible, infrared, labels, labels)).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        got = plain_training_step(plain, plain_sgd, visible, infrared, labels)
        assert got == pytest.approx(loss.item(), rel=1e-5)
    trained = PlainFprnet(IDENTITIES, width=8).double()
    copy_released_weights(trained, model.state_dict())
    for (name, expected), value in zip(trained.named_parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6, msg=name)


def test_ties_go_to_the_main_block(both):
    _, _, plain = both
    visible, infrared, labels = batch()
    logits = plain(visible, infrared)
    right = torch.eye(IDENTITIES, dtype=torch.float64)[labels]
    wrong = logits._replace(fusion=-right.repeat(8, 1), main=-right.repeat(2, 1))
    own = [torch.nn.functional.cross_entropy(x, labels) for x in (logits.visible, logits.infrared)]
    main = torch.nn.functional.cross_entropy(wrong.main, labels.repeat(2))
    d = main - sum(own) / 2
    assert plain_loss(wrong, labels).item() == pytest.approx(
        (main + sum(own) + d.abs().exp()).item()
    )


def test_pixels_are_those_of_the_batched_augmentation():
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (16, 24, 12, 3), generator=generator, dtype=torch.uint8)
    parameters = draw("visible", 16, (24, 12), generator, padding=3, flip=0.5, erasing=0.5)
    assert 0 < int((parameters.erased[:, 2] > 0).sum()) < 16
    got = plain_augmented(
        images.numpy(),
        padding=3,
        corner=parameters.corner.tolist(),
        mirrored=parameters.mirrored.tolist(),
        erased=parameters.erased.tolist(),
    )
    torch.testing.assert_close(got, apply(images, parameters), rtol=0, atol=1e-5)
