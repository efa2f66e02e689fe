"""Images and files of other programs, changed at random, for every reader that takes them."""

from __future__ import annotations

import io
import json
import random
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from outcomes import Row
from PIL import Image
from safetensors.torch import save

from feature_files import write_matlab
from fprnet.config import load_config
from fprnet.data.image_formats import FORMATS
from fprnet.data.images import decode_image
from fprnet.embeddings.embedder import load_model
from fprnet.embeddings.formats import read_any_features
from fprnet.embeddings.store import write_features
from fprnet.models.weights import read_state_dict
from fprnet.runs.trained_model import load_trained
from sysu_cases import small_features

__all__ = ["attack_files", "attack_images", "changed", "images"]


def images(seed: int) -> Iterator[tuple[str, bytes]]:
    """Yield small sound images of every format and of several pixel formats."""
    pixels = np.random.default_rng(seed).integers(0, 256, (48, 24, 3), dtype=np.uint8)
    colour = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[274] = 6
    kinds = {
        "RGB": colour, "L": colour.convert("L"), "P": colour.convert("P"),
        "16": Image.fromarray(pixels[..., 0].astype(np.uint16) * 200),
    }  # fmt: skip
    options: dict[str, list[dict[str, object]]] = {
        "JPEG": [{}, {"progressive": True}, {"exif": exif}],
        "PNG": [{}, {"exif": exif}],
        "TIFF": [{}, {"compression": "tiff_lzw"}, {"compression": "jpeg"}, {"exif": exif}],
    }
    for name in FORMATS:
        for kind, image in kinds.items():
            for option in options.get(name, [{}]):
                buffer = io.BytesIO()
                try:
                    image.save(buffer, name, **option)
                except (OSError, KeyError, ValueError, RuntimeError):
                    continue  # Pillow does not write this combination
                yield f"{name} {kind}", buffer.getvalue()


def changed(content: bytes, chance: random.Random) -> bytes:
    """Return bytes with some of them changed, cut, doubled or filled."""
    result = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        place, length = chance.randrange(len(result) + 1), chance.randint(1, 16)
        match chance.randrange(6):
            case 0 | 1 if place < len(result):
                result[place] = chance.randrange(256)
            case 2:
                del result[place : place + length]
            case 3:
                result[place:place] = result[place : place + length] * chance.randint(1, 20)
            case 4:
                result[place : place + length] = chance.choice((b"\xff", b"\0")) * length
            case 5 if chance.random() < 0.1:
                del result[place:]
    return bytes(result) or b"x"


def attack_images(seed: int, tries: int) -> Row:
    """Decode changed images in this process."""
    row = Row("changed images of every format")
    chance = random.Random(seed)
    sound = list(images(seed))
    for number in range(tries):
        kind, content = chance.choice(sound)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with row.one(f"image {number} ({kind})"):
                decode_image(changed(content, chance), (96, 48), max_pixels=25_000_000)
    return row


def attack_files(seed: int, tries: int) -> Iterator[Row]:
    """Read changed features, weights, checkpoints, configs and exported graphs."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        for name, content, suffix, read, share in _readers(folder):
            row = Row(name, patience=30.0)
            chance = random.Random(f"{seed} {name}")
            for number in range(max(1, round(tries * share))):
                file = folder / "try" / f"net_cam1{suffix}"
                file.parent.mkdir(exist_ok=True)
                file.write_bytes(changed(content, chance))
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    with row.one(f"{name} {number}"):
                        read(file)
            yield row


def _readers(
    folder: Path,
) -> Iterator[tuple[str, bytes, str, Callable[[Path], object], float]]:
    features = small_features(ties=False)
    write_features(folder / "a.npz", features)
    yield "features (.npz)", (folder / "a.npz").read_bytes(), ".npz", read_any_features, 1.0
    write_matlab(folder / "v5", features)
    yield "features (.mat)", (folder / "v5" / "net_cam1.mat").read_bytes(), ".mat", _matlab, 1.0
    write_matlab(folder / "v73", features, v73=True)
    yield "features (7.3)", (folder / "v73" / "net_cam1.mat").read_bytes(), ".mat", _matlab, 0.5
    state = {f"layer{n}.weight": torch.ones(4, 4) for n in range(4)}
    yield "weights (.safetensors)", save(state), ".safetensors", read_state_dict, 1.0
    torch.save({"model": state, "epoch": 3}, folder / "a.pth")
    yield "weights (.pth)", (folder / "a.pth").read_bytes(), ".pth", read_state_dict, 1.0
    torch.save({"format": 1, "kind": "training", "model": state, "config": {}}, folder / "b.pt")
    yield "checkpoint (.pt)", (folder / "b.pt").read_bytes(), ".pt", load_trained, 0.5
    text = (
        "preset: fprnet\ntraining: {epochs: 3, precision: float32}\nseed: &a 4\n# *a 2026-01-01\n"
    )
    yield "config (.yaml)", text.encode(), ".yaml", lambda file: load_config(file=file), 1.0
    yield "exported graph (.onnx)", _graph(), ".onnx", load_model, 0.1


def _matlab(file: Path) -> object:
    return read_any_features(file.with_name("net"))


def _graph() -> bytes:
    """An ONNX graph that adds its input to itself, described as one of ours."""
    from onnx import TensorProto, helper

    shape = [1, 3, 8, 4]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "g", ends[:1], ends[1:])
    model = helper.make_model(graph)
    entry = model.metadata_props.add()
    entry.key, entry.value = "fprnet", json.dumps({"format": 1})
    content: bytes = model.SerializeToString()
    return content
