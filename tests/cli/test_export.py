"""``fprnet export`` as users call it: files that others read, or one line and nothing."""

import json
import shutil

import numpy as np
import onnx
import onnxruntime
import openvino
import pytest
import torch

import fprnet as package
from fprnet.data.augmentation import normalise
from fprnet.data.records import MODALITIES
from fprnet.embeddings.store import read_features
from fprnet.errors import CheckpointError, ExportError, UsageError
from fprnet.export import export, quantisation
from fprnet.export.export import export_model
from fprnet.export.graph_files import write_graph_file
from fprnet.export.parity import Parity
from models_cases import pictures, preset


def right(model, images, modality):
    with torch.inference_mode():
        return model.embed(normalise(torch.from_numpy(images)), modality).numpy()


@pytest.fixture(scope="session")
def exported(trained, tmp_path_factory):
    """The finished run, exported in both formats."""
    place = tmp_path_factory.mktemp("exported")
    embedder = package.load_model(trained, runtime="pytorch", precision="float32")
    for format in ("onnx", "openvino"):
        export_model(embedder, format, place / format)
    return place


# One preset for each structure of the graph: one-stream and warm-start are two-stream's with fewer
# weights, bctr and bdtr resnet50's.
STRUCTURES = (
    *("fprnet", "agw", "two-stream", "zero-padding"),
    *("paper", "released", "resnet50", "svdnet", "cmgan"),
)


@pytest.mark.slow
@pytest.mark.parametrize(("number", "name"), list(enumerate(STRUCTURES)))
def test_every_preset_as_onnx_by_another_runtime(number, name, tmp_path):
    modality = MODALITIES[number % 2]  # a graph takes seconds; OpenVINO's tests have both of each
    model, config = preset(name)
    size = (config.data.height, config.data.width)
    write_graph_file(model, size, modality, "onnx", tmp_path, {"preset": name})
    onnx.checker.check_model(tmp_path / f"{modality}.onnx", full_check=True)
    session = onnxruntime.InferenceSession(tmp_path / f"{modality}.onnx")
    for count in (1, 3):  # the batch is free
        images = pictures(count)
        (embeddings,) = session.run(["embeddings"], {"images": images})
        np.testing.assert_allclose(embeddings, right(model, images, modality), atol=2e-5)


@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_file_says_what_it_is(exported, trained, format):
    sha256 = package.load_model(trained).about["checkpoint_sha256"]
    for modality in MODALITIES:
        if format == "onnx":
            graph = onnx.load(exported / format / f"{modality}.onnx")
            said = {entry.key: entry.value for entry in graph.metadata_props}["fprnet"]
        else:
            graph = openvino.Core().read_model(exported / format / f"{modality}.xml")
            said = graph.get_rt_info(["fprnet"]).astype(str)
        metadata = json.loads(said)
        assert metadata["format"] == 1
        assert metadata["modality"] == modality
        assert metadata["preset"] == metadata["model"]["preset"] == "fprnet"
        assert metadata["model"]["checkpoint_sha256"] == sha256
        assert metadata["embedding_size"] == 1024
        assert (metadata["input"]["height"], metadata["input"]["width"]) == (64, 32)
        assert metadata["normalisation"]["mean"] == [0.485, 0.456, 0.406]
        assert metadata["normalisation"]["std"] == [0.229, 0.224, 0.225]


@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_exported_model_is_loaded_like_any_other(exported, trained, format):
    images = pictures(5, (64, 32))
    plain = package.load_model(trained, runtime="pytorch", precision="float32")
    file = "visible.onnx" if format == "onnx" else "infrared.xml"
    for source in (exported / format, exported / format / file):
        model = package.load_model(source, precision="float32")
        assert model.about["exported"] == "float32"
        assert model.size == (64, 32)
        for modality in MODALITIES:
            np.testing.assert_allclose(
                model.embed(images, modality), plain.embed(images, modality), atol=2e-5
            )


def test_command_tells_how_far_the_graphs_are(fprnet, trained, tmp_path):
    out = tmp_path / "new" / "exported"
    result = fprnet("export", trained, "--format", "openvino", "--out", out, "--json")
    assert result.status == 0, result.err
    told = json.loads(result.out)
    assert 0 < told["parity"]["max_difference"] < 1e-4
    assert told["parity"]["min_cosine"] > 0.9999
    assert told["files"] == sorted(file.name for file in out.iterdir())
    assert told["bytes"] == sum(file.stat().st_size for file in out.iterdir())
    again = fprnet("export", trained, "--format", "openvino", "--out", out)  # replaces its own
    assert again.status == 0, again.err
    assert "largest difference" in again.out
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["exported"]


def test_scores_of_an_export_are_those_of_the_model(fprnet, exported, trained, tiny_set):
    words = ("--data", tiny_set, "--trials", 2, "--json")
    ours = fprnet("evaluate", exported / "onnx" / "visible.onnx", *words, "--precision", "float32")
    theirs = fprnet("evaluate", trained, *words, "--precision", "float32")
    assert (ours.status, theirs.status) == (0, 0), ours.err + theirs.err
    one, other = (json.loads(result.out) for result in (ours, theirs))
    assert one["scores"]["plain"]["mAP"]["mean"] == pytest.approx(
        other["scores"]["plain"]["mAP"]["mean"], abs=0.002
    )
    assert one["model"]["exported"] == "float32"


def test_extract_takes_an_export(fprnet, exported, trained, tiny_set, tmp_path):
    words = ("--images", tiny_set / "cam6" / "0002", "--modality", "infrared", "--out")
    for name, model in (("one", exported / "openvino"), ("other", trained)):
        result = fprnet(
            "extract", model, *words, tmp_path / f"{name}.npz", "--precision", "float32"
        )
        assert result.status == 0, result.err
    one, other = (read_features(tmp_path / f"{name}.npz") for name in ("one", "other"))
    np.testing.assert_allclose(one.features, other.features, atol=2e-5)


@pytest.mark.slow
def test_eight_bits(fprnet, trained, tiny_set, tmp_path, monkeypatch):
    monkeypatch.setattr(quantisation, "CALIBRATION_IMAGES", 16)
    monkeypatch.setattr(export, "INT8_LOSS", 1.0)  # the run has seen too little to be robust
    out = tmp_path / "small"
    words = ("--format", "openvino", "--out", out, "--int8", "--data", tiny_set, "--json")
    result = fprnet("export", trained, *words)
    assert result.status == 0, result.err
    told = json.loads(result.out)
    assert told["parity"]["min_cosine"] > 0.9
    assert told["parity"]["max_difference"] > 1e-4
    assert set(told["scores"]) == {"pytorch", "exported"}
    graph = openvino.Core().read_model(out / "visible.xml")
    assert sum(node.get_type_name() == "FakeQuantize" for node in graph.get_ops()) > 20
    model = package.load_model(out)
    assert (model.about["exported"], model.about["precision"]) == ("int8", "int8")
    evaluated = fprnet("evaluate", out, "--data", tiny_set, "--trials", 1, "--json")
    assert evaluated.status == 0, evaluated.err
    other = fprnet("evaluate", out, "--data", tiny_set, "--precision", "bfloat16")
    assert "computes in eight bits, not in bfloat16; leave precision out" in other.complaint


def test_eight_bits_that_cost_too_much_are_not_kept(
    fprnet, trained, tiny_set, tmp_path, monkeypatch
):
    monkeypatch.setattr(export, "quantised", lambda graph, images: graph)
    scores = iter([{"rank-1": 0.9, "mAP": 0.8}, {"rank-1": 0.9, "mAP": 0.79}])
    monkeypatch.setattr(export._Samples, "scores", lambda self, backend: next(scores))
    out = tmp_path / "small"
    words = ("--format", "openvino", "--out", out, "--int8", "--data", tiny_set)
    result = fprnet("export", trained, *words)
    assert result.status == 2
    assert "eight bits cost 1.00 points of mAP" in result.complaint
    assert "(80.00 before, 79.00 after), more than 0.5" in result.complaint
    assert not list(tmp_path.iterdir())


def test_wrong_graphs_are_not_kept(fprnet, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(export, "compare", lambda *_: Parity(8, 2e-4, 1.0))
    out = tmp_path / "exported"
    result = fprnet("export", trained, "--format", "openvino", "--out", out)
    assert result.status == 2
    assert "differ from PyTorch's by 2.0e-04, more than 0.0001" in result.complaint
    assert not list(tmp_path.iterdir())


def test_what_is_no_number_is_not_kept():
    nan, same = float("nan"), {"rank-1": 0.5, "mAP": 0.5}
    with pytest.raises(ExportError, match="by nan"):
        export._judge("float32", Parity(8, nan, 1.0), {})
    for weights, message in (
        ("float32", "mAP differs from PyTorch's"),
        ("int8", "cost nan points"),
    ):
        scores = {"pytorch": same, "exported": {"rank-1": 0.5, "mAP": nan}}
        with pytest.raises(ExportError, match=message):
            export._judge(weights, Parity(8, 0.0, 1.0), scores)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--format", "onnx", "--int8", "--data", "DATA"], "use --format openvino"),
        (["--format", "openvino", "--int8"], "give --data ROOT"),
        (["--format", "onnx", "--layout", "regdb"], "are of --data"),
        (["--format", "tflite"], "invalid choice: 'tflite'"),
    ],
)
def test_what_does_not_fit_together(fprnet, trained, tiny_set, tmp_path, words, told):
    words = [tiny_set if word == "DATA" else word for word in words]
    result = fprnet("export", trained, *words, "--out", tmp_path / "out")
    assert result.status == 2
    assert told in result.complaint
    assert not list(tmp_path.iterdir())


def test_untrained_preset_is_not_quantised(fprnet, tiny_set, tmp_path):
    words = ("--format", "openvino", "--int8", "--data", tiny_set, "--out", tmp_path / "out")
    result = fprnet("export", "one-stream", "--scale", "tiny", *words)
    assert result.status == 2
    assert "is not trained" in result.complaint


def test_nothing_else_is_overwritten(fprnet, trained, tmp_path):
    (tmp_path / "thesis.tex").write_text("ten years of work")
    result = fprnet("export", trained, "--format", "onnx", "--out", tmp_path)
    assert result.status == 2
    assert "holds something else" in result.complaint
    assert [file.name for file in tmp_path.iterdir()] == ["thesis.tex"]


def test_one_graph_alone_is_not_evaluated(fprnet, exported, tiny_set, tmp_path):
    shutil.copy(exported / "onnx" / "visible.onnx", tmp_path / "visible.onnx")
    for model in (tmp_path, tmp_path / "visible.onnx"):
        result = fprnet("evaluate", model, "--data", tiny_set)
        assert result.status == 2
        assert "infrared.onnx, the graph of infrared images, does not exist" in result.complaint
        assert "keep both graphs of an export in one folder" in result.complaint


def test_an_export_cannot_be_exported(fprnet, exported, tmp_path):
    result = fprnet("export", exported / "onnx", "--format", "onnx", "--out", tmp_path / "out")
    assert result.status == 2
    assert "an exported graph" in result.complaint
    assert "give the checkpoint" in result.complaint


def test_faulty_folders(exported, tmp_path):
    both = tmp_path / "both"
    shutil.copytree(exported / "onnx", both)
    shutil.copytree(exported / "openvino", both, dirs_exist_ok=True)
    with pytest.raises(UsageError, match="holds an ONNX and an OpenVINO export"):
        package.load_model(both)
    (both / "infrared.onnx").unlink()
    with pytest.raises(CheckpointError, match="the graph of infrared images, does not exist"):
        package.load_model(both / "visible.onnx")
    shutil.copy(both / "visible.onnx", both / "infrared.onnx")
    with pytest.raises(CheckpointError, match="is the graph of visible images"):
        package.load_model(both / "infrared.onnx")
    content = (both / "visible.onnx").read_bytes()
    (both / "infrared.onnx").write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match="cannot be read as a graph"):
        package.load_model(both / "infrared.onnx")
    with pytest.raises(UsageError, match="use runtime openvino"):
        package.load_model(exported / "onnx", runtime="pytorch")


def test_foreign_graph(tmp_path):
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Identity", ["images"], ["embeddings"])],
        "foreign",
        [onnx.helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [1, 2])],
        [onnx.helper.make_tensor_value_info("embeddings", onnx.TensorProto.FLOAT, [1, 2])],
    )
    for modality in MODALITIES:
        onnx.save(onnx.helper.make_model(graph), tmp_path / f"{modality}.onnx")
    with pytest.raises(CheckpointError, match="says nothing about its model"):
        package.load_model(tmp_path)
