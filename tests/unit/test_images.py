"""Reading one image: every pixel format, every kind of damage, in one line each."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fprnet.data.images import ImageFacts, inspect_image, map_in_order, map_with_bar, read_image
from fprnet.errors import DataError

PIXELS = np.random.default_rng(0).integers(0, 256, (20, 10, 3), dtype=np.uint8)
COLOUR = Image.fromarray(PIXELS)


def saved(image: Image.Image, path: Path, **options) -> Path:
    image.save(path, **options)
    return path


def test_colour_image_is_read_as_it_is(tmp_path: Path) -> None:
    pixels = read_image(saved(COLOUR, tmp_path / "a.png"))
    assert pixels.dtype == np.uint8
    np.testing.assert_array_equal(pixels, PIXELS)


def test_gray_becomes_three_equal_channels(tmp_path: Path) -> None:
    gray = PIXELS[..., 0]
    pixels = read_image(saved(Image.fromarray(gray), tmp_path / "a.png"))
    np.testing.assert_array_equal(pixels, np.stack([gray] * 3, axis=-1))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_keep_the_upper_eight(tmp_path: Path, suffix: str) -> None:
    wide = PIXELS[..., 0].astype(np.uint16) * 256 + 255
    pixels = read_image(saved(Image.fromarray(wide), tmp_path / f"a.{suffix}"))
    np.testing.assert_array_equal(pixels[..., 1], PIXELS[..., 0])


def test_transparent_pixels_lie_on_black(tmp_path: Path) -> None:
    image = COLOUR.convert("RGBA")
    alpha = np.full((20, 10), 255, dtype=np.uint8)
    alpha[:5] = 0
    image.putalpha(Image.fromarray(alpha))
    expected = PIXELS.copy()
    expected[:5] = 0
    np.testing.assert_array_equal(read_image(saved(image, tmp_path / "a.png")), expected)


@pytest.mark.parametrize(
    ("mode", "name"), [("P", "a.png"), ("P", "a.gif"), ("1", "a.png"), ("CMYK", "a.tif")]
)
def test_other_formats_are_converted_as_pillow_does(tmp_path: Path, mode: str, name: str) -> None:
    image = COLOUR.convert(mode)
    pixels = read_image(saved(image, tmp_path / name))
    np.testing.assert_array_equal(pixels, np.asarray(image.convert("RGB")))
    assert inspect_image(tmp_path / name) == ImageFacts(10, 20, mode, 1)


def test_rotation_of_the_camera_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6  # the camera was turned: rotate 90 degrees clockwise to see it upright
    file = saved(COLOUR, tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(read_image(file), np.rot90(PIXELS, k=-1))
    assert inspect_image(file) == ImageFacts(width=20, height=10, mode="RGB", frames=1)


def test_animation_gives_its_first_frame(tmp_path: Path) -> None:
    first, second = (Image.new("P", (10, 20), value) for value in (0, 1))
    for frame in (first, second):
        frame.putpalette([10, 20, 30, 200, 210, 220])
    file = saved(first, tmp_path / "a.gif", save_all=True, append_images=[second])
    assert (read_image(file) == [10, 20, 30]).all()
    assert inspect_image(file).frames == 2


def test_halving_a_size_averages_pixels(tmp_path: Path) -> None:
    """A bilinear filter without antialiasing would see one of two lines: 0 or 255, never 127."""
    lines = np.zeros((40, 20, 3), dtype=np.uint8)
    lines[::2] = 255
    pixels = read_image(saved(Image.fromarray(lines), tmp_path / "a.png"), (10, 5))
    assert pixels.shape == (10, 5, 3)
    assert np.abs(pixels.astype(int) - 127).max() <= 16


def test_large_jpeg_is_the_same_to_one_gray_level(tmp_path: Path) -> None:
    """Decoded at reduced size; compared with the plain way through the whole image."""
    row, column = np.mgrid[0:960, 0:480]
    smooth = np.stack([127 + 100 * np.sin(row / 60 + k) * np.cos(column / 45) for k in range(3)])
    image = Image.fromarray(smooth.transpose(1, 2, 0).astype(np.uint8))
    file = saved(image, tmp_path / "a.jpg", quality=95)
    with Image.open(file) as whole:
        expected = np.asarray(whole.resize((48, 96), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(read_image(file, (96, 48)).astype(int) - expected).max() <= 1


def damaged_files(folder: Path) -> dict[str, Path]:
    jpeg, png = io.BytesIO(), io.BytesIO()
    COLOUR.save(jpeg, "JPEG")
    COLOUR.save(png, "PNG")
    contents = {
        "empty.jpg": b"",
        "text.jpg": b"no image at all",
        "half.jpg": jpeg.getvalue()[:-40],
        "head.jpg": jpeg.getvalue()[:30],
        "half.png": png.getvalue()[: len(png.getvalue()) // 2],
        "zeros.png": png.getvalue()[:100] + bytes(200) + png.getvalue()[300:],
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    (folder / "folder.jpg").mkdir()
    return {name: folder / name for name in [*contents, "folder.jpg", "missing.jpg"]}


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("empty.jpg", "is empty; copy it again or remove it"),
        ("text.jpg", "is no image of a known format; replace it or remove it"),
        ("half.jpg", r"is damaged \(image file is truncated.*\); copy it again"),
        ("head.jpg", r"is damaged \(.*\); copy it again"),
        ("half.png", r"is damaged \(.*\); copy it again"),
        ("zeros.png", r"is damaged \(.*\); copy it again"),
        ("folder.jpg", "is a folder; give an image file"),
        ("missing.jpg", "does not exist; correct the path"),
    ],
)
@pytest.mark.parametrize("function", [read_image, inspect_image])
def test_bad_file_is_one_line_with_its_path_and_the_next_step(
    tmp_path: Path, function, name: str, what: str
) -> None:
    file = damaged_files(tmp_path)[name]
    with pytest.raises(DataError, match=what) as caught:
        function(file)
    assert str(caught.value).startswith(str(file))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_pixels_without_a_known_white_are_refused(tmp_path: Path, mode: str) -> None:
    file = saved(COLOUR.convert("L").convert(mode), tmp_path / "a.tif")
    with pytest.raises(DataError, match=r"32-bit pixels.*save it with 8 bits"):
        read_image(file)


# Pillow warns above 89 million pixels and raises above 179 million; warnings are errors here.
@pytest.mark.parametrize("side", [8100, 12_000, 60_000])
def test_decompression_bomb_is_not_opened(tmp_path: Path, side: int) -> None:
    def chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    with pytest.raises(DataError, match=r"more than 64 million.*crop it to the person"):
        read_image(tmp_path / "bomb.png")


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("count", [0, 1, 31, 32, 33, 1000])
def test_map_keeps_the_order(workers: int, count: int) -> None:
    squares = list(map_in_order(lambda number: number**2, range(count), workers))
    assert squares == [number**2 for number in range(count)]


def test_map_stays_only_a_little_ahead() -> None:
    started: list[int] = []
    results = map_in_order(lambda n: started.append(n) or n, range(100_000), 2)
    assert next(results) == 0
    results.close()
    assert len(started) < 1000


def test_map_raises_what_the_function_raises() -> None:
    with pytest.raises(ZeroDivisionError):
        list(map_in_order(lambda number: 1 // (number - 40), range(100), 2))


@pytest.mark.parametrize("progress", [True, False])
def test_bar_shows_how_many_and_changes_no_result(capsys, progress):
    squares = map_with_bar(lambda n: n**2, range(3), 2, "squaring", progress=progress)
    assert list(squares) == [0, 1, 4]
    shown = capsys.readouterr()
    assert shown.out == ""
    assert ("squaring" in shown.err and "3/3" in shown.err) == progress
