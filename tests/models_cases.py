"""Models of presets whose BatchNorm has run for a while, and images to embed."""

from functools import cache

import numpy as np
import torch
from torch import nn

from fprnet.config import load_config
from fprnet.methods.network import untrained

IDENTITIES = 5
SMALL = ("--model.backbone.width", "8", "--model.weights", "none")


@cache
def preset(name, size=(96, 48), overrides=()):
    """A model of a preset at tiny scale, in evaluation mode, and its config; leave it unchanged.

    ``overrides`` is a tuple of words, ``("--model.separate_stages", "1")``.

    Statistics, scales and shifts of BatchNorm are random, so that folding them wrongly shows.
    """
    place = ("--data.height", str(size[0]), "--data.width", str(size[1]))
    config = load_config(name, scale="tiny", overrides=[*SMALL, *place, *overrides])
    torch.manual_seed(3)
    model = untrained(config.model).build(IDENTITIES).eval()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 2)
                if module.affine:
                    module.weight.uniform_(0.5, 1.5)
                    if module.bias is not None:
                        module.bias.normal_(0, 0.2)
    return model, config


def pictures(count, size=(96, 48), seed=0):
    """Smooth random images ``(N, H, W, 3)`` uint8, each another one."""
    generator = np.random.default_rng(seed)
    coarse = generator.integers(0, 256, (count, 7, 4, 3)).astype(np.uint8)
    rows = np.arange(size[0]) * 7 // size[0]
    columns = np.arange(size[1]) * 4 // size[1]
    fine = coarse[:, rows][:, :, columns].astype(np.int64)
    noise = generator.integers(-20, 21, fine.shape)
    return np.clip(fine + noise, 0, 255).astype(np.uint8)
