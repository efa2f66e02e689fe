"""Fixtures around tests/stranger: it is installed into a folder of its own, and has a data set."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PLUGIN = ("--plugin", "stranger-reid")
LAYOUT = ("--layout", "stranger.two_folders:TwoFolders")
PROJECT = Path(__file__).parent / "stranger"


@pytest.fixture(scope="session")
def stranger_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The stranger's distribution, installed as anybody's, where Python does not look by itself."""
    folder = tmp_path_factory.mktemp("site")
    project = shutil.copytree(PROJECT, folder / "project")
    site = folder / "packages"
    offline = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    done = subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", *offline, "--target", site, project],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    shutil.rmtree(project)
    return site


@pytest.fixture
def stranger(stranger_site: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The distribution is installed for this test; nobody has allowed it yet."""
    monkeypatch.syspath_prepend(str(stranger_site))
    monkeypatch.setenv("FPRNET_PLUGINS", "")
    yield stranger_site
    for name in [name for name in sys.modules if name.partition(".")[0] == "stranger"]:
        monkeypatch.delitem(sys.modules, name)


@pytest.fixture(scope="session")
def two_folders(tiny_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The images of the tiny set in the stranger's layout."""
    from fprnet.data.data_set import open_data_set

    root = tmp_path_factory.mktemp("two-folders")
    data_set = open_data_set(tiny_set)
    records = data_set.records()
    columns = (records.identity, records.camera, records.modality, records.index)
    for file, identity, camera, modality, index in zip(records.files(), *columns, strict=True):
        folder = root / ("day" if modality == "visible" else "night")
        folder.mkdir(exist_ok=True)
        shutil.copy(file, folder / f"{identity:04}_c{camera}_{index:02}.jpg")
    parts = {part: list(getattr(data_set, part)) for part in ("train", "validation", "test")}
    (root / "people.json").write_text(json.dumps(parts))
    return root
