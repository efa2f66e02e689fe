"""Images of records: only what the operator allows, drawn anew."""

import io
import os

import pytest
from PIL import Image

from fprnet.gallery.records import GalleryRecord
from fprnet.serving.pictures import Pictures
from fprnet.serving.problems import ProblemError
from service_cases import image_bytes, sha256

CONTENT = image_bytes(0)
ID = sha256(CONTENT)


def record(path: str, id: str = ID) -> GalleryRecord:
    return GalleryRecord(id=id, path=path, modality="visible")


@pytest.fixture
def pictures(tmp_path) -> Pictures:
    (tmp_path / "day").mkdir()
    (tmp_path / "day" / "a.png").write_bytes(CONTENT)
    (tmp_path / "secret.png").write_bytes(CONTENT)
    (tmp_path / "day" / "link.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "day" / "loop.png").symlink_to(tmp_path / "day" / "loop.png")
    (tmp_path / "day" / "text.png").write_text("no image")
    return Pictures(tmp_path / "copies", [tmp_path / "day"], 1_000_000)


def test_file_under_a_root_is_shown(pictures, tmp_path):
    for path in ("a.png", str(tmp_path / "day" / "a.png"), "../day/a.png"):
        assert pictures.address(record(path)) == f"/v1/gallery/images/{ID}/content"
        assert pictures.content(record(path)) == CONTENT


@pytest.mark.parametrize(
    "path",
    [
        "../secret.png",
        "SECRET",
        "link.png",
        "loop.png",
        "missing.png",
        "",
        ".",
        "/etc/passwd",
        "http://example.org/a.png",
        "file:///etc/passwd",
        "a.png\0.jpg",
        "x" * 5000,
    ],
)
def test_everything_else_is_not(pictures, tmp_path, path):
    path = str(tmp_path / "secret.png") if path == "SECRET" else path
    assert pictures.address(record(path)) is None
    with pytest.raises(ProblemError) as caught:
        pictures.content(record(path))
    assert (caught.value.status, caught.value.code) == (404, "image_not_shown")


def test_what_is_no_image_is_not_sent(pictures):
    with pytest.raises(ProblemError, match="not where this service may read it"):
        pictures.jpeg(record("text.png", sha256(b"no image")), 64)


def test_image_is_drawn_anew_and_small(pictures, tmp_path):
    exif = Image.Exif()
    exif[270] = "taken at the back door"
    content = image_bytes(1, format="JPEG", exif=exif) + b"<script>hidden</script>"
    (tmp_path / "day" / "b.jpg").write_bytes(content)
    sent = pictures.jpeg(record("b.jpg", sha256(content)), 32)
    assert b"back door" not in sent
    assert b"script" not in sent
    with Image.open(io.BytesIO(sent)) as image:
        assert (image.format, image.size) == ("JPEG", (16, 32))
    with Image.open(io.BytesIO(pictures.jpeg(record("b.jpg", sha256(content)), 500))) as image:
        assert image.size == (32, 64)  # never enlarged


def keep(pictures, content):
    with pictures.keeping(sha256(content), content):
        pass


def leave_unfinished(pictures, content):
    """What a process leaves that is killed while it adds the record."""
    keep(pictures, content)
    place = pictures.place(sha256(content), content)
    place.rename(place.with_name(f".{place.stem}.0123abcd.part.png"))


def test_copy_is_kept_once_and_erased(pictures, tmp_path):
    keep(pictures, CONTENT)
    keep(pictures, CONTENT)
    files = [file for file in (tmp_path / "copies").rglob("*") if file.is_file()]
    assert files == [pictures.place(ID, CONTENT)]
    assert files[0].name == f"{ID}.png"
    assert files[0].stat().st_mode & 0o777 == 0o600
    assert pictures.content(record("gone.png")) == CONTENT
    assert pictures.erase(ID)
    assert not pictures.erase(ID)
    assert pictures.address(record("gone.png")) is None


def test_only_the_image_of_the_record_is_shown(pictures, tmp_path):
    """A file that was overwritten, or that a record only names, shows somebody else."""
    file = tmp_path / "day" / "a.png"
    assert pictures.address(record("a.png"))
    assert pictures.address(record("a.png", sha256(image_bytes(1)))) is None
    file.write_bytes(image_bytes(1))
    assert pictures.address(record("a.png")) is None
    with pytest.raises(ProblemError, match="not where this service may read it"):
        pictures.jpeg(record("a.png"), 64)
    assert pictures.address(record("a.png", sha256(image_bytes(1))))
    file.write_bytes(CONTENT)
    assert pictures.content(record("a.png")) == CONTENT


def traces_of(content, folder):
    return [file for file in folder.rglob("*") if file.is_file() and content in file.read_bytes()]


def test_half_a_copy_of_a_killed_process_is_erased_and_swept(pictures, tmp_path):
    copies = tmp_path / "copies"
    for content in (CONTENT, image_bytes(1), image_bytes(2)):
        leave_unfinished(pictures, content)
    assert pictures.erase(ID) is False
    assert traces_of(CONTENT, copies) == []
    keep(pictures, image_bytes(1))
    known = {sha256(image_bytes(1))}
    assert pictures.sweep(lambda ids: known & set(ids)) == 1
    assert traces_of(image_bytes(2), copies) == []
    assert len(traces_of(image_bytes(1), copies)) == 2  # another service may be writing one
    for file in copies.rglob(".*"):
        os.utime(file, (0, 0))
    assert pictures.sweep(lambda ids: known & set(ids)) == 1
    assert pictures.content(record("gone.png", sha256(image_bytes(1)))) == image_bytes(1)


def test_a_copy_whose_record_was_added_before_the_kill_is_finished(pictures, tmp_path):
    for content in (CONTENT, image_bytes(1)):
        leave_unfinished(pictures, content)
    [half] = (tmp_path / "copies").rglob(f".{sha256(image_bytes(1))}*")
    half.write_bytes(image_bytes(1)[:-1])
    assert pictures.sweep(set) == 0
    assert pictures.kept(ID) == pictures.place(ID, CONTENT)
    assert pictures.content(record("gone.png")) == CONTENT
    assert pictures.kept(sha256(image_bytes(1))) is None
    os.utime(half, (0, 0))
    assert pictures.sweep(set) == 1
    assert not half.exists()


def test_a_copy_is_whole_before_its_record_and_gone_without_it(pictures, tmp_path):
    copies = tmp_path / "copies"

    def fails():
        assert len(traces_of(CONTENT, copies)) == 1
        assert pictures.kept(ID) is None
        raise RuntimeError("the record cannot be added")

    with pytest.raises(RuntimeError), pictures.keeping(ID, CONTENT):
        fails()
    assert traces_of(CONTENT, copies) == []
    with pictures.keeping(ID, CONTENT):
        pictures.sweep(lambda ids: set())  # of another process, which sees no record yet
    assert pictures.content(record("gone.png")) == CONTENT
