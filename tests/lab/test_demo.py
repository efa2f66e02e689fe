"""``fprnet demo --quick`` as a user types it: killed in the middle, finished, then repeated."""

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fprnet_lab.demo.plan import ROWS

pytestmark = pytest.mark.slow

COMMAND = [sys.executable, "-m", "fprnet", "demo", "--quick", "--out"]


def demo(out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, str(out)], capture_output=True, text=True, check=False)


def kill_demo_once(out: Path, seen: Path) -> None:
    """Start the demo and kill it, without notice, as soon as a file is there."""
    with subprocess.Popen([*COMMAND, str(out)], stderr=subprocess.DEVNULL) as process:
        while not seen.exists() and process.poll() is None:
            time.sleep(0.05)
        process.send_signal(signal.SIGKILL)
    assert seen.exists()


def test_quick_demo(tmp_path: Path) -> None:
    out = tmp_path / "demo"
    # Killed while the warm start, a process of its own, is at work.
    kill_demo_once(out, out / "quick" / "runs" / "warm-start" / "config.yaml")

    first = demo(out)
    assert first.returncode == 0, first.stderr
    assert "quick: numbers mean nothing" in first.stdout
    assert [line for line in ROWS if f"\n{line} " in first.stdout] == list(ROWS)

    scores = json.loads((out / "scores.json").read_text())
    assert list(scores["rows"]) == list(ROWS)
    for row in scores["rows"].values():
        curve = row["cmc"]["mean"]
        assert len(curve) == 20
        assert curve == sorted(curve)
        assert curve[0] == row["rank-1"]["mean"]
        assert len(row["mAP"]["per_trial"]) == 10
    assert scores["valid_queries"] > 0

    page = (out / "report.html").read_text()
    assert "quick: numbers mean nothing" in page
    assert page.count("<img") == 5
    assert len(scores["search"]["matches"]) == 10
    assert 0 <= scores["search"]["matches"][0]["probability"] <= 1
    assert not re.search(r'(?:src|srcset|href)="(?!data:image/)', page)

    best = out / "quick" / "runs" / "fprnet" / "checkpoints" / "best.pt"
    written = best.stat().st_mtime_ns
    second = demo(out)
    assert second.returncode == 0, second.stderr
    assert second.stdout == first.stdout
    assert best.stat().st_mtime_ns == written
    again = json.loads((out / "scores.json").read_text())
    assert again["rows"] == scores["rows"]


def test_out_that_is_a_file_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    result = demo(file)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == (
        f"fprnet: --out {file} cannot be a folder (File exists); give another one\n"
    )


def test_failed_stage_is_one_line_at_the_end(tmp_path: Path) -> None:
    data = tmp_path / "quick" / "pre-training-set"
    data.mkdir(parents=True)
    (data / "holiday.jpg").touch()
    result = demo(tmp_path)
    assert result.returncode == 2
    assert result.stderr.splitlines()[-1].startswith(f"fprnet: {data} is not empty")
    assert list(data.iterdir()) == [data / "holiday.jpg"]
