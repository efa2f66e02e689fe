"""Networks of every form, OpenCV's detector and boxes from outside give the people they see."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from fprnet.errors import DataError, FprnetError
from fprnet.watch.detections import Detections, overlaps
from fprnet.watch.detector_forms import Placement, form_of, read_outputs
from fprnet.watch.detectors import open_detector
from fprnet.watch.given_boxes import GivenBoxes
from fprnet.watch.network_detector import distinct
from watch_cases import frame

PERSON = (40.0, 30.0, 20.0, 60.0)  # left, top, width, height in a frame of 160 x 120
FRAME = np.random.default_rng(0).integers(0, 256, (120, 160, 3)).astype(np.uint8)


def write_network(path, outputs, size=(64, 64), *, with_frame_size=False, name="images"):
    """A network that gives the same outputs for every image: its input, times nothing, is added."""
    image = helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3, *size])
    inputs, nodes = [image], []
    if with_frame_size:
        inputs.append(helper.make_tensor_value_info("sizes", TensorProto.INT64, [1, 2]))
    axes = numpy_helper.from_array(np.array([0, 1, 2, 3], np.int64), "axes")
    zero = numpy_helper.from_array(np.zeros(1, np.float32), "zero")
    constants = [axes, zero]
    nodes.append(helper.make_node("ReduceSum", [name, "axes"], ["sum"], keepdims=0))
    nodes.append(helper.make_node("Mul", ["sum", "zero"], ["nothing"]))
    declared = []
    for key, values in outputs.items():
        values = np.asarray(values)
        kind = helper.np_dtype_to_tensor_dtype(values.dtype)
        constants.append(numpy_helper.from_array(values, f"{key}_of"))
        nodes.append(helper.make_node("Cast", ["nothing"], [f"{key}_zero"], to=kind))
        nodes.append(helper.make_node("Add", [f"{key}_of", f"{key}_zero"], [key]))
        declared.append(helper.make_tensor_value_info(key, kind, values.shape))
    graph = helper.make_graph(nodes, "detector", inputs, declared, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    return path


def yolox(*, decoded):
    """One person and one of class 3, in a 64 x 64 input: the frame is scaled by 0.4."""
    rows = np.zeros((1, 64 + 16 + 4, 5 + 80), np.float32)
    if decoded:
        rows[0, :, 0] = np.linspace(0, 60, 84)  # cells that see nobody
    for row, score, kind in ((64 + 1, 0.9, 0), (3, 0.8, 3)):
        # cell 1 of the 4 x 4 cells of stride 16: column 1, row 0
        rows[0, row, 4], rows[0, row, 5 + kind] = score, 1.0
        centre, size = np.array([50, 60]) * 0.4, np.array([20, 60]) * 0.4
        if decoded:
            rows[0, row, :4] = [*centre, *size]
        else:
            rows[0, row, :4] = [*(centre / 16 - [1, 0]), *np.log(size / 16)]
    return {"output": rows}


def detr(people_class=1, classes=91):
    boxes = np.full((1, 5, 4), 0.5, np.float32)
    boxes[0, 2] = [50 / 160, 60 / 120, 20 / 160, 60 / 120]
    logits = np.full((1, 5, classes), -9, np.float32)
    logits[0, 2, people_class] = np.log(0.9 / 0.1)
    logits[0, 3, 5] = 4  # surely something else
    return {"dets": boxes, "labels": logits}


def dfine():
    corners = np.zeros((1, 3, 4), np.float32)
    corners[0, 1] = [40, 30, 60, 90]
    corners[0, 2] = [0, 0, 50, 50]
    return {
        "labels": np.array([[7, 0, 2]], np.int64),
        "boxes": corners,
        "scores": np.array([[0.9, 0.9, 0.9]], np.float32),
    }


def ssd():
    rows = np.zeros((1, 1, 4, 7), np.float32)
    rows[0, 0, 0] = [0, 2, 0.9, 0, 0, 1, 1]  # of another class
    rows[0, 0, 1] = [0, 1, 0.9, 40 / 160, 30 / 120, 60 / 160, 90 / 120]
    rows[0, 0, 2] = [-1, 0, 0, 0, 0, 0, 0]
    rows[0, 0, 3] = [0, 1, 0.9, 0, 0, 1, 1]  # after the end
    return {"detections": rows}


FORMS = {
    "yolox": lambda: yolox(decoded=False),
    "yolox decoded": lambda: yolox(decoded=True),
    "detr": detr,
    "dfine": dfine,
    "ssd": ssd,
}


@pytest.mark.parametrize("form", FORMS)
def test_a_network_of_each_form_finds_the_person(form, tmp_path):
    file = write_network(tmp_path / "net.onnx", FORMS[form](), with_frame_size=form == "dfine")
    detector = open_detector(str(file))
    found = detector.detect([frame(pixels=FRAME), frame(pixels=FRAME)])
    assert len(found) == 2
    for one in found:
        assert one.boxes == pytest.approx(np.array([PERSON]), abs=0.01)
        assert one.scores == pytest.approx([0.9], abs=1e-3)


def test_openvinos_own_format_is_read_too(tmp_path):
    import openvino

    model = openvino.Core().read_model(write_network(tmp_path / "net.onnx", ssd()))
    openvino.save_model(model, tmp_path / "net.xml")
    (found,) = open_detector(str(tmp_path / "net.xml")).detect([frame(pixels=FRAME)])
    assert found.boxes == pytest.approx(np.array([PERSON]), abs=0.1)  # saved in 16 bits


@pytest.mark.parametrize(
    ("form", "pixels", "expected"),
    [
        # Means of a frame whose R, G, B are 200, 100, 50; YOLOX fills a quarter of rows with 114.
        ("yolox", "auto", [0.75 * 50 + 0.25 * 114, 0.75 * 100 + 0.25 * 114, 178.5]),
        ("ssd", "auto", [50, 100, 200]),
        ("dfine", "auto", [200 / 255, 100 / 255, 50 / 255]),
        ("detr", "auto", [(200 / 255 - 0.485) / 0.229, (100 / 255 - 0.456) / 0.224,
                          (50 / 255 - 0.406) / 0.225]),
        ("detr", "unit", [200 / 255, 100 / 255, 50 / 255]),
    ],
)  # fmt: skip
def test_each_form_gets_the_pixels_it_is_trained_with(form, pixels, expected, tmp_path):
    file = write_network(tmp_path / "net.onnx", FORMS[form](), with_frame_size=form == "dfine")
    detector = open_detector({"class_path": str(file), "pixels": pixels})
    image, place = detector._placed(np.full((120, 160, 3), [200, 100, 50], np.uint8))
    assert image.shape == (1, 3, 64, 64)
    assert image.mean(axis=(0, 2, 3)) == pytest.approx(expected, rel=1e-5)
    assert place.scale == pytest.approx((0.4, 0.4) if form == "yolox" else (64 / 120, 0.4))


@pytest.mark.parametrize(
    "shapes",
    [
        {"a": (1, 1000)},
        {"a": (1, 10, 4)},
        {"a": (1, 10, 4), "b": (1, 10, 4)},
        {"a": (1, 10), "b": (1, 10)},
        {"a": (1, 25200, 85), "b": (1, 3, 80, 80, 85), "c": (1, 3, 40, 40, 85)},
        {"masks": (1, 32, 160, 160), "a": (1, 116, 8400)},
    ],
)
def test_other_forms_are_refused_with_their_shapes(shapes):
    with pytest.raises(DataError, match=str(next(iter(shapes.values()))[-1])):
        form_of(shapes)


def test_sides_that_are_not_fixed_do_not_matter():
    assert form_of({"a": (-1, -1, 85)}) == "yolox"
    assert form_of({"a": (-1, 300, 91), "b": (-1, 300, 4)}) == "detr"
    assert form_of({"a": (-1, -1), "b": (-1, -1, 4), "c": (-1, -1)}) == "dfine"
    assert form_of({"a": (1, 1, -1, 7)}) == "ssd"


@pytest.mark.parametrize(
    ("outputs", "words"),
    [
        (detr(classes=13), "13 classes"),
        ({"output": np.zeros((1, 77, 85), np.float32)}, "77 rows"),
        ({"features": np.zeros((1, 512), np.float32)}, "features"),
    ],
)
def test_a_detector_that_is_not_understood_is_one_sentence(outputs, words, tmp_path):
    file = write_network(tmp_path / "net.onnx", outputs)
    with pytest.raises(DataError, match=words) as caught:
        open_detector(str(file)).detect([frame(pixels=FRAME)])
    assert str(file) in str(caught.value)


def test_a_class_of_ones_own(tmp_path):
    file = write_network(tmp_path / "net.onnx", detr(people_class=4, classes=13))
    values = {"class_path": str(file), "person": "4", "confident": "0.7"}
    detector = open_detector(values)
    (found,) = detector.detect([frame(pixels=FRAME)])
    assert found.boxes == pytest.approx(np.array([PERSON]), abs=0.01)
    assert detector.confident == 0.7


@pytest.mark.parametrize(
    ("content", "value"),
    [
        (None, "net.onnx is not there"),
        (b"", "net.onnx"),
        (b"<html>404</html>", "net.onnx"),
    ],
)
def test_what_is_no_network_is_one_sentence(content, value, tmp_path):
    file = tmp_path / "net.onnx"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(DataError, match=value) as caught:
        open_detector(str(file))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        "histogram",
        {"stride": "7"},
        {"class_path": "histograms", "scale_step": "1.0"},
        {"class_path": "network"},
        {"class_path": "my.module:Detector"},
    ],
)
def test_detectors_that_are_not_there_and_options_out_of_range(values):
    with pytest.raises(FprnetError) as caught:
        open_detector(values)
    assert "detector" in str(caught.value)


def test_suppression_is_the_slow_definition():
    rng = np.random.default_rng(3)
    boxes = np.concatenate([rng.uniform(0, 60, (60, 2)), rng.uniform(5, 40, (60, 2))], 1)
    scores = rng.integers(1, 20, 60) / 20  # with ties: the first of equals stays
    kept = []
    for index in sorted(range(60), key=lambda one: -scores[one]):
        x, y, w, h = boxes[index]
        for other in kept:
            a, b, c, d = boxes[other]
            wide, tall = min(x + w, a + c) - max(x, a), min(y + h, b + d) - max(y, b)
            shared = max(wide, 0) * max(tall, 0)
            if shared / (w * h + c * d - shared) > 0.3:
                break
        else:
            kept.append(index)
    found = distinct(Detections(boxes.astype(np.float32), scores.astype(np.float32)), 0.3)
    assert 10 < len(kept) < 50
    assert found.boxes == pytest.approx(boxes[kept].astype(np.float32))
    assert overlaps(found.boxes[:1], found.boxes[:1]) == pytest.approx(
        boxes[kept[0], 2] * boxes[kept[0], 3], rel=1e-5
    )


def test_an_empty_detr_and_an_ssd_without_end():
    place = Placement((120, 160), (64, 64), (0.5, 0.4))
    none = {"a": np.zeros((1, 0, 4), np.float32), "b": np.zeros((1, 0, 91), np.float32)}
    assert len(read_outputs("detr", none, place, person=None).scores) == 0
    rows = {"a": ssd()["detections"][:, :, :2]}
    assert len(read_outputs("ssd", rows, place, person=None).scores) == 1


def test_opencvs_detector_finds_nobody_in_noise_and_in_a_frame_too_small():
    detector = open_detector("histograms")
    found = detector.detect([frame(pixels=FRAME), frame(pixels=FRAME[:90])])
    assert all(isinstance(one, Detections) for one in found)
    assert len(found[1].scores) == 0


def test_boxes_that_no_pixels_can_have_are_dropped():
    sound, endless = [10, 20, 30, 40], float("inf")
    wrong = [[0, 0, endless, 9], [float("nan"), 0, 9, 9], [-2e38, 0, 3e38, 9], [0, 0, 0, 9]]
    found = Detections(np.array([sound, *wrong], np.float32), np.ones(5, np.float32))
    assert found.above(0.5).boxes.tolist() == [sound]


def test_boxes_of_a_file(tmp_path):
    file = tmp_path / "det.txt"
    file.write_text("2,-1,10,20,30,40.5,0.8,-1,-1,-1\n2,7,1,2,3,4\n\n5,1,0,0,9,9,-1\n")
    boxes = GivenBoxes(file)
    first, second, fifth = boxes.detect([frame(number=1), frame(number=2), frame(number=5)])
    assert len(first.scores) == 0
    assert second.boxes.tolist() == [[10, 20, 30, 40.5], [1, 2, 3, 4]]
    assert second.scores == pytest.approx([0.8, 1.0])
    assert fifth.scores.tolist() == [1.0]


@pytest.mark.parametrize(
    "line",
    ["1,2,3", "frame,id,left", "0,1,1,1,1,1", "1,1,nan,1,1,1", "1,1,1e300,1,1,1", "1;1;1;1;1;1"],
)
def test_a_file_of_other_boxes_is_refused_by_its_line(line, tmp_path):
    file = tmp_path / "det.txt"
    file.write_text(f"1,1,1,1,1,1\n{line}\n")
    with pytest.raises(DataError, match=r"det\.txt, line 2"):
        GivenBoxes(file)
    with pytest.raises(DataError, match="correct the path"):
        GivenBoxes(tmp_path / "none.txt")
    file.write_bytes(b"\x80\xff\x00")
    with pytest.raises(DataError, match="no text"):
        GivenBoxes(file)
