"""Reading one image: every pixel format, every kind of damage, in one line each."""

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from fprnet.data.images import inspect_image, map_in_order, map_with_bar, read_image
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
def test_full_range_keeps_the_upper_eight_bits_of_sixteen(tmp_path: Path, suffix: str) -> None:
    wide = PIXELS[..., 0].astype(np.uint16) * 256 + 255
    file = saved(Image.fromarray(wide), tmp_path / f"a.{suffix}")
    pixels = read_image(file, depth_range="full")
    np.testing.assert_array_equal(pixels[..., 1], PIXELS[..., 0])


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_own_range_of_sixteen_bits_becomes_black_to_white(tmp_path: Path, suffix: str) -> None:
    """A 14-bit sensor: 7,000 to 9,000 are 0 to 255, so 7,000 + 1,000 is the middle."""
    values = np.linspace(7000, 9000, 2001).round().astype(np.uint16)
    wide = np.tile(values, (20, 1))
    pixels = read_image(saved(Image.fromarray(wide), tmp_path / f"a.{suffix}"))
    assert (pixels[:, 0].max(), pixels[:, 2000].min()) == (0, 255)
    assert abs(int(pixels[0, 1000, 0]) - 127.5) <= 1
    expected = ((values - 7000.0) / 2000 * 255)[None, :, None]
    assert np.abs(pixels - expected).max() <= 1.5


def test_one_hot_pixel_does_not_decide_the_range(tmp_path: Path) -> None:
    wide = np.tile(np.linspace(7000, 9000, 200).astype(np.uint16), (100, 1))
    wide[50, 0] = 65535
    pixels = read_image(saved(Image.fromarray(wide), tmp_path / "a.png"))
    assert pixels[0, 199, 0] == 255
    assert pixels[0, 100, 0] > 120


def test_noise_of_sixteen_bits_is_not_enlarged(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(8000, 8004, (40, 20), dtype=np.uint16)
    file = saved(Image.fromarray(noise), tmp_path / "a.png")
    assert read_image(file).max() <= 4
    assert inspect_image(file).contrast <= 4


def test_transparent_pixels_lie_on_black(tmp_path: Path) -> None:
    image = COLOUR.convert("RGBA")
    alpha = np.full((20, 10), 255, dtype=np.uint8)
    alpha[:5] = 0
    image.putalpha(Image.fromarray(alpha))
    expected = PIXELS.copy()
    expected[:5] = 0
    np.testing.assert_array_equal(read_image(saved(image, tmp_path / "a.png")), expected)


@pytest.mark.parametrize(
    ("mode", "name"), [("P", "a.png"), ("P", "a.bmp"), ("1", "a.png"), ("CMYK", "a.tif")]
)
def test_other_formats_are_converted_as_pillow_does(tmp_path: Path, mode: str, name: str) -> None:
    image = COLOUR.convert(mode)
    pixels = read_image(saved(image, tmp_path / name))
    np.testing.assert_array_equal(pixels, np.asarray(image.convert("RGB")))
    facts = inspect_image(tmp_path / name)
    assert (facts.width, facts.height, facts.mode, facts.has_frames) == (10, 20, mode, False)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.tif", "deflated.tif", "a.webp", "a.jpg"])
def test_rotation_of_the_camera_is_applied_as_pillow_does(
    tmp_path: Path, orientation: int, name: str
) -> None:
    exif = Image.Exif()
    exif[274] = orientation  # 6: rotate by 90 degrees clockwise to see it upright
    options = {"compression": "tiff_deflate"} if name == "deflated.tif" else {}
    file = saved(COLOUR, tmp_path / name, exif=exif, **options)
    with Image.open(file) as image:
        image.load()
        expected = np.asarray(ImageOps.exif_transpose(image))
    pixels = read_image(file)
    np.testing.assert_array_equal(pixels, expected)
    if orientation == 6 and name == "a.png":
        np.testing.assert_array_equal(pixels, np.rot90(PIXELS, k=-1))
    facts = inspect_image(file)
    assert (facts.height, facts.width) == pixels.shape[:2]


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.tif"])
def test_several_frames_give_the_first(tmp_path: Path, name: str) -> None:
    first, second = (Image.new("RGB", (10, 20), colour) for colour in ("blue", "red"))
    options = {"lossless": True} if name == "a.webp" else {}
    file = saved(first, tmp_path / name, save_all=True, append_images=[second], **options)
    assert (read_image(file) == [0, 0, 255]).all()
    assert inspect_image(file).has_frames
    single = saved(first, tmp_path / f"single{name}")
    assert not inspect_image(single).has_frames


def test_contrast_and_colour_by_hand(tmp_path: Path) -> None:
    """Some red 200, the rest gray 50: 0.299 * 200 = 60 and 50; the spread is 200 or 0."""
    for columns, colour in ((12, 200), (2, 200), (1, 0)):  # of 20; a tenth counts
        pixels = np.full((10, 20, 3), 50, dtype=np.uint8)
        pixels[:, :columns] = (200, 0, 0)
        facts = inspect_image(saved(Image.fromarray(pixels), tmp_path / "a.png"))
        assert (facts.contrast, facts.colour) == (10, colour)


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
        ("text.jpg", "is no image of a known format; give JPEG, PNG, BMP, WebP or TIFF"),
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
