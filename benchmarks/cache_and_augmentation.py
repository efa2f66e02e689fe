"""Time of the cache and of the augmentation, as ratios within one run.

    python benchmarks/cache_and_augmentation.py [--size 96x48] [--images 2000]

Prints one JSON object. Augmentation is compared with the usual way, one image at a time with Pillow
and NumPy (pad, crop, mirror, normalise and no colour change at all), on the same uint8 images, and
with a forward and backward pass of a ResNet-18 of width 32 at 96x48 (190 ms, of which it should
be a few per cent). Before anything is timed, the pixels of both ways are compared.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from fprnet.data.augmentation import IMAGENET_MEAN, IMAGENET_STD, apply, draw
from fprnet.data.cache import open_cache
from fprnet.data.records import Records

BATCH = 32  # of each modality
SECTION_11 = {"flip": 0.5, "gray_projection": 0.8, "infrared_changes": 0.8}


def milliseconds(function: Callable[[], object], repetitions: int = 20) -> float:
    """Return the shortest wall time of several calls."""
    times = []
    for _ in range(repetitions):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return 1000 * min(times)


def one_by_one(
    images: np.ndarray, corners: list[list[int]], mirrored: list[bool], pad: int
) -> torch.Tensor:
    """Pad, crop, mirror and normalise as the field's loaders do."""
    height, width = images.shape[1:3]
    results = []
    for pixels, (top, left), mirror in zip(images, corners, mirrored, strict=True):
        image = ImageOps.expand(Image.fromarray(pixels), pad)
        image = image.crop((left, top, left + width, top + height))
        image = ImageOps.mirror(image) if mirror else image
        scaled = np.asarray(image, dtype=np.float32) / 255
        results.append(((scaled - IMAGENET_MEAN) / IMAGENET_STD).transpose(2, 0, 1))
    return torch.from_numpy(np.stack(results).astype(np.float32))


def augmentation(size: tuple[int, int], pad: int) -> dict[str, float]:
    """Time both ways on a batch of random images."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (BATCH, *size, 3), generator=generator, dtype=torch.uint8)
    plain = draw("visible", BATCH, size, generator, padding=pad, flip=0.5)
    corners, mirrored = plain.corner.tolist(), plain.mirrored.tolist()
    usual = one_by_one(images.numpy(), corners, mirrored, pad)
    difference = (apply(images, plain) - usual).abs().max().item()
    if difference > 1e-4:
        raise SystemExit(f"the two ways differ by {difference}")

    def both(**options: float) -> None:
        for modality in ("visible", "infrared"):
            parameters = draw(modality, BATCH, size, generator, padding=pad, **options)
            apply(images, parameters, memory_format=torch.channels_last)

    slow = 2 * milliseconds(lambda: one_by_one(images.numpy(), corners, mirrored, pad))
    crop = milliseconds(lambda: both(flip=0.5))
    return {
        "max_difference": difference,
        "one_by_one_crop_and_flip_ms": slow,
        "crop_and_flip_ms": crop,
        "ratio": slow / crop,
        "section_11_ms": milliseconds(lambda: both(**SECTION_11)),
        "section_11_and_erasing_ms": milliseconds(lambda: both(**SECTION_11, erasing=0.5)),
        "linear_enhancement_ms": milliseconds(lambda: both(flip=0.5, linear_enhancement=0.5)),
    }


def cache(size: tuple[int, int], count: int) -> dict[str, float]:
    """Time decoding and resizing by 1 and 2 threads, and opening what has been written."""
    random = np.random.default_rng(0)
    row, column = np.mgrid[0:256, 0:112]
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        paths = [f"{number:05d}.jpg" for number in range(count)]
        for number, path in enumerate(paths):
            waves = [np.sin(row / (9 + k) + number) * np.cos(column / 7) for k in range(3)]
            pixels = 127 + 90 * np.stack(waves, -1) + random.normal(0, 6, (256, 112, 3))
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(root / path, quality=90)
        ones = np.ones(count, dtype=np.int64)
        visible = np.full(count, "visible")
        records = Records(root, np.array(paths), ones, ones, visible, ones, ones)
        seconds = {}
        for workers in (1, 2):
            folder = root / f"cache-{workers}"
            start = time.perf_counter()
            open_cache(records, size, folder=folder, workers=workers, progress=False)
            seconds[workers] = time.perf_counter() - start
        again = milliseconds(lambda: open_cache(records, size, folder=folder, progress=False), 5)
    return {
        "images_per_second_1_thread": count / seconds[1],
        "images_per_second_2_threads": count / seconds[2],
        "open_again_ms": again,
        "write_over_open_again": 1000 * seconds[2] / again,
    }


def main() -> None:
    """Print the ratios of one run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="96x48")
    parser.add_argument("--images", type=int, default=2000)
    args = parser.parse_args()
    height, width = (int(side) for side in args.size.split("x"))
    torch.set_num_threads(1)
    # A training step frees blocks of this size, after which the C library keeps freed memory for
    # the next step. Without it every buffer below is asked from the system anew: twice the time.
    block = torch.ones(7_500_000)
    del block
    pad = 4 if height < 200 else 10
    result = {
        "size": args.size,
        "augmentation_of_64_images": augmentation((height, width), pad),
        "cache": cache((height, width), args.images),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
