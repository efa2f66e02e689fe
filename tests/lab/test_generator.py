"""Pictures and folders of the generator: same bytes however it runs, and never half a set."""

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

from fprnet.data.check import check
from fprnet.data.data_set import open_data_set
from fprnet.data.sysu_mm01 import check_split, read_records, read_split
from fprnet.errors import DataError
from fprnet_lab.synthetic import GeneratorOptions, contact_sheet, draw, generate, writer
from fprnet_lab.synthetic.drawing import _person
from fprnet_lab.synthetic.layouts import sysu_mm01
from fprnet_lab.synthetic.scenes import place

SMALL = GeneratorOptions(
    identities=3,
    validation_identities=1,
    test_identities=2,
    images_per_camera=2,
    size=(48, 24),
    outdoor_share=0.3,
)
ORACLES = Path(
    os.environ.get("FPRNET_ORACLES", Path(__file__).parents[2] / ".." / "shared" / "oracles")
)


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(root)): file.read_bytes()
        for file in sorted(root.rglob("*"))
        if file.is_file()
    }


@pytest.fixture(scope="module")
def small_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("generated") / "small"
    generate(root, SMALL, progress=False)
    return root


def test_a_picture_depends_on_its_four_numbers_alone() -> None:
    pictures = {
        (identity, camera): draw(0, identity, camera, 1, (64, 32))
        for identity in (1, 2)
        for camera in (1, 3)
    }
    _person.cache_clear()
    place.cache_clear()
    for (identity, camera), picture in reversed(pictures.items()):
        np.testing.assert_array_equal(draw(0, identity, camera, 1, (64, 32)), picture)
    reference = draw(0, 1, 1, 1)
    for other in (draw(1, 1, 1, 1), draw(0, 2, 1, 1), draw(0, 1, 2, 1), draw(0, 1, 1, 2)):
        assert np.abs(other.astype(int) - reference).mean() > 5


@pytest.mark.parametrize("size", [(128, 64), (96, 48), (288, 144), (33, 25)])
@pytest.mark.parametrize("camera", range(1, 7))
def test_size_and_channels(size: tuple[int, int], camera: int) -> None:
    picture = draw(0, 5, camera, 1, size)
    assert picture.shape == (*size, 3)
    assert picture.dtype == np.uint8
    equal = bool((picture == picture[..., :1]).all())
    assert equal == (camera in (3, 6))
    assert picture.std() > 5


def test_infrared_files_keep_three_equal_channels(small_set: Path) -> None:
    for camera in (3, 6):
        for file in (small_set / f"cam{camera}").rglob("*.jpg"):
            pixels = np.asarray(Image.open(file))
            assert pixels.shape == (48, 24, 3)
            np.testing.assert_array_equal(pixels, np.repeat(pixels[..., :1], 3, axis=2))


def test_number_of_processes_changes_no_byte(small_set: Path, tmp_path: Path) -> None:
    generate(tmp_path / "parallel", SMALL, workers=2, progress=False)
    assert contents(tmp_path / "parallel") == contents(small_set)


def test_the_reader_finds_what_was_written(small_set: Path) -> None:
    records, split = read_records(small_set), read_split(small_set)
    check_split(records, split)
    assert (split.train, split.validation, split.test) == ((1, 2, 3), (4,), (5, 6))
    for identity in range(1, 7):
        images = sysu_mm01.images_of(SMALL, identity)
        for camera in range(1, 7):
            count = images.get(camera, 0)
            chosen = (records.identity == identity) & (records.camera == camera)
            assert chosen.sum() == split.permutations.images(camera, identity) == count
    for name, line in (("train", "1,2,3"), ("val", "4"), ("test", "5,6")):
        assert (small_set / "exp" / f"{name}_id.txt").read_text() == line + "\n"


def test_an_interrupted_run_goes_on_and_ends_alike(
    small_set: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root, written = tmp_path / "set", []
    write_image = writer._write_image

    def stop_after_five(path: Path, content: bytes) -> None:
        if len(written) == 5:
            raise KeyboardInterrupt
        written.append(path)
        write_image(path, content)

    monkeypatch.setattr(writer, "_write_image", stop_after_five)
    with pytest.raises(KeyboardInterrupt):
        generate(root, SMALL, progress=False)
    assert not (root / "exp" / "generator.json").exists()
    times = {path: path.stat().st_mtime_ns for path in written}
    monkeypatch.setattr(writer, "_write_image", write_image)
    generate(root, SMALL, progress=False)
    assert {path: path.stat().st_mtime_ns for path in written} == times
    assert contents(root) == contents(small_set)


def test_a_complete_set_is_left_alone(
    small_set: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "_write_images", lambda *_: pytest.fail("images written again"))
    generate(small_set, SMALL)
    streams = capsys.readouterr()
    assert (streams.out, streams.err) == ("", f"{small_set} is complete; nothing to do\n")


def test_the_marker_holds_options_and_format(small_set: Path) -> None:
    marker = json.loads((small_set / "exp" / "generator.json").read_text())
    assert marker["format"] == writer.FORMAT
    marker["options"]["size"] = tuple(marker["options"]["size"])
    marker["options"]["cameras"] = tuple(marker["options"]["cameras"])
    assert GeneratorOptions(**marker["options"]) == SMALL


def test_other_folders_are_refused(small_set: Path, tmp_path: Path) -> None:
    before = contents(small_set)
    with pytest.raises(DataError, match="is not empty and holds no generated set of these"):
        generate(small_set, dataclasses.replace(SMALL, seed=1))
    assert contents(small_set) == before
    (tmp_path / "holiday.txt").write_text("mine")
    with pytest.raises(DataError, match="is not empty"):
        generate(tmp_path, SMALL)
    assert list(tmp_path.iterdir()) == [tmp_path / "holiday.txt"]
    with pytest.raises(DataError, match=r"holiday\.txt is a file; give a folder"):
        generate(tmp_path / "holiday.txt", SMALL)


def test_a_full_disk_is_one_line_and_keeps_the_images(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(writer, "_write_image", full)
    with pytest.raises(
        DataError, match=r"0001\.jpg \(No space left on device\); mend that"
    ) as error:
        generate(tmp_path / "set", SMALL, progress=False)
    assert "\n" not in str(error.value)
    with pytest.raises(DataError, match="workers is 0; give 1 or more"):
        generate(tmp_path / "other", SMALL, workers=0)


def test_a_visible_only_world(tmp_path: Path) -> None:
    options = dataclasses.replace(SMALL, cameras=(1, 2, 4, 5), test_identities=0)
    generate(tmp_path / "visible", options, progress=False)
    folders = sorted(path.name for path in (tmp_path / "visible").iterdir())
    assert folders == ["cam1", "cam2", "cam4", "cam5", "exp"]
    split = read_split(tmp_path / "visible", needed=("train",))
    assert split.test == ()
    assert split.permutations.images(3, 1) == 0


def test_permutations_have_the_official_structure() -> None:
    file = ORACLES / "sysu-mm01" / "rand_perm_cam.mat"
    if not file.is_file():
        pytest.skip(f"{file} is not here")
    official = scipy.io.loadmat(file)["rand_perm_cam"]
    ours = sysu_mm01.gallery_permutations(GeneratorOptions())
    assert (ours.shape, ours.dtype) == (official.shape, official.dtype)
    kinds = []
    for cells in (ours, official):
        inner = [cell for camera in cells[:, 0] for cell in camera[:, 0]]
        kinds.append({(len(cell), cell.dtype, cell.size == 0) for cell in inner})
        assert all(camera.shape[1] == 1 and camera.dtype == object for camera in cells[:, 0])
    assert kinds[0] == kinds[1]
    for camera in ours[:, 0]:
        for cell in camera[:, 0]:
            np.testing.assert_array_equal(np.sort(cell), [np.arange(1, cell.shape[1] + 1)] * 10)


def test_the_file_holds_the_permutations_under_the_official_name(small_set: Path) -> None:
    cells = scipy.io.loadmat(small_set / "exp" / "rand_perm_cam.mat")["rand_perm_cam"]
    expected = sysu_mm01.gallery_permutations(SMALL)
    for camera, wanted in zip(cells[:, 0], expected[:, 0], strict=True):
        for cell, permutation in zip(camera[:, 0], wanted[:, 0], strict=True):
            assert cell.dtype == np.uint8
            np.testing.assert_array_equal(cell, permutation)


def test_who_is_seen_where() -> None:
    everybody = GeneratorOptions(outdoor_share=0, missed_share=0)
    assert all(len(sysu_mm01.images_of(everybody, identity)) == 6 for identity in range(1, 50))
    outdoors = GeneratorOptions(outdoor_share=1, missed_share=0)
    assert set(sysu_mm01.images_of(outdoors, 1)) == {3, 4, 5, 6}
    missed = GeneratorOptions(missed_share=1)
    assert set(sysu_mm01.images_of(missed, 1)) == {5, 6}  # one visible and one infrared remain


def test_the_default_test_identities_bring_up_the_special_cases() -> None:
    options = GeneratorOptions()
    seen = [set(sysu_mm01.images_of(options, identity)) for identity in options.splits["test"]]
    no_indoor_match = [cameras for cameras in seen if not cameras & {1, 2}]
    only_at_the_query_location = [c for c in seen if 3 in c and 2 in c and 1 not in c]
    assert no_indoor_match
    assert only_at_the_query_location
    assert all(cameras & {1, 4, 5} and cameras & {3, 6} for cameras in seen)
    counts = {n for i in options.splits["test"] for n in sysu_mm01.images_of(options, i).values()}
    assert counts == {5, 6, 7}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"identities": -1}, "identities is -1; give 0 to"),
        ({"identities": 0, "validation_identities": 0, "test_identities": 0}, "hold nobody"),
        ({"images_per_camera": 0}, "images_per_camera is 0; give 1 to 200"),
        ({"images_per_camera": 500}, "images_per_camera is 500; give 1 to 200"),
        ({"size": (8, 8)}, r"size is \(8, 8\); give height and width of 24 to 1024"),
        ({"seed": -1}, "seed is -1; give 0 to"),
        ({"cameras": (1, 7)}, r"cameras is \(1, 7\); give some of 1 to 6"),
        ({"cameras": (1, 1)}, "each once"),
        ({"cameras": ()}, "give some of 1 to 6"),
        ({"missed_share": 1.5}, "missed_share is 1.5; give a share from 0 to 1"),
    ],
)
def test_options_out_of_range(change: dict[str, object], message: str) -> None:
    with pytest.raises(DataError, match=message):
        dataclasses.replace(SMALL, **change)  # type: ignore[arg-type]


def test_contact_sheet_shows_the_pictures_of_the_set() -> None:
    sheet = contact_sheet(SMALL, identities=2, images=1)
    assert sheet.size == (6 * 24, 2 * 48)
    pixels = np.asarray(sheet)
    np.testing.assert_array_equal(pixels[48:, 48:72], draw(SMALL.seed, 2, 4, 1, SMALL.size))


LAYOUTS = {
    "regdb": {"identities": 3, "test_identities": 3, "images_per_camera": 2},
    "llcm": {"identities": 3, "test_identities": 2, "images_per_camera": 2},
    "manifest": {"identities": 3, "validation_identities": 1, "test_identities": 2},
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_other_layouts_are_read_back_without_a_problem(layout: str, tmp_path: Path) -> None:
    options = GeneratorOptions.of_layout(layout, size=(48, 24), **LAYOUTS[layout])
    generate(tmp_path / "set", options, progress=False)
    report = check(tmp_path / "set", progress=False)
    # Few people leave cameras of LLCM empty.
    assert [str(p) for p in report.problems if "holds no images" not in str(p)] == []
    assert report.layout == layout
    split = 7 if layout == "regdb" else None
    data_set = open_data_set(tmp_path / "set", split=split)
    records = data_set.records()
    data_set.check(records)
    assert len(data_set.train + data_set.validation) == 3 + (layout == "manifest")
    for identity in data_set.test:
        assert set(records.of([identity]).modality.tolist()) == {"visible", "infrared"}
    before = contents(tmp_path / "set")
    assert "generator.json" in {Path(name).name for name in before}
    generate(tmp_path / "set", options, progress=False)  # complete, left alone
    generate(tmp_path / "parallel", options, workers=2, progress=False)
    assert contents(tmp_path / "parallel") == before


def test_pictures_are_the_same_in_every_layout(small_set: Path, tmp_path: Path) -> None:
    generate(tmp_path / "m", dataclasses.replace(SMALL, layout="manifest"), progress=False)
    for file in (tmp_path / "m/images").iterdir():
        identity, camera, frame = file.stem.split("_")
        twin = small_set / camera.replace("c", "cam") / identity / f"{frame}.jpg"
        assert file.read_bytes() == twin.read_bytes()
    regdb_options = GeneratorOptions.of_layout("regdb", size=(48, 24), **LAYOUTS["regdb"])
    generate(tmp_path / "r", regdb_options, progress=False)
    pixels = np.asarray(Image.open(tmp_path / "r/Thermal/2/person_t_00001_2.bmp"))
    np.testing.assert_array_equal(pixels, draw(0, 2, 3, 1, (48, 24)))


def test_splits_of_regdb_are_random_halves(tmp_path: Path) -> None:
    options = GeneratorOptions.of_layout("regdb", size=(24, 24), **LAYOUTS["regdb"])
    generate(tmp_path / "set", options, progress=False)
    tested = {open_data_set(tmp_path / "set", split=n).test for n in range(1, 11)}
    assert len(tested) > 5
    assert {len(people) for people in tested} == {3}


def test_options_that_a_layout_does_not_have() -> None:
    assert GeneratorOptions.of_layout("regdb").images_per_camera == 10
    assert GeneratorOptions.of_layout("sysu-mm01", seed=None) == GeneratorOptions()
    with pytest.raises(DataError, match=r"llcm lists no validation identities, but valid.* is 3"):
        GeneratorOptions.of_layout("llcm", validation_identities=3)
    with pytest.raises(DataError, match="layout 'market' is unknown; choose sysu-mm01"):
        GeneratorOptions.of_layout("market")
