"""Table 7: SRCNN's structure as published and as built, and what the trained network is worth.

The paper gives the structure and no quality; here PSNR and SSIM on people the network has never
seen stand beside those of bicubic enlargement.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn
from tqdm import tqdm

from fprnet.data.data_set import open_data_set
from fprnet.data.images import read_image
from fprnet.data.records import Records
from fprnet.files import sha256
from fprnet.reporting.page import Command, Illustration, Table, TablePage
from fprnet.reproduction.experiment import Request, Result, keep_cell, mean_and_deviation
from fprnet.superres.apply import sharpen
from fprnet.superres.bicubic import crop_to_multiple, resize
from fprnet.superres.colour import to_bytes
from fprnet.superres.config import load_config
from fprnet.superres.networks import SuperResolution
from fprnet.superres.pairs import read_luma, select_camera
from fprnet.superres.scoring import Quality, mean_quality, score_image
from fprnet.superres.train import train_superres
from fprnet.superres.weights import load_network

__all__ = ["run"]

NAME = "table7"
CAMERA = 1
PRESETS = {
    "paper": "the paper's options, literally",
    "fprnet": "the same network, taught what bicubic enlargement lacks, by Adam",
}
# Table 7: layer -> side of the output for an input of 128 x 128, channels, kernel.
PUBLISHED = {
    "preprocessing": ("256x256", "1", "bicubic x2"),
    "conv1": ("256x256", "64", "9x9"),
    "conv2": ("256x256", "32", "1x1"),
    "conv3": ("512x512", "1", "5x5, PixelShuffle(2)"),
}
INPUT_SIDE = 128
SHOWN = 6  # images before and after
SHOWN_HEIGHT = 256  # pixels


def run(request: Request) -> Result:
    """Train each preset for each seed, score all, and draw some images.

    Raises:
        FprnetError: The data set or a training is not what it should be.
    """
    folder = request.out / NAME
    data_set = open_data_set(request.data, needed=("train", "test"))
    records = data_set.records(visible_only=True)
    test = select_camera(records, CAMERA, data_set.test)
    cells = []
    for preset in PRESETS:
        for seed in range(request.seeds):
            out = folder / "runs" / f"{preset}-seed{seed}"
            config = load_config(
                preset, seed=seed, overrides=["--data", str(request.data), "--camera", str(CAMERA)]
            )
            train_superres(config, out)
            numbers = _score(folder, out, test)
            cells.append({"preset": preset, "seed": seed, "camera": CAMERA, **numbers})
    networks = {
        preset: load_network(folder / "runs" / f"{preset}-seed0").network for preset in PRESETS
    }
    page = TablePage(
        title="Table 7: SRCNN",
        summary=(
            f"SRCNN trained on the training people of camera {CAMERA} of {request.data}, measured "
            f"on {len(test)} images of the test people of that camera, whom no training has seen: "
            f"each image is made {networks['fprnet'].factor} times smaller and enlarged again. "
            f"Seeds: {request.seeds}."
        ),
        tables=[_quality_table(cells), _structure_table(networks["paper"])],
        illustrations=[_before_and_after(test, networks)],
        limits=[
            "The paper publishes the structure of its network and no PSNR or SSIM, so there is "
            "nothing to compare the numbers with but bicubic enlargement.",
            "On drawn people the numbers check that the network learns; they say nothing about "
            "photographs.",
        ],
        commands=_commands(request, folder),
    )
    return Result(page, cells)


def _score(folder: Path, out: Path, test: Records) -> dict[str, float]:
    best = out / "checkpoints" / "best.pt"
    about = {"weights": sha256(best), "images": [str(path) for path in test.path]}

    def make() -> dict[str, float]:
        network = load_network(best).network
        bar = tqdm(test.files(), f"scoring {out.name}", unit="image", delay=1)
        quality = mean_quality([_quality(network, file) for file in bar])
        return {
            "images": len(test),
            "bicubic_psnr": quality.bicubic_psnr,
            "bicubic_ssim": quality.bicubic_ssim,
            "psnr": quality.psnr,
            "ssim": quality.ssim,
            "gain": quality.gain,
        }

    return keep_cell(folder / "cells" / f"{out.name}.json", about, make)


def _quality(network: SuperResolution, file: Path) -> Quality:
    return score_image(network, read_luma(file), name=str(file))


def _quality_table(cells: Sequence[Mapping[str, Any]]) -> Table:
    bicubic = cells[0]
    rows = [["bicubic", f"{bicubic['bicubic_psnr']:.2f}", f"{bicubic['bicubic_ssim']:.4f}", "0.00"]]
    for preset in PRESETS:
        of_preset = [cell for cell in cells if cell["preset"] == preset]
        psnr, ssim, gain = ([cell[key] for cell in of_preset] for key in ("psnr", "ssim", "gain"))
        rows.append(
            [
                f"SRCNN, preset {preset}",
                mean_and_deviation(psnr),
                mean_and_deviation(ssim, 4),
                mean_and_deviation(gain),
            ]
        )
    return Table(
        title="Quality on people never seen",
        head=["", "PSNR, dB", "SSIM", "above bicubic, dB"],
        rows=rows,
        note="On Y of BT.601 studio range, borders shaved; mean over the images, ± is the standard "
        "deviation over seeds. "
        + "; ".join(f"{preset}: {words}" for preset, words in PRESETS.items())
        + ".",
    )


def _structure_table(network: SuperResolution) -> Table:
    """Run the network on the paper's input and compare every layer's output with Table 7."""
    sides = {}
    layers: dict[str, nn.Module] = {
        "conv1": network.conv1,
        "conv2": network.conv2,
        "conv3": network.shuffle,  # Table 7 counts the shuffle to the third layer
    }
    hooks = [
        layer.register_forward_hook(
            lambda _, __, output, name=name: sides.update({name: tuple(output.shape)})
        )
        for name, layer in layers.items()
    ]
    first = network.conv1.register_forward_pre_hook(
        lambda _, inputs: sides.update({"preprocessing": tuple(inputs[0].shape)})
    )
    with torch.inference_mode():
        network(torch.zeros(1, 1, INPUT_SIDE, INPUT_SIDE))
    for hook in (*hooks, first):
        hook.remove()
    kernels = {
        "preprocessing": f"bicubic x{network.enlargement}",
        **{name: _kernel(getattr(network, name)) for name in layers},
    }
    kernels["conv3"] += f", PixelShuffle({network.shuffle.upscale_factor})"
    rows = []
    for name, (side, channels, kernel) in PUBLISHED.items():
        _, built_channels, height, width = sides[name]
        ours = (f"{height}x{width}", str(built_channels), kernels[name])
        same = "no" if ours == (side, channels, kernel) else "yes"
        rows.append([name, f"{side}, {channels}, {kernel}", ", ".join(ours), same])
    return Table(
        title=f"Structure, for an input of {INPUT_SIDE}x{INPUT_SIDE}",
        head=["layer", "published", "ours", "differs"],
        rows=rows,
        note="Size of the output, channels, structure.",
    )


def _kernel(layer: nn.Conv2d) -> str:
    return "x".join(map(str, layer.kernel_size))


def _before_and_after(test: Records, networks: dict[str, SuperResolution]) -> Illustration:
    every = max(1, len(test) // SHOWN)
    strips = [_strip(file, networks) for file in test.files()[::every][:SHOWN]]
    columns = ["made smaller", "bicubic", *(f"preset {name}" for name in networks), "original"]
    content = io.BytesIO()
    Image.fromarray(np.concatenate(strips, axis=1)).save(content, "JPEG", quality=92)
    return Illustration(
        "Before and after",
        f"{len(strips)} images of test people, evenly spaced, not chosen. Each in "
        f"{len(columns)} pictures from left to right: {', '.join(columns)}.",
        content.getvalue(),
        wide=True,
    )


def _strip(file: Path, networks: dict[str, SuperResolution]) -> NDArray[np.uint8]:
    """Return the pictures of one image beside each other, all of one height."""
    factor = next(iter(networks.values())).factor
    original = crop_to_multiple(read_image(file), factor)
    size = original.shape[0], original.shape[1]
    small = to_bytes(resize(original, (size[0] // factor, size[1] // factor)))
    pictures = [
        np.kron(small, np.ones((factor, factor, 1), np.uint8)),
        to_bytes(resize(small, size)),
        *(sharpen(network, small, size=size) for network in networks.values()),
        original,
    ]
    width = max(1, round(size[1] * SHOWN_HEIGHT / size[0]))
    enlarged = [
        np.asarray(Image.fromarray(p).resize((width, SHOWN_HEIGHT), Image.Resampling.NEAREST))
        for p in pictures
    ]
    gap = np.full((SHOWN_HEIGHT, 8, 3), 255, np.uint8)
    return np.concatenate([*enlarged, gap], axis=1)


def _commands(request: Request, folder: Path) -> list[Command]:
    return [
        Command(
            f"training of preset {preset}, seed 0",
            f"fprnet superres train --preset {preset} --data {request.data} --camera {CAMERA} "
            f"--out {folder / 'runs' / f'{preset}-seed0'} --seed 0",
        )
        for preset in PRESETS
    ]
