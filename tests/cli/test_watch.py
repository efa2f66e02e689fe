"""``fprnet watch`` as users type it: recordings, folders of frames, and all that can be wrong."""

import json
import os
import shutil
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from PIL import Image

from documents import commands
from event_cases import calibration, receiving
from fprnet.gallery.calibration import write_calibration
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.tracklets import latest_tracklets, stored_image, tracklet_path
from watch_cases import at, box_at, scene, write_boxes, write_frames, write_video

COUNT = 40  # frames of a film at 10 a second


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """``day.mp4`` and ``night.mp4``, both of 4 s from noon of 2026-03-01, and their boxes."""
    folder = tmp_path_factory.mktemp("films")
    for name, gray in (("day", False), ("night", True)):
        frames = [scene(index / 10, gray=gray) for index in range(COUNT)]
        write_video(folder / f"{name}.mp4", frames, creation_time="2026-03-01T12:00:00Z")
    write_boxes(folder / "boxes.txt", COUNT)
    return folder


@pytest.fixture
def uri(empty_gallery, tmp_path):
    return shutil.copy(empty_gallery, tmp_path / "people.db")


@pytest.fixture
def watch(fprnet, uri, films):
    """Watch with the boxes of the films; return the result and the tracklets it printed."""

    def run(*words, boxes=True, camera="door"):
        given = ("--boxes", films / "boxes.txt") if boxes else ()
        fixed = ("--gallery", uri, "--camera", camera, "--json")
        result = fprnet("watch", *words, *fixed, *given)
        return result, [json.loads(line)["tracklet"] for line in result.out.splitlines()]

    return run


def test_a_recording_becomes_a_tracklet_of_its_gallery(watch, uri, films):
    result, (tracklet,) = watch(films / "day.mp4")
    assert result.status == 0
    assert tracklet["new"]
    assert (tracklet["camera"], tracklet["location"]) == ("door", "door")
    assert tracklet["modality"] == "visible"
    # 5 of the 10 frames a second; the second box makes it a track
    assert tracklet["start"] == "2026-03-01T12:00:00.200000Z"
    assert tracklet["end"] == "2026-03-01T12:00:03.800000Z"
    assert tracklet["source"] == str(films / "day.mp4")
    assert "door: 20 frames, 20 boxes, 1 tracks, 1 tracklets" in result.err
    with Gallery.open(str(uri)) as gallery:
        (kept,) = latest_tracklets(gallery)
        assert kept.id == tracklet["id"]
        path = tracklet_path(gallery, kept.id)
        image = stored_image(gallery, kept.crops[0].id)
    assert len(path) == 19
    seconds = (kept.crops[0].time - at(0)).total_seconds()
    assert kept.crops[0].box == box_at(seconds)
    from fprnet.data.images import decode_image

    pixels, _ = decode_image(image)
    left, top, width, height = box_at(seconds)
    expected = scene(seconds)[top : top + height, left : left + width]
    assert pixels.shape == (75, 30, 3)
    # Both have been through H.264 and JPEG, which blur the colours.
    assert np.corrcoef(pixels.mean(2).ravel(), expected.mean(2).ravel())[0, 1] > 0.9


def test_watching_again_adds_nothing(watch, films):
    _, (first,) = watch(films / "day.mp4")
    result, (again,) = watch(films / "day.mp4")
    assert result.status == 0
    assert not again["new"]
    assert again["id"] == first["id"]
    assert "(1 were there)" in result.err
    # The same images of another camera stay what they are, which is not passed over.
    result, (other,) = watch(films / "day.mp4", camera="yard")
    assert (other["new"], other["camera"]) == (False, first["camera"])
    assert "1 of another camera or time" in result.err
    assert "gallery erase --tracklet" in result.err


def test_who_is_on_the_watch_list_makes_an_event(fprnet, uri, films, tmp_path):
    boxes = ("--boxes", films / "boxes.txt")
    with Gallery.open(str(uri)) as gallery:
        sha256 = gallery.model.checkpoint_sha256
    own = replace(calibration(), checkpoint_sha256=sha256)
    own = replace(own, tracklets=replace(own.tracklets, checkpoint_sha256=sha256))
    write_calibration(tmp_path / "own.json", own)
    words = ("--gallery", uri, *boxes, "--json", "--calibration", tmp_path / "own.json")
    result = fprnet("watch", films / "day.mp4", "--camera", "door", *words)
    assert result.status == 0, result.err
    (first,) = [json.loads(line) for line in result.out.splitlines()]
    with Gallery.open(str(uri), writable=True) as gallery:
        for crop in first["tracklet"]["crops"]:
            gallery.correct(crop["id"], {"identity": "adaline"})
    assert fprnet("gallery", "watch-list", "--uri", uri, "--add", "adaline").status == 0
    with receiving() as receiver:
        secret = tmp_path / "secret"
        secret.write_text("0123456789abcdef")
        told = ("--webhook", receiver.url, "--secret", secret)
        result = fprnet("watch", films / "night.mp4", "--camera", "yard", *words, *told)
        assert result.status == 0, result.err
        ((_, body),) = receiver.received
    lines = [json.loads(line) for line in result.out.splitlines()]
    (event,) = [line["event"] for line in lines if "event" in line]
    assert json.loads(body) == event
    assert (event["identity"], event["tracklet"]["camera"]) == ("adaline", "yard")
    assert event["record"] in [crop["id"] for crop in first["tracklet"]["crops"]]
    again = fprnet("watch", films / "night.mp4", "--camera", "yard", *words)
    assert [list(json.loads(line)) for line in again.out.splitlines()] == [["tracklet"]]
    listed = fprnet("events", "list", "--gallery", uri, "--json")
    assert json.loads(listed.out) == event
    for rate, fault in (("nan", "--false-match-rate"), ("1", "false-match rate 1.0 is no share")):
        wrong = fprnet(
            "watch", films / "day.mp4", "--camera", "a", *words, "--false-match-rate", rate
        )
        assert wrong.status == 2
        assert fault in wrong.complaint


def test_several_sources_in_one_process(watch, fprnet, uri, films):
    words = ("watch", films / "day.mp4", films / "night.mp4", "--gallery", uri, "--json")
    result = fprnet(
        *words, "--camera", "a", "--camera", "b", "--location", "yard",
        "--boxes", films / "boxes.txt", "--boxes", films / "boxes.txt", "--rate", 10,
    )  # fmt: skip
    assert result.status == 0, result.err
    tracklets = [json.loads(line)["tracklet"] for line in result.out.splitlines()]
    seen = {(one["camera"], one["location"], one["modality"]) for one in tracklets}
    assert seen == {("a", "yard", "visible"), ("b", "yard", "infrared")}
    assert "a: 40 frames, 40 boxes" in result.err
    human = fprnet(*words[:-1], "--camera", "a", "--boxes", films / "boxes.txt",
                   "--boxes", films / "boxes.txt", "--rate", 10)  # fmt: skip
    assert "(1 were there)" in human.out
    assert "{" not in human.out


def test_a_camera_that_switches_at_dusk_makes_two_tracklets(watch, tmp_path):
    frames = [scene(index / 10, gray=index >= 20) for index in range(COUNT)]
    words = ("--light.seconds", "0.2")
    result, tracklets = watch(write_video(tmp_path / "dusk.mp4", frames), *words)
    assert result.status == 0
    assert [one["modality"] for one in tracklets] == ["visible", "infrared"]
    assert tracklets[0]["end"] < tracklets[1]["start"]


def test_a_folder_of_frames_and_sixteen_bit_infrared(watch, uri, tmp_path):
    """What a sensor of 12 bits gives uses a sixteenth of 16 bits; its upper byte would be black."""
    frames = [scene(index / 10, gray=True)[..., 0].astype(np.uint16) * 16 for index in range(20)]
    folder = write_frames(tmp_path / "frames", frames)
    start = ("--start", "2026-03-01T13:00+01:00")
    result, (tracklet,) = watch(folder, "--frame-rate", 10, *start)
    assert result.status == 0
    assert tracklet["modality"] == "infrared"
    assert tracklet["start"] == "2026-03-01T12:00:00.200000Z"
    with Gallery.open(str(uri)) as gallery:
        (kept,) = latest_tracklets(gallery)
        image = stored_image(gallery, kept.crops[0].id)
    from fprnet.data.images import decode_image

    _pixels, facts = decode_image(image)
    assert facts.contrast > 150
    result, _ = watch(folder)
    assert (result.status, "--frame-rate" in result.complaint) == (2, True)
    (tmp_path / "seqinfo.ini").write_text("[Sequence]\nframeRate=10\n")
    result, (again,) = watch(folder, *start)
    assert not again["new"]
    (tmp_path / "seqinfo.ini").write_text("frameRate=10\n")
    result, _ = watch(folder)
    assert (result.status, "seqinfo.ini" in result.complaint) == (2, True)


def test_when_a_recording_begins(watch, films, tmp_path):
    file = shutil.copy(films / "day.mp4", tmp_path / "cam_20260301_183000.mp4")
    of_name = ("--time-from", "%Y%m%d_%H%M%S", "--time-zone", "Asia/Shanghai")
    result, (tracklet,) = watch(file, *of_name)
    assert tracklet["start"] == "2026-03-01T10:30:00.200000Z"
    assert "time of its file" not in result.err + watch(films / "day.mp4")[0].err
    bare = write_video(tmp_path / "bare.mp4", [255 - scene(i / 10) for i in range(COUNT)])
    os.utime(bare, (1_800_000_004, 1_800_000_004))  # the file was closed when it ended, after 4 s
    result, (tracklet,) = watch(bare)
    assert "bare.mp4 does not say when" in result.err
    assert "began at 2027-01-15 08:00:00+00:00" in result.err
    begins = datetime.fromisoformat(tracklet["start"])
    assert begins == datetime.fromtimestamp(1_800_000_000.2, tz=UTC)
    result, _ = watch(bare, "--time-from", "%Y%m%d")
    assert (result.status, "bare.mp4" in result.complaint) == (2, True)


def test_a_rate_that_lies_does_not_matter(watch, tmp_path):
    """A file that says 10 frames a second and has them at other times: the times count."""
    times = [index / 10 if index < 20 else 2 + (index - 20) * 0.05 for index in range(COUNT)]
    frames = [scene(seconds) for seconds in times]
    video = write_video(tmp_path / "uneven.mp4", frames, times=times)
    result, tracklets = watch(video, "--rate", 5, "--start", "2026-03-01T12:00")
    assert result.status == 0
    assert "15 frames" in result.err  # of 3 s
    assert tracklets[0]["end"] == "2026-03-01T12:00:02.800000Z"


def test_a_corrupt_middle_is_one_line_and_the_rest_goes_on(watch, films, tmp_path):
    content = bytearray((films / "day.mp4").read_bytes())
    middle = len(content) // 2
    rng = np.random.default_rng(0)
    content[middle : middle + 1500] = rng.integers(0, 256, 1500).astype(np.uint8).tobytes()
    damaged = tmp_path / "damaged.mp4"
    damaged.write_bytes(content)
    result, tracklets = watch(damaged, "--start", "2026-03-01T12:00", "--rate", 10)
    assert result.status in (0, 2)
    assert tracklets
    assert "Traceback" not in result.err
    lines = [line for line in result.err.splitlines() if "damaged.mp4" in line]
    assert 1 <= len(lines) <= 3


def test_a_file_that_was_cut_off(watch, tmp_path):
    frames = [scene(index / 10) for index in range(COUNT)]
    whole = write_video(tmp_path / "whole.mkv", frames)
    short = tmp_path / "short.mkv"
    short.write_bytes(whole.read_bytes()[: whole.stat().st_size * 2 // 3])
    result, tracklets = watch(short, "--start", "2026-03-01T12:00")
    assert len(tracklets) == 1
    assert "Traceback" not in result.err


def test_a_damaged_frame_of_a_folder_is_one_line(watch, tmp_path):
    folder = write_frames(tmp_path / "frames", [scene(index / 10) for index in range(20)])
    (folder / "7.png").write_bytes((folder / "7.png").read_bytes()[:500])
    result, tracklets = watch(folder, "--frame-rate", 10, "--rate", 10)
    assert (result.status, len(tracklets)) == (0, 1)
    assert "19 frames" in result.err
    assert sum("7.png" in line for line in result.err.splitlines()) == 1


def test_frames_that_change_size_are_another_scene(watch, tmp_path):
    folder = tmp_path / "frames"
    write_frames(folder, [scene(index / 10) for index in range(20)])
    for index in range(11, 21):
        with Image.open(folder / f"{index}.png") as image:
            image.crop((0, 0, 160, 110)).save(folder / f"{index}.png")
    result, tracklets = watch(folder, "--frame-rate", 10, "--rate", 10)
    assert (result.status, len(tracklets)) == (0, 2)
    assert sum("160 x 110" in line for line in result.err.splitlines()) == 1


@pytest.mark.parametrize(
    ("content", "value"),
    [(None, "clip.mp4"), (b"", "clip.mp4"), (b"garbage" * 100, "clip.mp4")],
)
def test_what_is_no_video_is_refused_before_anything_starts(watch, tmp_path, content, value):
    if content is not None:
        (tmp_path / "clip.mp4").write_bytes(content)
    result, tracklets = watch(tmp_path / "clip.mp4")
    assert (result.status, tracklets) == (2, [])
    assert value in result.complaint


def test_a_text_is_no_video(watch, tmp_path):
    (tmp_path / "boxes.txt").write_text("1,1,10,10,20,40,1\n" * 50)  # FFmpeg would draw it
    result, _ = watch(tmp_path / "boxes.txt")
    assert (result.status, "is a text" in result.complaint) == (2, True)


def test_sound_without_pictures_is_refused(watch, tmp_path):
    import av

    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        samples.sample_rate = 8000
        container.mux(stream.encode(samples))
    result, _ = watch(tmp_path / "sound.wav")
    assert (result.status, "no video stream" in result.complaint) == (2, True)


def test_recordings_of_one_camera_do_not_begin_at_once(watch, films, tmp_path):
    next_hour = shutil.copy(films / "day.mp4", tmp_path / "next.mp4")
    words = (films / "day.mp4", next_hour, "--start", "2026-03-01T08:00")
    result, tracklets = watch(*words, boxes=False)
    assert (result.status, tracklets) == (2, [])
    assert "several recordings of camera door; watch each" in result.complaint


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (("--rate", "0"), "'0'"),
        (("--rate", "nan"), "'nan'"),
        (("--queue", "-1"), "'-1'"),
        (("--start", "yesterday"), "yesterday"),
        (("--start", "2026-03-01", "--time-from", "mtime"), "--start"),
        (("--tracker.patience", "0"), "tracker.patience"),
        (("--quality.min_hight", "9"), "min_height"),
        (("--quality.max_dark", "1.5"), "quality.max_dark"),
        (("--light", "9"), "light"),
        (("--camera", "b", "--camera", "c"), "--camera"),
        (("--detector", "histograms"), "--boxes"),
        (("--location", "a", "--location", "b"), "--location"),
    ],
)
def test_options_that_do_not_fit(watch, films, words, value):
    result, tracklets = watch(films / "day.mp4", *words)
    assert (result.status, tracklets) == (2, [])
    assert value in result.complaint


@pytest.mark.parametrize(
    "words",
    [
        ("--frame-rate", "5e-324"),
        ("--frame-rate", "1e-300"),
        ("--frame-rate", "10", "--start", "9999-12-31T23:59:59"),
    ],
)
def test_times_after_the_last_year_are_refused(watch, tmp_path, words):
    folder = write_frames(tmp_path / "frames", [scene(index / 10) for index in range(20)])
    result, tracklets = watch(folder, *words)
    assert (result.status, tracklets) == (2, [])
    assert "is no date" in result.complaint


def test_a_detector_of_another_form_and_a_gallery_that_is_not_there(fprnet, films, uri, tmp_path):
    words = ("watch", films / "day.mp4", "--camera", "door")
    (tmp_path / "net.onnx").write_bytes(b"no network")
    result = fprnet(*words, "--gallery", uri, "--detector", tmp_path / "net.onnx")
    assert (result.status, "net.onnx" in result.complaint) == (2, True)
    result = fprnet(*words, "--gallery", tmp_path / "none.db")
    assert (result.status, "none.db" in result.complaint) == (2, True)
    result = fprnet("watch", films / "day.mp4", "--gallery", uri)
    assert (result.status, "--camera" in result.complaint) == (2, True)


def test_the_default_detector_runs(watch, films):
    result, _ = watch(films / "day.mp4", "--rate", 2, boxes=False)
    assert result.status == 0
    assert "8 frames" in result.err
    assert "misses most" in result.err


@pytest.mark.slow
def test_documented_commands(fprnet, empty_gallery, tmp_path, monkeypatch):
    """As written, but with the tiny model."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(empty_gallery, "people.db")
    lines = commands("watch.md")
    assert [words[1] for words in lines] == ["data", "gallery", "watch", "watch"]
    for words in lines:
        if words[1] != "gallery":
            result = fprnet(*words[1:])
            assert result.status == 0, (words, result.err)
    assert '"tracklet"' in result.out
