"""Bytes from anybody: what becomes pixels, what is refused, what an operator is warned of."""

import io

import numpy as np
import pytest
from PIL import Image

from fprnet.data.images import decode_image, read_image
from fprnet.errors import ImageFileError
from fprnet.serving.images import decode_upload
from fprnet.serving.problems import ProblemError
from service_cases import bomb, bomb_row

PIXELS = np.random.default_rng(0).integers(0, 256, (40, 20, 3), dtype=np.uint8)
COLOUR = Image.fromarray(PIXELS)
GRAY = Image.fromarray(np.repeat(PIXELS[..., :1], 3, axis=2))
SIZE = (96, 48)


def saved(image: Image.Image, format: str, **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def decode(content: bytes, name: str):
    return decode_image(content, SIZE, name=name, max_pixels=1_000_000)


def upload(content: bytes, modality="visible"):
    return decode_upload(content, "a.png", modality, decode)


@pytest.mark.parametrize(
    "content",
    [
        saved(COLOUR, "PNG"),
        saved(COLOUR, "JPEG"),
        saved(COLOUR.convert("CMYK"), "JPEG"),
        saved(COLOUR.convert("CMYK"), "TIFF"),
        saved(COLOUR.convert("L"), "PNG"),
        saved(COLOUR.convert("P"), "PNG"),
        saved(COLOUR.convert("RGBA"), "WEBP"),
        saved(Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257), "PNG"),
        saved(COLOUR, "BMP"),
    ],
)
@pytest.mark.parametrize("size", [None, (96, 48), (10, 5)])
def test_bytes_are_read_as_the_file_would_be(tmp_path, content, size):
    (tmp_path / "a").write_bytes(content)
    pixels, facts = decode_image(content, size)
    np.testing.assert_array_equal(pixels, read_image(tmp_path / "a", size))
    assert (facts.width, facts.height, facts.has_frames) == (20, 40, False)


def test_rotated_image_has_its_upright_size():
    exif = Image.Exif()
    exif[274] = 6
    pixels, facts = decode_image(saved(COLOUR, "JPEG", exif=exif))
    assert (facts.width, facts.height, facts.mode) == (40, 20, "RGB")
    assert pixels.shape == (20, 40, 3)


@pytest.mark.parametrize(
    ("content", "reason", "what"),
    [
        (b"", "empty", "a.png is empty; send it again"),
        (b"no image", "format", "a.png is no image of a known format"),
        (saved(COLOUR, "PNG")[:-40], "damaged", r"a.png is damaged \(.*\); copy it again"),
        (saved(COLOUR, "JPEG")[:-40], "damaged", "a.png is damaged"),
        (saved(COLOUR.convert("F"), "TIFF"), "bits", "a.png has 32-bit pixels"),
        (bomb(1001), "pixels", "a.png has 1001 x 1001 pixels, more than 1 million; crop it"),
        (bomb(12_000), "pixels", "a.png has more than|a.png has 12000 x 12000"),
        (bomb(60_000), "pixels", "more than 64 million pixels"),
        # Pillow knows these formats, but they are not for strangers.
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "format", "PostScript"),
        (saved(COLOUR, "PPM"), "format", "is a PPM file; give JPEG, PNG, BMP, WebP or TIFF"),
        (saved(COLOUR.convert("P"), "GIF"), "format", "is a GIF file"),
        (b"<!DOCTYPE html><html></html>", "format", "is an HTML page"),
        (bomb_row(17_000), "pixels", "a side of more than 16000"),
        (saved(COLOUR, "ICO"), "format", "no image of a known format"),
    ],
)
def test_what_cannot_be_used_is_one_line(content, reason, what):
    with pytest.raises(ImageFileError, match=what) as caught:
        decode_image(content, SIZE, name="a.png", max_pixels=1_000_000)
    assert caught.value.reason == reason
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 422, "image_empty"),
        (b"x", 422, "image_format"),
        (bomb(2000), 413, "too_many_pixels"),
        (saved(COLOUR, "PNG")[:-40], 422, "image_damaged"),
        (saved(COLOUR.convert("I"), "TIFF"), 422, "image_bits"),
    ],
)
def test_refusals_have_their_own_code(content, status, code):
    with pytest.raises(ProblemError) as caught:
        upload(content)
    assert (caught.value.status, caught.value.code) == (status, code)
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("image", "modality", "warned"),
    [
        (COLOUR, "visible", False),
        (COLOUR, "infrared", True),
        (GRAY, "infrared", False),
        (GRAY, "visible", True),
    ],
)
@pytest.mark.parametrize("format", ["PNG", "JPEG"])
def test_colour_must_fit_the_modality(image, modality, warned, format):
    got = upload(saved(image, format), modality)
    assert [warning.code for warning in got.warnings] == (["other_modality"] if warned else [])


def test_drawn_people_of_either_modality_give_no_warning(tiny_set):
    for camera, modality in ((1, "visible"), (2, "visible"), (3, "infrared"), (6, "infrared")):
        for file in sorted((tiny_set / f"cam{camera}").rglob("*.jpg"))[:20]:
            got = decode_upload(file.read_bytes(), file.name, modality, decode)
            assert got.warnings == (), file


def test_animation_is_warned_of():
    frames = [Image.new("RGB", (20, 40), colour) for colour in ("red", "blue")]
    got = upload(saved(frames[0], "PNG", save_all=True, append_images=frames[1:]))
    assert [warning.code for warning in got.warnings] == ["no_contrast", "animation"]
    assert got.pixels[0, 0].tolist() == [255, 0, 0]


def test_copy_is_named_by_content():
    content = saved(COLOUR, "JPEG")
    got = upload(content)
    assert got.file_name == f"{got.sha256}.jpg"
    assert got.pixels.shape == (*SIZE, 3)
    assert got.content == content
