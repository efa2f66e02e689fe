"""Images and files of other programs, changed at random, for every reader that takes them."""

from __future__ import annotations

import io
import json
import random
import shutil
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch
from outcomes import Row
from PIL import Image
from safetensors.torch import save

from feature_files import write_matlab, write_npy, write_parquet
from fprnet.config import load_config
from fprnet.data.data_set import open_data_set
from fprnet.data.image_formats import FORMATS
from fprnet.data.images import decode_image
from fprnet.embeddings.formats import read_any_features
from fprnet.embeddings.loading import load_model
from fprnet.embeddings.projection import Projection, read_projection, write_projection
from fprnet.embeddings.store import write_features
from fprnet.gallery.audit import AuditEntry, read_entries
from fprnet.gallery.calibration import read_calibration
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.opening import find_calibration
from fprnet.gallery.sources import of_table
from fprnet.models.weights import read_state_dict
from fprnet.pretrained import DEFAULT_MODEL, SHIPPED
from fprnet.runs.trained_model import load_trained
from gallery_cases import MODEL, record, records, vectors
from sysu_cases import small_features

CONFIG_TEXT = (
    b"preset: fprnet\ntraining: {epochs: 3, precision: float32}\nseed: &a 4\n# *a 2026-01-01\n"
)

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


def attack_files(folder: Path, seed: int, tries: int) -> Iterator[Row]:
    """Read changed features, weights, models, tables, galleries, configs and exported graphs.

    Args:
        folder: Where they are written.
        seed: Seed of what is changed.
        tries: Of each kind; slow readers get fewer.
    """
    sound = folder / "sound"
    sound.mkdir()
    for name, files, read, share in _readers(sound):
        row = Row(name, patience=30.0)
        chance = random.Random(f"{seed} {name}")
        for number in range(max(1, round(tries * share))):
            place = folder / "try"
            place.mkdir()
            chosen = chance.choice(sorted(files))
            for file, content in files.items():
                wrong = changed(content, chance) if file == chosen else content
                (place / file).write_bytes(wrong)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                with row.one(f"{name} {number}, {chosen}"):
                    read(place)
            shutil.rmtree(place)
        yield row


Readers: TypeAlias = Iterator[tuple[str, dict[str, bytes], Callable[[Path], object], float]]


def _one(
    name: str, content: bytes, read: Callable[[Path], object], share: float = 1.0
) -> tuple[str, dict[str, bytes], Callable[[Path], object], float]:
    """A reader of a single file, whose ending is the name's."""
    file = f"a{name.partition('(')[2].rstrip(')')}"
    return name, {file: content}, lambda place: read(place / file), share


def _readers(folder: Path) -> Readers:
    """Yield a name, sound files, what reads their folder, and the share of all tries."""
    features = small_features(ties=False)
    write_features(folder / "a.npz", features)
    yield _one("features (.npz)", (folder / "a.npz").read_bytes(), read_any_features)
    for kind, v73, share in (("v5", False, 1.0), ("v7.3", True, 0.5)):
        write_matlab(folder / kind, features, v73=v73)
        matlab = {"net_cam1.mat": (folder / kind / "net_cam1.mat").read_bytes()}
        yield f"features (.mat {kind})", matlab, _matlab, share
    write_npy(folder / "a.npy", features)
    arrays = {name: (folder / name).read_bytes() for name in ("a.npy", "a.csv")}
    yield "features (.npy and .csv)", arrays, lambda at: read_any_features(at / "a.npy"), 1.0
    write_parquet(folder / "a.parquet", features)
    yield _one("features (.parquet)", (folder / "a.parquet").read_bytes(), read_any_features)
    state = {f"layer{n}.weight": torch.ones(4, 4) for n in range(4)}
    yield _one("weights (.safetensors)", save(state), read_state_dict)
    torch.save({"model": state, "epoch": 3}, folder / "a.pth")
    yield _one("weights (.pth)", (folder / "a.pth").read_bytes(), read_state_dict)
    torch.save({"format": 1, "kind": "training", "model": state, "config": {}}, folder / "b.pt")
    yield _one("checkpoint (.pt)", (folder / "b.pt").read_bytes(), load_trained, 0.5)
    yield _one("config (.yaml)", CONFIG_TEXT, lambda file: load_config(file=file))
    yield _one("exported graph (.onnx)", _graph(), load_model, 0.1)
    yield from _models(folder)
    yield from _galleries(folder)


def _models(folder: Path) -> Readers:
    """What lies beside a model: its config, calibration and projection."""
    shutil.copytree(SHIPPED / DEFAULT_MODEL, folder / "model")
    files = {file.name: file.read_bytes() for file in (folder / "model").iterdir()}
    config = {name: files[name] for name in ("config.json", "model.calibration.json")}
    weights = files["model.safetensors"]

    def load(place: Path) -> object:
        (place / "model.safetensors").write_bytes(weights)
        embedder = load_model(place, device="cpu", runtime="pytorch", precision="float32")
        return find_calibration(place, embedder)

    yield "saved model (.json)", config, load, 0.2
    text = files["model.calibration.json"]
    yield _one("calibration (.json)", text, read_calibration)
    name = "model.projection.safetensors"
    write_projection(folder / name, Projection(np.eye(8, 4, dtype=np.float32), "a" * 64))
    projection = (folder / name).read_bytes()
    yield (
        "projection (.safetensors)",
        {"a": projection},
        lambda at: read_projection(at / "a"),
        1.0,
    )


def _galleries(folder: Path) -> Readers:
    """A gallery's file, and tables of rows for it or for a data set."""
    file = folder / "people.db"
    with Gallery.create(str(file), MODEL, keep_days=300) as gallery:
        gallery.add(vectors(60), records(60), audit=[AuditEntry("add", "me", "clerk")])
        both = {name: (folder / name).read_bytes() for name in ("people.db", "people.db-wal")}
    yield "gallery (.db)", {"people.db": file.read_bytes()}, _use_gallery, 1.0
    yield "gallery and log (.db-wal)", both, _use_gallery, 0.5
    image = next(images(0))[1]
    rows = b"path,modality,camera,time,identity\n" + b"".join(
        f"{n}.png,visible,hall {n},2026-03-0{n}T08:00:00Z,00{n}\n".encode() for n in range(1, 6)
    )

    def table(place: Path) -> object:
        for number in range(1, 6):
            (place / f"{number}.png").write_bytes(image)
        return of_table(place / "rows.csv", modality="visible", times=None)

    yield "rows of a gallery (.csv)", {"rows.csv": rows}, table, 1.0
    rows = b"path,identity,camera,modality,split\n" + b"".join(
        f"{n}.png,{n // 2},{n % 2},{('visible', 'infrared')[n % 2]},train\n".encode()
        for n in range(8)
    )

    def manifest(place: Path) -> object:
        for number in range(8):
            (place / f"{number}.png").write_bytes(image)
        return open_data_set(place).records()

    yield "manifest of a data set (.csv)", {"manifest.csv": rows}, manifest, 1.0


def _use_gallery(place: Path) -> object:
    """Do what a user does with a gallery: read, search, add, erase."""
    with Gallery.open(str(place / "people.db"), writable=True) as gallery:
        gallery.info()
        gallery.projection()
        list(read_entries(gallery.database))
        ids = gallery.select()
        gallery.search(vectors(1), top=10)
        gallery.get(ids)
        gallery.embeddings(ids)
        gallery.add(vectors(1, seed=9), [record(999)])
        gallery.expire("clerk", "command line")
        return gallery.erase(ids[:1])


def _matlab(place: Path) -> object:
    return read_any_features(place / "net")


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
