"""The outputs of a detection network become boxes; which form they have is seen in their shapes.

Shapes: N candidates, C classes, k kept; boxes are left, top, width, height in pixels of the frame.

====== ======================================================= ====================================
form   outputs                                                 input
====== ======================================================= ====================================
yolox  (1, N, 5 + C): centre, size, objectness, classes        B, G, R 0 to 255, filled up with 114
detr   (1, N, 4) and (1, N, C): centre, size 0 to 1; logits    R, G, B, normalised as ImageNet's
dfine  (1, N), (1, N, 4), (1, N): labels, corners, scores      R, G, B 0 to 1, and the frame's size
ssd    (1, 1, N, 7): image, label, score, corners 0 to 1       B, G, R 0 to 255
====== ======================================================= ====================================

Sources: YOLOX's ``export_onnx.py`` and ``demo_utils.py``, RF-DETR's ``export``, D-FINE's
``export_onnx.py`` (RT-DETR's is the same), OpenVINO's DetectionOutput operation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from fprnet.errors import DataError
from fprnet.watch.detections import Detections

__all__ = ["FORMS", "Form", "Placement", "form_of", "read_outputs"]

Form = Literal["yolox", "detr", "dfine", "ssd"]
FORMS: tuple[Form, ...] = ("yolox", "detr", "dfine", "ssd")
Floats = NDArray[np.float32]
STRIDES = (8, 16, 32)  # of YOLOX's three grids
# Number of classes -> that of people: COCO's 80 without gaps, and its 91 numbers with them.
PERSON = {1: 0, 80: 0, 91: 1}
SSD_PERSON = 1  # 0 is the background


@dataclass(frozen=True)
class Placement:
    """How a frame lies in the network's input.

    Attributes:
        frame: Height and width of the frame, pixels.
        input: Height and width of the input.
        scale: Factors of height and width from the frame to the input.
    """

    frame: tuple[int, int]
    input: tuple[int, int]
    scale: tuple[float, float] = field(default=(1.0, 1.0))


def form_of(shapes: Mapping[str, Sequence[int]]) -> Form:
    """Return the form of a network's outputs.

    Args:
        shapes: Name -> shape; -1 stands for a side that is not fixed.

    Raises:
        DataError: It is none of those in this module's docstring.
    """
    sides = [tuple(shape) for shape in shapes.values()]
    if len(sides) == 1:
        (only,) = sides
        if len(only) == 4 and only[3] == 7:
            return "ssd"
        if len(only) == 3 and only[2] > 5:
            return "yolox"
    elif len(sides) == 2:
        if all(len(side) == 3 for side in sides) and sum(side[2] == 4 for side in sides) == 1:
            return "detr"
    elif len(sides) == 3:
        lengths = sorted(len(side) for side in sides)
        if lengths == [2, 2, 3] and max(sides, key=len)[2] == 4:
            return "dfine"
    told = ", ".join(f"{name} {tuple(shape)}" for name, shape in shapes.items())
    raise DataError(
        f"its outputs are {told}; known are YOLOX (1, N, 5 + C), RF-DETR (1, N, 4) and (1, N, C), "
        "D-FINE (1, N), (1, N, 4), (1, N) and SSD (1, 1, N, 7); export it in one of these forms"
    )


def read_outputs(
    form: Form, outputs: Mapping[str, Floats], place: Placement, *, person: int | None
) -> Detections:
    """Return the people that a network found in one frame, before those too alike are removed.

    Args:
        form: Which form the outputs have.
        outputs: Name -> values.
        place: How the frame lay in the input.
        person: Number of the class of people; None takes COCO's.

    Raises:
        DataError: The number of classes does not tell which one people are.
    """
    values = list(outputs.values())
    if form == "yolox":
        return _yolox(values[0][0], place, person)
    if form == "detr":
        boxes, logits = sorted(values, key=lambda one: one.shape[2] != 4)
        return _detr(boxes[0], logits[0], place, person)
    if form == "dfine":
        return _dfine(outputs, place, person)
    return _ssd(values[0].reshape(-1, 7), place, person)


def _yolox(rows: Floats, place: Placement, person: int | None) -> Detections:
    of_class = rows[:, 5 + _person(rows.shape[1] - 5, person)]
    centres, sizes = rows[:, :2], rows[:, 2:4]
    # Networks that were exported without decoding give offsets in a grid, of about 0 to 1.
    if centres.max(initial=0) < min(place.input) / 4:
        cells, strides = _grid(place.input, len(rows))
        centres = ((centres + cells) * strides).astype(np.float32)
        sizes = (np.exp(sizes) * strides).astype(np.float32)
    scores = rows[:, 4] * of_class
    return _placed((centres - sizes / 2).astype(np.float32), sizes, scores, place)


def _grid(size: tuple[int, int], count: int) -> tuple[Floats, Floats]:
    """Return the cells ``(N, 2)`` of YOLOX's grids (column, row) and their strides ``(N, 1)``."""
    cells, strides = [], []
    for stride in STRIDES:
        height, width = size[0] // stride, size[1] // stride
        rows, columns = np.mgrid[:height, :width]
        cells.append(np.stack([columns.ravel(), rows.ravel()], axis=1))
        strides.append(np.full((height * width, 1), stride))
    grid = np.concatenate(cells).astype(np.float32)
    if len(grid) != count:
        raise DataError(
            f"its output has {count} rows, YOLOX's grids of a {size[0]} x {size[1]} input have "
            f"{len(grid)}; export it with strides 8, 16, 32"
        )
    return grid, np.concatenate(strides).astype(np.float32)


def _detr(boxes: Floats, logits: Floats, place: Placement, person: int | None) -> Detections:
    scores = 1 / (1 + np.exp(-logits[:, _person(logits.shape[1], person)]))
    size = np.array([place.frame[1], place.frame[0]], np.float32)
    sizes = boxes[:, 2:] * size
    corners = boxes[:, :2] * size - sizes / 2
    return Detections(np.concatenate([corners, sizes], axis=1), scores.astype(np.float32))


def _dfine(outputs: Mapping[str, Floats], place: Placement, person: int | None) -> Detections:
    corners = next(one for one in outputs.values() if one.ndim == 3)[0]
    labels, scores = _labels_and_scores(outputs)
    kept = labels == (0 if person is None else person)
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], axis=1)
    del place  # the network was told the frame's size
    return Detections(boxes[kept].astype(np.float32), scores[kept].astype(np.float32))


def _labels_and_scores(outputs: Mapping[str, Floats]) -> tuple[Floats, Floats]:
    """Tell labels from scores: by name, else by being whole numbers."""
    flat = {name: one[0] for name, one in outputs.items() if one.ndim == 2}
    if {"labels", "scores"} <= set(flat):
        return flat["labels"], flat["scores"]
    labels, scores = sorted(flat.values(), key=lambda one: one.dtype.kind == "f")
    return labels, scores


def _ssd(rows: Floats, place: Placement, person: int | None) -> Detections:
    ends = np.flatnonzero(rows[:, 0] < 0)  # -1 ends the list
    rows = rows[: ends[0]] if len(ends) else rows
    rows = rows[rows[:, 1] == (SSD_PERSON if person is None else person)]
    size = np.array([place.frame[1], place.frame[0]], np.float32)
    corners, far = rows[:, 3:5] * size, rows[:, 5:7] * size
    boxes = np.concatenate([corners, far - corners], axis=1)
    return Detections(boxes.astype(np.float32), rows[:, 2].astype(np.float32))


def _placed(corners: Floats, sizes: Floats, scores: Floats, place: Placement) -> Detections:
    scale = np.array(place.scale[::-1], np.float32)
    boxes = np.concatenate([corners / scale, sizes / scale], axis=1)
    return Detections(boxes.astype(np.float32), scores.astype(np.float32))


def _person(classes: int, person: int | None) -> int:
    number = PERSON.get(classes) if person is None else person
    if number is None or number >= classes:
        raise DataError(
            f"it knows {classes} classes and class {number} of them would be people; "
            "name the right one with --detector.person N"
        )
    return number
