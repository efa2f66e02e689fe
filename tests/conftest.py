"""Fixtures that every tier of tests shares: a tiny generated set, the official files, commands."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from fprnet.cli.main import main
from fprnet_lab.people.options import PeopleOptions
from fprnet_lab.people.writer import generate

ROOT = Path(__file__).parents[1]
TRAINING_IDENTITIES = 12
# 'make check' leaves out what trains, starts processes, services or browsers, or measures: whole
# folders, and files elsewhere. Single slow tests are marked where they stand.
SLOW_FOLDERS = ("attack", "browser", "integration", "oracle")
SLOW_FILES = (
    *("test_benchmark.py", "test_demo.py", "test_generator.py", "test_generator_drawing.py"),
    *("test_export.py", "test_reproduction_runs.py", "test_superres_train.py"),
)

pytest_plugins = ["gallery_fixtures", "service_fixtures", "stranger_cases"]

torch.set_num_threads(1)

# A run of 2 epochs of 2 steps on images of 64 x 32 pixels.
TINY = [
    *("--scale", "tiny", "--data.height", "64", "--data.width", "32"),
    *("--batches.identities", "4", "--training.steps_per_epoch", "2", "--training.epochs", "2"),
    *("--training.precision", "float32"),
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of slow folders and files."""
    for item in items:
        folders = item.path.relative_to(ROOT).parts
        if item.path.name in SLOW_FILES or set(SLOW_FOLDERS) & set(folders):
            item.add_marker(pytest.mark.slow)


@dataclass(frozen=True)
class Result:
    """What a command left: exit status, stdout, stderr."""

    status: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The one line on stderr that says what is wrong."""
        lines = self.err.splitlines()
        own = [line for line in lines if line.startswith("fprnet: ")]
        assert len(own) == 1, self.err
        assert lines[-1] == own[0]
        assert "Traceback" not in self.err
        return own[0]


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Compiled graphs of tests do not fill the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FPRNET_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def forgotten_plugins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Files of a test that were loaded as plugins do not meet those of the next one."""
    yield
    folders = str(tmp_path_factory.getbasetemp()), str(ROOT / "tests" / "plugins")
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", None) or "").startswith(folders):
            del sys.modules[name]


@pytest.fixture(scope="session")
def oracles() -> Path:
    """Folder of the official files, which are not part of the project."""
    folder = Path(os.environ.get("FPRNET_ORACLES", ROOT.parent / "shared" / "oracles"))
    if not folder.is_dir():
        pytest.skip(f"{folder} does not exist; set FPRNET_ORACLES to the folder of official files")
    return folder


@pytest.fixture(scope="session")
def tiny_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 training, 4 validation and 6 test people, 1 to 3 images in each camera, 64 x 32 pixels."""
    root = tmp_path_factory.mktemp("data") / "tiny"
    options = PeopleOptions(
        identities=TRAINING_IDENTITIES,
        validation_identities=4,
        test_identities=6,
        images_per_camera=2,
        size=(64, 32),
        outdoor_share=0,
        missed_share=0,
    )
    generate(root, options, progress=False)
    return root


@pytest.fixture
def fprnet(capfd: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Run a command in this process: ``fprnet("train", "--out", path)``."""

    def run(*words: object) -> Result:
        capfd.readouterr()
        status = main([str(word) for word in words])
        captured = capfd.readouterr()
        return Result(status, captured.out, captured.err)

    return run


def command(*words: object, module: str = "fprnet") -> list[str]:
    """The same as a process of its own."""
    return [sys.executable, "-m", module, *(str(word) for word in words)]


def environment() -> dict[str, str]:
    """One thread for each process."""
    return os.environ | {"OMP_NUM_THREADS": "1"}


def run_process(*words: object, module: str = "fprnet", timeout: float = 120) -> Result:
    done = subprocess.run(
        command(*words, module=module),
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment(),
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


def history(run: Path) -> list[dict[str, Any]]:
    """The records of a run's epochs, without what the clock says."""
    records = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    for record in records:
        assert record.pop("images_per_second") > 0
    return records


def checkpoint(file: Path) -> dict[str, Any]:
    """A run's state without what the clock says."""
    state: dict[str, Any] = torch.load(file, weights_only=True)
    for record in state["history"]:
        record.pop("images_per_second")
    return state


def assert_identical(one: Any, other: Any, name: str = "") -> None:
    """Compare nested values bit by bit."""
    assert type(one) is type(other), name
    if isinstance(one, torch.Tensor):
        assert one.dtype == other.dtype, name
        assert torch.equal(one, other), name
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), name
        for key in one:
            assert_identical(one[key], other[key], f"{name}.{key}")
    elif isinstance(one, (list, tuple)):
        assert len(one) == len(other), name
        for number, (a, b) in enumerate(zip(one, other, strict=True)):
            assert_identical(a, b, f"{name}[{number}]")
    else:
        assert one == other, name


def assert_same_run(one: Path, other: Path) -> None:
    """Compare two finished runs bit by bit, but for the clock and how often they were kept."""
    assert history(one) == history(other)
    for name in ("last.pt", "best.pt"):
        a, b = (checkpoint(run / "checkpoints" / name) for run in (one, other))
        for state in (a, b):
            del state["config"]["training"]["checkpoint_every"]
        assert_identical(a, b, name)


@pytest.fixture(scope="session")
def empty_gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A gallery without images, of the untrained tiny default preset; copy it, do not change it."""
    from fprnet.gallery.steps import create_gallery

    uri = tmp_path_factory.mktemp("empty") / "people.db"
    create_gallery(str(uri), "fprnet", scale="tiny").close()
    return uri


@pytest.fixture(scope="session")
def trained(tiny_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of the default preset; read it, do not change it."""
    run = tmp_path_factory.mktemp("runs") / "fprnet"
    words = ["train", "--preset", "fprnet", *TINY, "--data", str(tiny_set), "--out", str(run)]
    assert main(words) == 0
    return run
