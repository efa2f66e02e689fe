"""A trained model becomes a folder of checked graphs, or an error and no folder.

Shapes: N images of H x W pixels.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fprnet.config import config_as_dict
from fprnet.cores import available_cores
from fprnet.data.augmentation import IMAGENET_MEAN, IMAGENET_STD
from fprnet.data.cache import open_cache
from fprnet.data.data_set import AUTO, DataSet, open_data_set, recognise
from fprnet.data.held_out import trained_split
from fprnet.data.records import MODALITIES, Modality, Records
from fprnet.embeddings.backend import Backend, Choice, Pixels
from fprnet.embeddings.embedder import Embedder
from fprnet.embeddings.exported_graphs import (
    EXPORTED_PROJECTION,
    FORMAT,
    SUFFIXES,
    open_graphs,
)
from fprnet.embeddings.extract import extract_features
from fprnet.embeddings.openvino_backend import converted
from fprnet.embeddings.projection import write_projection
from fprnet.embeddings.pytorch_backend import PyTorchBackend
from fprnet.errors import DataError, ExportError, UsageError
from fprnet.evaluation.data_set_protocol import make_protocol
from fprnet.evaluation.scores import score
from fprnet.export.graph_files import Format, require_onnx, save_openvino, write_graph_file
from fprnet.export.parity import Parity, compare, seeded_images
from fprnet.export.quantisation import calibration_rows, quantised, require_nncf

__all__ = ["Exported", "Weights", "export_model"]

Weights = Literal["float32", "int8"]
TOLERANCE = 1e-4  # of numbers of float32 embeddings, which have unit length
SCORE_TOLERANCE = 0.002  # of rank-1 and mAP in float32, fractions
INT8_LOSS = 0.005  # of mAP, the most that eight bits may cost, a fraction
SCORES = ("rank-1", "mAP")
MARK = ".part"  # ends the name of a folder that is being written


@dataclass(frozen=True)
class Exported:
    """What was written, and how it was checked.

    Attributes:
        out: The folder.
        files: Names in it.
        format: "onnx" or "openvino".
        weights: "float32" or "int8".
        embedding_size: D.
        size: H, W of the input, pixels.
        parity: Against PyTorch in float32.
        scores: "pytorch" and "exported" -> rank-1 and mAP on the validation people, fractions;
            empty without data.
    """

    out: Path
    files: tuple[str, ...]
    format: Format
    weights: Weights
    embedding_size: int
    size: tuple[int, int]
    parity: Parity
    scores: Mapping[str, Mapping[str, float]]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON object of ``fprnet export --json``."""
        return {
            **asdict(self),
            "out": str(self.out),
            "files": list(self.files),
            "size": list(self.size),
            "bytes": sum((self.out / name).stat().st_size for name in self.files),
        }


def export_model(
    embedder: Embedder,
    format: Format,
    out: Path,
    *,
    weights: Weights = "float32",
    data: Path | None = None,
    layout: str = AUTO,
    cache: Path | None = None,
) -> Exported:
    """Write the graphs of a model; the folder appears when all of them have been checked.

    Args:
        embedder: The model, on the CPU.
        format: Format of the files.
        out: Folder to be. An earlier export of the same format in it is replaced.
        weights: "int8" quantises with images of training people.
        data: Data set whose images the check uses, and whose validation people score model and
            graphs; None checks with seeded images.
        layout: Layout of the data set.
        cache: Folder of the data set's resized images; None is ROOT/.fprnet-cache.

    Raises:
        ExportError: The graphs do not give what the model gives, or eight bits cost more than half
            a point of mAP. Nothing is kept.
        UsageError: What was asked does not go together, a package is missing, or ``out`` holds
            something else.
        DataError: The data set lacks validation people, or images.
    """
    model = embedder.model
    if format == "onnx":
        require_onnx()
    if weights == "int8":
        _check_int8(embedder, format, data)
    _check_place(out, format)
    samples = None if data is None else _Samples.read(embedder, data, layout, cache)
    metadata = _metadata(embedder, format, weights)
    projection = embedder.projection
    matrix = None if projection is None else projection.matrix
    with _folder_to_be(out) as folder:
        if projection is not None:
            write_projection(folder / EXPORTED_PROJECTION, projection)
        for modality in MODALITIES:
            about = {**metadata, "modality": modality}
            if weights == "float32":
                write_graph_file(model, embedder.size, modality, format, folder, about, matrix)
                continue
            assert samples is not None
            graph = converted(model, embedder.size, modality, matrix)
            graph = quantised(graph, samples.training(modality))
            save_openvino(graph, folder / f"{modality}{SUFFIXES[format]}", about)
        precision: Choice = "float32" if weights == "float32" else "auto"
        backend = open_graphs(folder, precision=precision).backend
        images = (
            dict.fromkeys(MODALITIES, seeded_images(embedder.size))
            if samples is None
            else {modality: samples.validation(modality) for modality in MODALITIES}
        )
        try:
            parity = compare(model, backend, images)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise ExportError(
                f"the graphs do not embed {len(images['visible'])} images ({reason}); nothing is "
                "kept, take the number of images from x.shape[0] in the network, not from len(x)"
            ) from error
        scores: dict[str, dict[str, float]] = {}
        if samples is not None:
            plain = PyTorchBackend(model, precision="float32", fold=False)
            scores = {"pytorch": samples.scores(plain), "exported": samples.scores(backend)}
        _judge(weights, parity, scores)
        files = tuple(sorted(file.name for file in folder.iterdir()))
        del backend  # it holds the files open
    return Exported(
        out, files, format, weights, embedder.embedding_size, embedder.size, parity, scores
    )


@dataclass(frozen=True)
class _Samples:
    """A data set's images: of training people to calibrate with, of validation people to check."""

    data_set: DataSet
    records: Records
    images: NDArray[np.uint8]

    @classmethod
    def read(cls, embedder: Embedder, root: Path, layout: str, cache: Path | None) -> _Samples:
        layout = recognise(root) if layout == AUTO else layout
        split = trained_split(config_as_dict(embedder.config), layout)
        data_set = open_data_set(root, layout=layout, split=split, needed=("train", "validation"))
        if not data_set.validation:
            raise DataError(
                f"{root} lists no validation people, on whom the graphs are checked; leave --data "
                "out to check with made images, or give a data set that lists some"
            )
        records = data_set.records()
        images = open_cache(
            records,
            embedder.size,
            depth_range=embedder.depth_range,
            folder=cache,
            workers=available_cores(),
        )
        return cls(data_set, records, images)

    def training(self, modality: Modality) -> Pixels:
        return self.images[calibration_rows(self._rows(self.data_set.train, modality))]

    def validation(self, modality: Modality) -> Pixels:
        return self.images[self._rows(self.data_set.validation, modality)[:32]]

    def scores(self, backend: Backend) -> dict[str, float]:
        """Return rank-1 and mAP of the validation people, fractions."""
        people = self.data_set.validation
        rows = np.flatnonzero(np.isin(self.records.identity, people))
        features = extract_features(
            backend, self.images, self.records.where(rows), rows=rows, meta={}
        )
        found = score(features, make_protocol(features, self.data_set, identities=people))
        return {name: found.rows["plain"].metrics[name].mean for name in SCORES}

    def _rows(self, people: tuple[int, ...], modality: Modality) -> NDArray[np.int64]:
        mine = np.isin(self.records.identity, people) & (self.records.modality == modality)
        if not mine.any():
            raise DataError(f"{self.data_set.root} holds no {modality} images of these people")
        return np.flatnonzero(mine)


def _check_int8(embedder: Embedder, format: Format, data: Path | None) -> None:
    if format != "openvino":
        raise UsageError("--int8 writes OpenVINO graphs only; use --format openvino")
    if data is None:
        raise UsageError(
            "--int8 needs images of training people, and validation people to measure its loss "
            "on; give --data ROOT"
        )
    if not embedder.about["trained"]:
        raise UsageError(
            f"preset {embedder.about['preset']} is not trained, so that a loss of eight bits has "
            "no meaning; give a checkpoint"
        )
    if embedder.config.data.identities == "train+validation":
        raise UsageError(
            "the model was trained on the validation people, too, on whom the loss of eight bits "
            "would be measured; train with --data.identities train"
        )
    require_nncf()


def _check_place(out: Path, format: Format) -> None:
    """Check that only an earlier export of this format is replaced."""
    if not out.exists():
        return
    own = {f"{m}{s}" for m in MODALITIES for s in (SUFFIXES[format], ".bin")}
    own.add(EXPORTED_PROJECTION)
    if not out.is_dir() or any(file.name not in own for file in out.iterdir()):
        raise UsageError(f"{out} holds something else; give a new folder for the export")


def _metadata(embedder: Embedder, format: Format, weights: Weights) -> dict[str, Any]:
    height, width = embedder.size
    about = {n: v for n, v in embedder.about.items() if n not in ("runtime", "precision")}
    return {
        "format": FORMAT,
        "preset": about["preset"],
        "weights": weights,
        "embedding_size": embedder.embedding_size,
        "input": {
            "name": "images",
            "layout": "NHWC",
            "type": "uint8",
            "colour": "RGB",
            "height": height,
            "width": width,
        },
        "output": {"name": "embeddings", "length": 1},
        "compact": None
        if embedder.projection is None
        else {
            "name": "compact",
            "size": embedder.projection.size,
            "projection_sha256": embedder.projection.sha256,
        },
        "normalisation": {"inside": True, "mean": IMAGENET_MEAN, "std": IMAGENET_STD},
        "model": about,
        "config": config_as_dict(embedder.config),
        "versions": {
            name: version(name)
            for name in ("fprnet", "torch", "onnx" if format == "onnx" else "openvino")
        },
    }


def _judge(weights: Weights, parity: Parity, scores: Mapping[str, Mapping[str, float]]) -> None:
    """Refuse graphs that are not the model; comparisons are such that NaN is refused, too."""
    losses = {name: scores["pytorch"][name] - scores["exported"][name] for name in SCORES if scores}
    if weights == "int8":
        if not losses["mAP"] <= INT8_LOSS:
            before, after = (100 * scores[side]["mAP"] for side in ("pytorch", "exported"))
            raise ExportError(
                f"eight bits cost {100 * losses['mAP']:.2f} points of mAP on the validation people "
                f"({before:.2f} before, {after:.2f} after), more than {100 * INT8_LOSS:.1f}; "
                "nothing is kept, export without --int8"
            )
        return
    if not parity.max_difference <= TOLERANCE:
        raise ExportError(
            f"the graphs' embeddings differ from PyTorch's by {parity.max_difference:.1e}, more "
            f"than {TOLERANCE}; nothing is kept, try the other format"
        )
    for name, loss in losses.items():
        if not abs(loss) <= SCORE_TOLERANCE:
            raise ExportError(
                f"the graphs' {name} differs from PyTorch's by {100 * abs(loss):.2f} points, more "
                f"than {100 * SCORE_TOLERANCE:.1f}; nothing is kept, try the other format"
            )


@contextmanager
def _folder_to_be(out: Path) -> Iterator[Path]:
    """Yield a hidden folder beside ``out`` that takes its place when the block ends well."""
    out.parent.mkdir(parents=True, exist_ok=True)
    folder = out.with_name(f".{out.name}{MARK}")
    shutil.rmtree(folder, ignore_errors=True)  # of a killed export
    folder.mkdir()
    try:
        yield folder
        earlier = out.with_name(f".{out.name}.earlier")
        shutil.rmtree(earlier, ignore_errors=True)
        if out.exists():
            out.rename(earlier)
        try:
            folder.rename(out)
        except OSError:
            if earlier.exists():
                earlier.rename(out)
            raise
        shutil.rmtree(earlier, ignore_errors=True)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
