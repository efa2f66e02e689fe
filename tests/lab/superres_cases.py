"""A few images in a manifest, for the tests of super-resolution: quick to make and to learn."""

from pathlib import Path

import numpy as np
from PIL import Image

from fprnet_lab.superres.config import SuperresConfig, load_config

SIZE = (40, 24)
# identity -> part; two images of each in camera 1, one in cameras 2 (visible) and 3 (infrared)
PEOPLE = {1: "train", 2: "train", 3: "train", 4: "validation", 5: "test"}
IMAGES = ((1, "visible", 2), (2, "visible", 1), (3, "infrared", 1))


def smooth_image(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Blocks of colour with an edge here and there."""
    generator = np.random.default_rng(seed)
    blocks = generator.integers(0, 256, (size[0] // 8, size[1] // 8, 3), dtype=np.uint8)
    return np.kron(blocks, np.ones((8, 8, 1), np.uint8))


def write_set(root: Path, suffix: str = ".png") -> Path:
    lines = ["path,identity,camera,modality,split"]
    for identity, part in PEOPLE.items():
        for camera, modality, images in IMAGES:
            for image in range(images):
                path = f"camera{camera}/{identity}-{image}{suffix}"
                (root / path).parent.mkdir(parents=True, exist_ok=True)
                picture = smooth_image(100 * identity + 10 * camera + image)
                Image.fromarray(picture).save(root / path)
                lines.append(f"{path},{identity},{camera},{modality},{part}")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    (root / "notes.txt").write_text("kept")
    return root


def rewritten_paths(camera: int = 1, suffix: str = ".png") -> set[str]:
    """What applying to that camera changes."""
    images = {number: images for number, _, images in IMAGES}[camera]
    return {
        f"camera{camera}/{identity}-{image}{suffix}"
        for identity, part in PEOPLE.items()
        if part == "train"
        for image in range(images)
    }


def tiny_config(root: Path, **changes: object) -> SuperresConfig:
    """Six steps of four patches, a checkpoint every second step."""
    values = {"data": root, "steps": 6, "batch": 4, "side": 8, "save_every": 2} | changes
    return load_config(overrides=[f"--{key}={value}" for key, value in values.items()])
