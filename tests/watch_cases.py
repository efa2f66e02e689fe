"""Small videos of textured boxes that move, and frames of nobody, for tests of watching."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction

import av
import numpy as np
from PIL import Image

from fprnet.watch.detections import Detections
from fprnet.watch.frames import Frame

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
SIZE = (120, 160)  # height and width


def at(seconds):
    return START + timedelta(seconds=seconds)


def frame(seconds=0.0, number=1, pixels=None, **values):
    pixels = np.zeros((*SIZE, 3), np.uint8) if pixels is None else pixels
    return Frame(pixels, at(seconds), number, **values)


def detections(*boxes, scores=None):
    """Boxes of left, top, width, height, all sure unless scores say otherwise."""
    rows = np.array(boxes, np.float32).reshape(-1, 4)
    return Detections(rows, np.array(scores or [1.0] * len(rows), np.float32))


def scene(seconds, *, gray=False, size=SIZE):
    """A coloured background, and one textured person of 30 x 75 pixels who walks to the right."""
    rng = np.random.default_rng(5)
    background = rng.integers(90, 150, (*size, 3))
    person = np.kron(rng.integers(0, 255, (25, 10, 3)), np.ones((3, 3, 1)))
    left = int(10 + 20 * seconds)
    image = background.copy()
    image[20:95, left : left + 30] = person[:, : max(0, size[1] - left)]
    if gray:
        image = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2)
    return image.astype(np.uint8)


def box_at(seconds):
    return (int(10 + 20 * seconds), 20, 30, 75)


def write_video(path, frames, rate=10, *, times=None, codec="libx264", **metadata):
    """Write frames ``(H, W, 3)``; of other times than the rate's if they are given (seconds)."""
    with av.open(str(path), "w") as container:
        container.metadata.update(metadata)
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        stream.options = {"crf": "12", "g": "5"} if codec == "libx264" else {}
        stream.codec_context.time_base = Fraction(1, 1000)
        for index, pixels in enumerate(frames):
            picture = av.VideoFrame.from_ndarray(pixels)
            seconds = index / rate if times is None else times[index]
            picture.pts, picture.time_base = round(seconds * 1000), Fraction(1, 1000)
            container.mux(stream.encode(picture))
        container.mux(stream.encode(None))
    return path


def write_boxes(path, count, rate=10):
    """The truth of `scene` in the format of the MOT challenge."""
    lines = [
        f"{index + 1},1,{','.join(map(str, box_at(index / rate)))},1,1,1" for index in range(count)
    ]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_frames(folder, frames):
    folder.mkdir()
    for index, pixels in enumerate(frames, 1):
        Image.fromarray(pixels).save(folder / f"{index}.png")
    return folder
