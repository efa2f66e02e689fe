"""Every row of every table, and every value of every option of a head, as users use a model.

Each is trained for a step, embedded by every runtime, scored and exported at the smallest size: a
config that trains but cannot be embedded or exported would stop ``fprnet reproduce`` after hours.
"""

import typing
from dataclasses import replace
from pathlib import Path

import numpy as np
import openvino
import pytest

from fprnet.components import options_of
from fprnet.config import load_config
from fprnet.data.data_set import open_data_set
from fprnet.embeddings.from_disk import extract_data_set
from fprnet.embeddings.loading import load_model
from fprnet.evaluation.data_set_protocol import make_protocol
from fprnet.evaluation.scores import score
from fprnet.export.export import export_model
from fprnet.kinds import HEAD
from fprnet.training.run import run_training
from fprnet_lab.reproduction.published import read_table
from fprnet_lab.reproduction.request import Base, Request

RUNTIMES = ("openvino", "pytorch")
FLOAT32 = 2e-5  # largest difference of numbers in rows of unit length
SMALLEST = (  # the six stripes of the default preset need 64 rows of pixels
    *("--data.height", "64", "--data.width", "32", "--model.backbone.width", "8"),
    *("--batches.identities", "4", "--training.steps_per_epoch", "1", "--training.epochs", "1"),
    *("--training.precision", "float32", "--training.threads", "1", "--model.weights", "none"),
    *("--training.validate_every", "0", "--training.selection", "last"),
)
HEAD_PRESETS = {"cross-modality": "paper", "levels": "fprnet"}
COMPANIONS = {  # what a value of a head's option needs besides
    "cross-modality layer linear-batchnorm": ("--callbacks.restraint", "null"),
    "cross-modality modality_blocks none": ("--loss.discrepancy", "none"),
    "levels main_layer eigenlayer": ("--model.head.main_size", "64"),
}


def rows():
    """Label -> (preset, overrides) of every different model of the tables, which are the figures'.

    The columns of Table 8 differ in the augmentation alone; the first one is taken.
    """
    models = {}
    for base in typing.get_args(Base):
        request = replace(Request(Path("data"), Path("out")), base=base)
        for name in ("table3", "table4", "table5", "table6", "table8"):
            if base == "released" and name in ("table3", "table4"):
                continue  # the same changes as of the other base
            for row in read_table(name).rows_of(request):
                variant = row.variants[0]
                label = f"{name} of {base}: {row.label}"
                models.setdefault((variant.preset, variant.overrides), label)
    return {label: model for model, label in models.items()}


def head_values():
    """Label -> (preset, overrides) of every value of every option of a head that lists them."""
    models = {}
    assert set(HEAD.members) == set(HEAD_PRESETS)
    for head, preset in HEAD_PRESETS.items():
        target = HEAD.members[head]
        hints = typing.get_type_hints(target.__init__, include_extras=True)
        for option in options_of(HEAD, target):
            hint = hints[option]
            listed = typing.get_args(hint) if typing.get_origin(hint) is typing.Literal else ()
            for value in ("true", "false") if hint is bool else listed:
                label = f"{head} {option} {value}"
                words = (f"--model.head.{option}", value, *COMPANIONS.get(label, ()))
                models[label] = (preset, words)
    return models


CASES = rows() | head_values()


def test_the_list_has_every_table_and_every_option():
    labels = " ".join(CASES)
    for part in ("table3", "table4", "table5", "table6 of released", "table8", "without IR-RGB"):
        assert part in labels
    for part in ("modality_blocks shared", "main false", "embedding_from pooled", "pooling gem"):
        assert part in labels


@pytest.fixture(scope="module")
def data(tiny_set, tmp_path_factory):
    """The tiny set, and the folder where its images are resized once for all models."""
    return open_data_set(tiny_set), tmp_path_factory.mktemp("resized")


@pytest.fixture(scope="module")
def written():
    """Structures of the graphs that were written as ONNX, which takes seconds."""
    return set()


def structure(file):
    """Operations and shapes of a graph, without its weights."""
    graph = openvino.Core().read_model(file)
    return tuple(
        (operation.get_type_name(), *(str(output.get_partial_shape()) for output in outputs))
        for operation in graph.get_ordered_ops()
        for outputs in [operation.outputs()]
    )


@pytest.mark.slow
@pytest.mark.parametrize("label", CASES)
def test_model_is_trained_embedded_scored_and_exported(label, data, written, tmp_path):
    data_set, resized = data
    preset, overrides = CASES[label]
    # One epoch is too short for a preset that first trains without restraint.
    no_base = ("--callbacks.restraint.base_epochs", "0") if preset == "svdnet" else ()
    place = ("--data.root", str(data_set.root), "--data.cache", str(resized))
    words = [*SMALLEST, *no_base, *overrides, *place]
    run = tmp_path / "run"
    run_training(load_config(preset, scale="tiny", overrides=words), run)
    features = {}
    for runtime in RUNTIMES:
        embedder = load_model(run, runtime=runtime, precision="float32")
        features[runtime] = extract_data_set(
            embedder, data_set.records(), identities=data_set.test, cache=resized
        )
    rows = [features[runtime].features for runtime in RUNTIMES]
    np.testing.assert_allclose(rows[0], rows[1], atol=FLOAT32)
    np.testing.assert_allclose(np.linalg.norm(rows[0], axis=1), 1, atol=1e-5)
    scores = score(features["openvino"], make_protocol(features["openvino"], data_set))
    assert 0 < scores.rows["plain"].metrics["mAP"].mean <= 1
    export_model(embedder, "openvino", tmp_path / "openvino")
    graph = structure(tmp_path / "openvino" / "infrared.xml")
    if graph not in written:
        written.add(graph)
        export_model(embedder, "onnx", tmp_path / "onnx")
    for exported in tmp_path.glob("o[np]*"):  # the folders of both formats
        again = extract_data_set(
            load_model(exported, precision="float32"),
            data_set.records(),
            identities=data_set.test,
            cache=resized,
        )
        np.testing.assert_allclose(again.features, rows[1], atol=FLOAT32)
