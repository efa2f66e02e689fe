"""What is published holds all that it needs: wheel, sdist, extras, the first page, the site."""

import os
import re
import shlex
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

from conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
EXTRAS = PROJECT["optional-dependencies"]
FOR_USERS = [name for name in EXTRAS if name not in ("dev", "docs")]

# Python runs this at its start: what an extra brings is not installed, unless it is asked for.
ABSENT = """
import importlib.machinery
import os

find = importlib.machinery.PathFinder.find_spec
absent = os.environ["ABSENT"].split(",")


def find_spec(name, path=None, target=None):
    return None if name.partition(".")[0] in absent else find(name, path, target)


importlib.machinery.PathFinder.find_spec = staticmethod(find_spec)
"""


def run(*words: object, cwd: Path = ROOT, env: dict[str, str] | None = None):
    return subprocess.run(
        [str(word) for word in words],
        cwd=cwd,
        env={**os.environ, "OMP_NUM_THREADS": "1", **(env or {})},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """Wheel and sdist."""
    out = tmp_path_factory.mktemp("dist")
    done = run(sys.executable, "-m", "hatchling", "build", "-d", out)
    assert done.returncode == 0, done.stderr
    return out


def modules_of(extra: str) -> set[str]:
    """Return the top-level modules of the distributions that an extra names itself."""
    names: set[str] = set()
    for requirement in EXTRAS[extra]:
        name = re.match(r"[\w.-]+", requirement).group()
        if name == "fprnet":
            names |= set().union(*(modules_of(inner) for inner in extras_in(requirement)))
        else:
            wanted = name.lower().replace("_", "-")
            names |= {
                top
                for top, owners in packages_distributions().items()
                if wanted in {owner.lower().replace("_", "-") for owner in owners}
            }
    return names


def extras_in(requirement: str) -> list[str]:
    return re.search(r"\[(.*?)\]", requirement).group(1).split(",")


@pytest.fixture(scope="module")
def installed(built, tmp_path_factory):
    """A command of the wheel in an environment of its own, with the modules of some extras only.

    What the wheel depends on is taken from this environment, by a path; the sources are not: an
    editable installation's own path is not followed from there.
    """
    place = tmp_path_factory.mktemp("environment")
    venv.create(place / "env", with_pip=False)
    python = place / "env" / "bin" / "python"
    (wheel,) = built.glob("*.whl")
    offline = ("--no-deps", "--no-index", "--disable-pip-version-check", "-q")
    done = run(sys.executable, "-m", "pip", "--python", python, "install", *offline, wheel)
    assert done.returncode == 0, done.stderr
    (site,) = (place / "env").glob("lib/python*/site-packages")
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    (site / "absent.pth").write_text("import absent\n")
    (site / "absent.py").write_text(ABSENT)
    wanted = {extra: modules_of(extra) for extra in FOR_USERS}
    work = place / "work"
    work.mkdir()

    def command(*words: object, extras: tuple[str, ...] = ()):
        allowed = set().union(*(wanted[extra] for extra in extras))
        absent = set().union(*wanted.values()) - allowed
        program = python.with_name(str(words[0]))
        env = {"ABSENT": ",".join(sorted(absent)), "PYTHONPATH": "", "PYTHONSAFEPATH": "1"}
        return run(program, *words[1:], cwd=work, env=env)

    command.work = work
    return command


@pytest.mark.slow
def test_wheel_and_sdist_hold_what_they_should(built):
    (wheel,), (sdist,) = built.glob("*.whl"), built.glob("*.tar.gz")
    assert PROJECT["version"] in wheel.name
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = run("git", "ls-files", "src").stdout.splitlines()
    expected = {
        name.removeprefix("src/") for name in tracked if not Path(name).name.startswith("test_")
    }
    assert expected <= names
    assert not [name for name in names if "test_" in Path(name).name]
    with tarfile.open(sdist) as archive:
        inside = {name.partition("/")[2] for name in archive.getnames()}
    assert {"README.md", "LICENSE", "CHANGELOG.md", "src/fprnet/__init__.py"} <= inside


@pytest.mark.slow
def test_first_page_of_the_readme_without_any_extra(installed):
    assert PROJECT["version"] in installed("fprnet", "--version").stdout
    where = installed("python", "-c", "import fprnet; print(fprnet.__file__)").stdout
    assert str(ROOT) not in where
    few = {
        "data": "--identities 8 --validation-identities 3 --test-identities 3 "
        "--images-per-camera 2 --size 64x32 --workers 1",
        "train": "--data.height 64 --data.width 32 --batches.identities 4 --training.epochs 1 "
        "--training.steps_per_epoch 2 --training.precision float32 --training.threads 1",
    }
    done = []
    for words in first_commands():
        result = installed(*words, *shlex.split(few.get(words[1], "")))
        assert result.returncode == 0, (words, result.stderr)
        done.append(words[1])
    assert done == ["data", "data", "train", "train", "evaluate", "extract", "evaluate"]


def first_commands() -> list[list[str]]:
    """Return the README's first commands, up to those of several models."""
    text = (ROOT / "README.md").read_text(encoding="utf-8").partition("## Use")[2]
    block = re.search(r"```\w*\n(.*?)```", text, flags=re.DOTALL).group(1).replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in block.splitlines()]
    return lines[: next(i for i, words in enumerate(lines) if words[1] == "cross-validate")]


@pytest.mark.slow
def test_each_extra_brings_its_command(installed):
    (installed.work / "features.parquet").write_text("no table")
    program = "import fprnet; fprnet.read_features('features.parquet')"
    commands = {
        "formats": ("python", "-c", program),
        "export": shlex.split("fprnet export agw --scale tiny --format onnx --out graphs"),
        "postgres": shlex.split(
            "fprnet gallery create --uri postgresql://nobody@localhost:1/x --model agw --scale tiny"
        ),
        "service": shlex.split("fprnet serve --gallery a.db"),
    }
    # Without numba people are rendered slowly; what watching needs is said source by source.
    assert {*commands, "people", "watch"} == set(FOR_USERS)
    for extra, words in commands.items():
        without = installed(*words)
        assert without.returncode != 0
        assert f"pip install 'fprnet[{extra}]'" in without.stderr, without.stderr
    with_it = installed(*commands["export"], extras=("export",))
    assert with_it.returncode == 0, with_it.stderr
    nobody_there = installed(*commands["postgres"], extras=("postgres",))
    assert "pip install" not in nobody_there.stderr
    damaged = installed(*commands["formats"], extras=("formats",))
    assert "pip install" not in damaged.stderr
    imported = installed("python", "-c", "import fprnet.serving.server", extras=("service",))
    assert imported.returncode == 0, imported.stderr


@pytest.mark.slow
def test_site_is_built_without_a_warning(tmp_path):
    env = {"NO_MKDOCS_2_WARNING": "1"}
    done = run(
        *(sys.executable, "-m", "mkdocs", "build", "--strict", "-q", "-d", tmp_path / "site"),
        env=env,
    )
    assert done.returncode == 0, done.stderr + done.stdout
    reference = (tmp_path / "site" / "api" / "index.html").read_text(encoding="utf-8")
    for name in (
        "fprnet.api.train",
        "fprnet.api.evaluate",
        "fprnet.embeddings.loading.load_model",
    ):
        assert f'id="{name}"' in reference


def test_citation_and_changelog_are_of_this_version():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == PROJECT["version"]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (.*)$", changelog, flags=re.MULTILINE).group(1) == PROJECT["version"]
    assert citation["license"] == PROJECT["license"]
