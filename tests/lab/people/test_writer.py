"""Folders: complete or unfinished, the same however made, and refused where others lie."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from fprnet.data.check import check
from fprnet.errors import DataError
from fprnet.files import replacing
from fprnet_lab.people.layouts import hitsz_vcm
from fprnet_lab.people.options import PeopleOptions
from fprnet_lab.people.writer import WRITERS, generate

SMALL = PeopleOptions(
    identities=2,
    validation_identities=1,
    test_identities=2,
    images_per_camera=1,
    size=(48, 24),
    worlds=(1,),
)


def contents(root: Path) -> dict[str, bytes]:
    return {
        str(file.relative_to(root)): file.read_bytes()
        for file in sorted(root.rglob("*"))
        if file.is_file()
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("people") / "whole"
    assert generate(root, SMALL, progress=False)
    return root


def test_a_set_has_no_problem(whole):
    report = check(whole, layout="auto", workers=1)
    assert not report.problems
    about = json.loads((whole / "exp" / "generator.json").read_text())
    assert about["generator"] == "people"
    assert about["options"]["worlds"] == [1]


# Of LLCM so many that every camera sees somebody.
@pytest.mark.parametrize(("layout", "people"), [("regdb", 2), ("llcm", 10), ("manifest", 2)])
def test_readers_take_every_layout(tmp_path, layout, people):
    options = PeopleOptions.of_layout(
        layout, identities=2, test_identities=people, images_per_camera=1, size=(48, 24)
    )
    generate(tmp_path / layout, options, progress=False)
    report = check(tmp_path / layout, layout="auto", workers=1)
    assert report.layout == layout
    assert not report.problems


def test_processes_and_shards_write_the_same_bytes(tmp_path):
    two = replace(SMALL, cameras=(4, 6))
    assert generate(tmp_path / "whole", two, progress=False)
    assert generate(tmp_path / "two", two, workers=2, progress=False)
    parts = tmp_path / "parts"
    assert not generate(parts, two, shard=(2, 3), progress=False)
    assert not (parts / "exp" / "rand_perm_cam.mat").exists()
    assert not generate(parts, two, shard=(1, 3), progress=False)
    assert generate(parts, two, shard=(3, 3), progress=False)
    expected = contents(tmp_path / "whole")
    assert contents(tmp_path / "two") == expected
    assert contents(parts) == expected


def test_an_interrupted_run_goes_on(whole, tmp_path):
    root = tmp_path / "set"
    generate(root, SMALL, progress=False)
    (root / "exp" / "generator.json").rename(root / "exp" / "generator.unfinished.json")
    (root / "exp" / "train_id.txt").unlink()
    images = sorted(root.rglob("*.jpg"))
    for image in images[::2]:
        image.unlink()
    images[1].write_bytes(b"kept, not rendered again")
    assert generate(root, SMALL, progress=False)
    assert images[1].read_bytes() == b"kept, not rendered again"
    images[1].write_bytes((whole / images[1].relative_to(root)).read_bytes())
    assert contents(root) == contents(whole)


def test_what_a_full_disk_or_a_kill_left_of_the_marker_is_no_set(whole, tmp_path):
    marker = tmp_path / "set" / "exp" / "generator.unfinished.json"
    with pytest.raises(OSError, match="full"), replacing(marker):
        raise OSError("full")
    assert list(marker.parent.iterdir()) == []
    leftover = marker.parent / ".generator.unfinished.0123abcd.part.json"
    leftover.write_text('{"gener')
    assert generate(tmp_path / "set", SMALL, progress=False)
    assert contents(tmp_path / "set") == contents(whole)


def test_a_complete_set_is_left_alone(whole, capsys):
    before = {file: file.stat().st_mtime_ns for file in whole.rglob("*")}
    assert generate(whole, SMALL, progress=False)
    assert {file: file.stat().st_mtime_ns for file in whole.rglob("*")} == before
    assert "complete" in capsys.readouterr().err


def test_other_folders_are_refused(whole, tmp_path):
    other = PeopleOptions(identities=2, validation_identities=1, test_identities=2, seed=9)
    with pytest.raises(DataError, match="whole"):
        generate(whole, other, progress=False)
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")
    with pytest.raises(DataError, match="notes"):
        generate(tmp_path / "notes", SMALL, progress=False)
    with pytest.raises(DataError, match=r"a\.txt"):
        generate(tmp_path / "notes" / "a.txt", SMALL, progress=False)
    assert (tmp_path / "notes" / "a.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "changes",
    [
        {"identities": -1},
        {"identities": 0, "validation_identities": 0, "test_identities": 0},
        {"images_per_camera": 0},
        {"images_per_camera": 201},
        {"size": (10, 10)},
        {"size": (4000, 64)},
        {"seed": -1},
        {"worlds": ()},
        {"worlds": (1, 1)},
        {"worlds": (-2,)},
        {"cameras": (1, 7)},
        {"cameras": ()},
        {"outdoor_share": 1.5},
        {"layout": "market", "identities": 5},
    ],
)
def test_options_out_of_range_are_named(changes):
    make = PeopleOptions.of_layout if "layout" in changes else PeopleOptions
    with pytest.raises(DataError) as caught:
        make(**changes)
    name = next(iter(changes))
    assert name in str(caught.value) or "nobody" in str(caught.value)


def test_workers_and_shards_out_of_range_are_named(tmp_path):
    with pytest.raises(DataError, match="workers is 0"):
        generate(tmp_path / "a", SMALL, workers=0)
    with pytest.raises(DataError, match="3/2"):
        generate(tmp_path / "a", SMALL, shard=(3, 2))
    assert not (tmp_path / "a").exists()


def test_tracklets_are_walks_in_the_order_of_time(tmp_path):
    options = PeopleOptions.of_layout(
        "hitsz-vcm", identities=1, test_identities=1, images_per_camera=3, size=(48, 24)
    )
    generate(tmp_path / "vcm", options, progress=False)
    info = tmp_path / "vcm" / "info"
    names = (info / "test_name.txt").read_text().split()
    rows = [
        list(map(int, line.split()))
        for line in (info / "track_test_info.txt").read_text().splitlines()
    ]
    tracklets = hitsz_vcm.tracklets(options, 2)
    assert len(rows) == len(tracklets)
    assert rows[0][1] == 1
    assert rows[-1][2] == len(names)
    for (number, first, last, identity, camera), tracklet in zip(rows, tracklets, strict=True):
        assert (identity, camera) == (2, tracklet.camera)
        assert last - first + 1 == tracklet.length
        folder = {1: "ir", 2: "rgb"}[number]
        for name in names[first - 1 : last]:
            start, frame = name.split("F")
            assert start == f"0002M{number}D{camera}T1"
            assert (tmp_path / "vcm" / "0002" / folder / f"D{camera}" / frame).is_file()
    queries = list(map(int, (info / "query_IDX.txt").read_text().split()))
    assert [rows[query - 1][0] for query in queries] == [1] * len(queries)
    times = [shot.time for shot in tracklets[0].shots()]
    assert times == sorted(times)
    assert set(WRITERS) == {"sysu-mm01", "regdb", "llcm", "hitsz-vcm", "manifest"}


def _state(process: int) -> str:
    """One letter of /proc: R, S, ...; X where there is no such process, as after a zombie, Z."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return "X"


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")
def test_workers_end_with_the_process_that_was_killed(tmp_path):
    root = tmp_path / "people"
    words = ["data", "generate", str(root), "--size", "48x24", "--workers", "2"]
    parent = subprocess.Popen(
        [sys.executable, "-m", "fprnet", *words],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.DEVNULL,
    )
    children = Path(f"/proc/{parent.pid}/task/{parent.pid}/children")
    until = time.monotonic() + 120
    while not list(root.glob("cam*/*/*.jpg")) and time.monotonic() < until:
        time.sleep(0.2)
    workers = [int(word) for word in children.read_text().split()]
    assert len(workers) >= 2
    os.kill(parent.pid, signal.SIGKILL)
    parent.wait()
    until = time.monotonic() + 30
    while {_state(worker) for worker in workers} - {"X", "Z"} and time.monotonic() < until:
        time.sleep(0.1)
    assert {_state(worker) for worker in workers} <= {"X", "Z"}
