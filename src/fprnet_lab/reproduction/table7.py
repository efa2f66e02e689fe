"""Table 7: SRCNN's structure as published and as built, and what the trained network is worth.

The paper gives the structure and no quality; here PSNR and SSIM on people the network has never
seen stand beside those of bicubic enlargement.
"""

from __future__ import annotations

import io
import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from fprnet.data.images import read_image
from fprnet.data.records import Records
from fprnet.errors import TrainingError, UsageError
from fprnet.files import sha256, write_text
from fprnet_lab.jobs import Job
from fprnet_lab.reporting.page import Command, Illustration, Table, TablePage
from fprnet_lab.reproduction.experiment import Result, mean_and_deviation
from fprnet_lab.reproduction.published import read_file
from fprnet_lab.reproduction.run_cache import RunCache
from fprnet_lab.reproduction.runs import CAMERA, SRCNN_PRESETS, SuperresRun
from fprnet_lab.superres.apply import sharpen
from fprnet_lab.superres.bicubic import crop_to_multiple, resize
from fprnet_lab.superres.colour import rgb_to_ycbcr, to_bytes
from fprnet_lab.superres.networks import SuperResolution
from fprnet_lab.superres.pairs import read_luma, select_camera
from fprnet_lab.superres.scoring import Quality, mean_quality, score_image
from fprnet_lab.superres.weights import load_network

__all__ = ["TABLE_7", "Table7", "keep_cell"]

FORMAT = 1  # of a cell's file
SHOWN = 6  # images before and after
SHOWN_HEIGHT = 256  # pixels


@dataclass(frozen=True)
class Table7:
    """SRCNN's structure, and its PSNR and SSIM against bicubic enlargement.

    Attributes:
        name: Name of its files.
        summary: One sentence, for the documents.
    """

    name: str = "table7"
    summary: str = "SRCNN: its structure, and PSNR and SSIM against bicubic enlargement"

    def jobs(self, cache: RunCache) -> list[Job]:
        """Return a training of each preset for each seed."""
        seeds = range(cache.request.seeds)
        return [cache.superres_run(preset, seed).job for seed in seeds for preset in SRCNN_PRESETS]

    def lay_out(self, cache: RunCache) -> Result:
        """Score the trained networks, once, and draw some images."""
        request = cache.request
        records = cache.data_set.records(visible_only=True)
        test = select_camera(records, CAMERA, cache.data_set.test)
        cells = []
        failed = []
        for preset in SRCNN_PRESETS:
            for seed in range(request.seeds):
                run = cache.superres_run(preset, seed)
                if not run.finished:
                    failed.append(run)
                    continue
                numbers = _score(request.out / "cells", run, test)
                cells.append({"preset": preset, "seed": seed, "camera": CAMERA, **numbers})
        if not cells:
            raise TrainingError(f"no training of SRCNN was finished; see {failed[0].job.log}")
        networks = {
            preset: load_network(cache.superres_run(preset, 0).out).network
            for preset in SRCNN_PRESETS
            if cache.superres_run(preset, 0).finished
        }
        network = next(iter(networks.values()))
        page = TablePage(
            title="Table 7: SRCNN",
            summary=(
                f"SRCNN trained on the training people of camera {CAMERA} of {request.data}, "
                f"measured on {len(test)} images of the test people of that camera, whom no "
                f"training has seen: each image is made {network.factor} times smaller and "
                f"enlarged again. Seeds: {request.seeds}. The networks have one size, whatever "
                "the scale."
            ),
            tables=[_quality_table(cells), _structure_table(network)],
            illustrations=[_before_and_after(test, networks)],
            limits=[
                *(f"{run.job.name} failed; {run.job.log} has its output." for run in failed),
                "The paper publishes the structure of its network and no PSNR or SSIM, so there is "
                "nothing to compare the numbers with but bicubic enlargement.",
                "On synthetic people the numbers check that the network learns; they say nothing "
                "about photographs.",
            ],
            commands=[
                Command(
                    f"training of preset {preset}, seed 0",
                    shlex.join(["fprnet", *cache.superres_run(preset, 0).arguments]),
                )
                for preset in SRCNN_PRESETS
            ],
        )
        return Result(self.name, page, cells)


def _score(folder: Path, run: SuperresRun, test: Records) -> dict[str, float]:
    """Return the numbers of a network; they are kept in a file."""
    about = {"weights": sha256(run.best), "images": [str(path) for path in test.path]}

    def make() -> dict[str, float]:
        network = load_network(run.best).network
        bar = tqdm(test.files(), f"scoring {run.out.name}", unit="image", delay=1)
        quality = mean_quality([_quality(network, file) for file in bar])
        return {
            "images": len(test),
            "bicubic_psnr": quality.bicubic_psnr,
            "bicubic_ssim": quality.bicubic_ssim,
            "psnr": quality.psnr,
            "ssim": quality.ssim,
            "gain": quality.gain,
        }

    return keep_cell(folder / f"{run.out.name}.json", about, make)


def keep_cell(
    file: Path, about: Mapping[str, Any], make: Callable[[], Mapping[str, float]]
) -> dict[str, float]:
    """Return the numbers of a cell; they are made once and kept in a file.

    Args:
        file: JSON.
        about: What the numbers depend on, plain values; other ones make them anew.
        make: Called where there is no such file yet.

    Raises:
        UsageError: The file is damaged.
    """
    if file.is_file():
        try:
            kept = json.loads(file.read_text(encoding="utf-8"))
            numbers: dict[str, float] = kept["numbers"]
            if kept["format"] == FORMAT and kept["about"] == about:
                return numbers
        except (ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{file} is damaged; remove it and start again") from error
    numbers = dict(make())
    state = {"format": FORMAT, "about": about, "numbers": numbers}
    write_text(file, json.dumps(state, indent=1) + "\n")
    return numbers


def _quality(network: SuperResolution, file: Path) -> Quality:
    return score_image(network, read_luma(file), name=str(file))


def _quality_table(cells: Sequence[Mapping[str, Any]]) -> Table:
    bicubic = cells[0]
    rows = [["bicubic", f"{bicubic['bicubic_psnr']:.2f}", f"{bicubic['bicubic_ssim']:.4f}", "0.00"]]
    for preset in SRCNN_PRESETS:
        of_preset = [cell for cell in cells if cell["preset"] == preset]
        if not of_preset:
            continue
        psnr, ssim, gain = ([cell[key] for cell in of_preset] for key in ("psnr", "ssim", "gain"))
        rows.append(
            [
                f"SRCNN, preset {preset}",
                mean_and_deviation(psnr, 2),
                mean_and_deviation(ssim, 4),
                mean_and_deviation(gain, 2),
            ]
        )
    return Table(
        title="Quality on people never seen",
        head=["", "PSNR, dB", "SSIM", "above bicubic, dB"],
        rows=rows,
        note="On Y of BT.601 studio range, borders shaved; mean over the images, ± is the standard "
        "deviation over seeds. "
        + "; ".join(f"{preset}: {words}" for preset, words in SRCNN_PRESETS.items())
        + ".",
    )


def _structure_table(network: SuperResolution) -> Table:
    """Run the network on the paper's input and compare every layer with Table 7."""
    published = read_file("table7")["layers"]
    height, width = map(int, published["preprocessing"]["input"].split("x"))
    built = _built_layers(network, height, width)
    rows = []
    for name, layer in published.items():
        printed, ours = _layer_text(layer), _layer_text(built[name])
        rows.append([name, printed, ours, "no" if printed == ours else "yes"])
    return Table(
        title=f"Structure, for an input of {height}x{width}",
        head=["layer", "published", "ours", "differs"],
        rows=rows,
        note="Size and channels of the input -> size and channels of the output; structure. The "
        "paper gives no stride for conv2. It enlarges R, G and B and then takes Y; here Y is taken "
        "first, the same but for rounding, since both steps are linear.",
    )


def _layer_text(layer: Mapping[str, Any]) -> str:
    return (
        f"{layer['input']}, {layer['input_channels']} -> "
        f"{layer['output']}, {layer['output_channels']}; {layer['structure']}"
    )


def _built_layers(network: SuperResolution, height: int, width: int) -> dict[str, dict[str, Any]]:
    """Return the layers of the network, run on Y of an image, as Table 7 describes its own."""
    image = np.zeros((height, width, 3), np.uint8)
    luma = torch.from_numpy(rgb_to_ycbcr(image)[..., 0]).float()[None, None] / 255
    shapes: dict[str, tuple[torch.Size, torch.Size]] = {}
    convolutions = {name: getattr(network, name) for name in ("conv1", "conv2", "conv3")}
    hooks = [
        layer.register_forward_hook(
            lambda _, inputs, output, name=name: shapes.update(
                {name: (inputs[0].shape, output.shape)}
            )
        )
        for name, layer in convolutions.items()
    ]
    with torch.inference_mode():
        large = network(luma)
    for hook in hooks:
        hook.remove()
    layers = {
        "preprocessing": {
            **_sizes(luma.shape, shapes["conv1"][0]),
            "input_channels": image.shape[2],
            "structure": f"bicubic x{network.enlargement}",
        }
    }
    for name, layer in convolutions.items():
        before, after = shapes[name]
        structure = "x".join(map(str, layer.kernel_size))
        if name != "conv2":  # the paper gives no stride for this one
            structure += f", stride {layer.stride[0]}"
        if name == "conv3":  # Table 7 counts the shuffle to this layer
            after = large.shape
            structure += f", PixelShuffle({network.shuffle.upscale_factor})"
        layers[name] = {**_sizes(before, after), "structure": structure}
    return layers


def _sizes(before: torch.Size, after: torch.Size) -> dict[str, Any]:
    return {
        "input": f"{before[2]}x{before[3]}",
        "input_channels": before[1],
        "output": f"{after[2]}x{after[3]}",
        "output_channels": after[1],
    }


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


TABLE_7 = Table7()
