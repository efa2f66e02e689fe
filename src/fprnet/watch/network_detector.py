"""A detection network in a file (ONNX or OpenVINO) becomes a detector; OpenVINO runs it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydantic import Field

from fprnet.cores import available_cores
from fprnet.data.pixels import resized
from fprnet.errors import DataError
from fprnet.ranges import Probability
from fprnet.watch.detections import Detections, overlaps
from fprnet.watch.detector_forms import Form, Placement, form_of, read_outputs
from fprnet.watch.frames import Frame

__all__ = ["NetworkDetector", "Pixels", "distinct"]

Pixels = Literal["auto", "bytes", "unit", "imagenet"]
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
GRAY = 114  # of what fills up an input, as YOLOX is trained
DEFAULT_SIZE = 640  # pixels, of an input whose size is not fixed
OF_FORM: dict[Form, Pixels] = {
    "yolox": "bytes",
    "ssd": "bytes",
    "dfine": "unit",
    "detr": "imagenet",
}


class NetworkDetector:
    """Runs a network of one of the forms in :mod:`fprnet.watch.detector_forms`.

    Args:
        file: ``.onnx``, or ``.xml`` of OpenVINO with its ``.bin`` beside it.
        person: Number of the class of people; None takes COCO's, where the network has its classes.
        confident: Score from which on a box alone is believed to be a person.
        minimum: Score below which a box is dropped at once.
        overlap: Share of two boxes (intersection over union) from which on they are one person; 1
            keeps all.
        pixels: What the input takes: "bytes" (B, G, R, 0 to 255), "unit" (R, G, B, 0 to 1) or
            "imagenet" (R, G, B, normalised); "auto" is what networks of its form are trained with.

    Raises:
        DataError: There is no such file, it is no network, or one of another form.
    """

    def __init__(
        self,
        file: Path,
        person: Annotated[int, Field(ge=0)] | None = None,
        confident: Probability = 0.5,
        minimum: Probability = 0.1,
        overlap: Probability = 0.65,
        pixels: Pixels = "auto",
    ) -> None:
        import openvino

        if not file.is_file():
            raise DataError(f"detector {file} is not there; correct the path")
        core = openvino.Core()
        core.set_property({"INFERENCE_NUM_THREADS": available_cores()})
        try:
            model = core.read_model(file)
        except RuntimeError as error:
            reason = " ".join(str(error).split())[-200:]
            raise DataError(
                f"detector {file} is no ONNX or OpenVINO network ({reason}); export it again"
            ) from error
        self.confident, self._minimum, self._overlap = confident, minimum, overlap
        self._file, self._person = file, person
        try:
            self._form = form_of(_shapes(model.outputs))
            self._set_input(model)
        except DataError as error:
            raise DataError(f"detector {file}: {error}") from error
        self._pixels = OF_FORM[self._form] if pixels == "auto" else pixels
        self._network = core.compile_model(model, "CPU")
        self._names = _names(model.outputs)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return who is in each frame; see `Detector`."""
        return [self._detect(frame.pixels) for frame in frames]

    def _set_input(self, model: Any) -> None:  # noqa: ANN401 - openvino has no types
        images = [one for one in model.inputs if len(one.partial_shape) == 4]
        sizes = [one for one in model.inputs if len(one.partial_shape) == 2]
        if len(images) != 1 or len(images) + len(sizes) != len(model.inputs):
            raise DataError(
                f"its inputs are {_shapes(model.inputs)}; it must take one image (1, 3, H, W)"
            )
        shape = _shape(images[0])
        self._is_channels_last = shape[3] == 3
        height, width = shape[1:3] if self._is_channels_last else shape[2:]
        self._size = tuple(DEFAULT_SIZE if side < 0 else side for side in (height, width))
        self._image, self._wanted_size = images[0].any_name, [one.any_name for one in sizes]
        fixed = [1, *self._size, 3] if self._is_channels_last else [1, 3, *self._size]
        shapes = {self._image: fixed, **{name: [1, 2] for name in self._wanted_size}}
        try:
            model.reshape(shapes)
        except RuntimeError as error:
            raise DataError(f"it takes no image of shape {fixed}; export it for one") from error

    def _detect(self, pixels: NDArray[np.uint8]) -> Detections:
        image, place = self._placed(pixels)
        feed: dict[str, Any] = {self._image: image}
        for name in self._wanted_size:
            feed[name] = np.array([[pixels.shape[1], pixels.shape[0]]], np.int64)
        result = self._network(feed)
        outputs = {name: np.asarray(result[index]) for index, name in enumerate(self._names)}
        try:
            found = read_outputs(self._form, outputs, place, person=self._person)
        except DataError as error:
            raise DataError(f"detector {self._file}: {error}") from error
        return distinct(found.above(self._minimum), self._overlap)

    def _placed(self, pixels: NDArray[np.uint8]) -> tuple[NDArray[np.float32], Placement]:
        """Return the network's input ``(1, 3, H, W)``, and how the frame lies in it."""
        height, width = self._size
        frame = (pixels.shape[0], pixels.shape[1])
        scale = (height / frame[0], width / frame[1])
        if self._form == "yolox":  # keeps the frame's proportions
            scale = (min(scale), min(scale))
        inner = (round(frame[0] * scale[0]), round(frame[1] * scale[1]))
        image = np.full((height, width, 3), GRAY, np.float32)
        image[: inner[0], : inner[1]] = np.asarray(resized(Image.fromarray(pixels), inner))
        if self._pixels == "bytes":
            image = image[:, :, ::-1]
        else:
            image /= 255
            if self._pixels == "imagenet":
                image = (image - MEAN) / DEVIATION
        if not self._is_channels_last:
            image = image.transpose(2, 0, 1)
        return np.ascontiguousarray(image[None]), Placement(frame, (height, width), scale)


def distinct(found: Detections, overlap: float) -> Detections:
    """Remove boxes that overlap a surer one: non-maximum suppression.

    Args:
        found: Detections of one frame.
        overlap: Intersection over union above which the less sure box goes.
    """
    order = np.argsort(-found.scores, kind="stable")
    boxes, scores = found.boxes[order], found.scores[order]
    shared = overlaps(boxes, boxes)
    areas = boxes[:, 2] * boxes[:, 3]
    unions = areas[:, None] + areas[None] - shared
    alike = shared > overlap * unions
    kept: list[int] = []
    for index in range(len(boxes)):
        if not alike[index, kept].any():
            kept.append(index)
    return Detections(boxes[kept], scores[kept])


def _shape(port: Any) -> list[int]:  # noqa: ANN401
    return [side.get_length() if side.is_static else -1 for side in port.partial_shape]


def _names(ports: Sequence[Any]) -> list[str]:
    return [port.any_name if port.names else f"output {index}" for index, port in enumerate(ports)]


def _shapes(ports: Sequence[Any]) -> dict[str, list[int]]:
    return {
        name: _shape(port) if port.partial_shape.rank.is_static else []
        for name, port in zip(_names(ports), ports, strict=True)
    }
