"""Every command line and code block of the pages for users works as written."""

import runpy
import shutil

import pytest
import torch
from PIL import Image, ImageOps

from conftest import ROOT, TINY
from documents import blocks, commands
from fprnet.export import export


@pytest.fixture
def workplace(tiny_set, trained, tmp_path, monkeypatch):
    """A folder where the documents' names stand for small things."""
    for name in ("generated", "others"):
        (tmp_path / name).symlink_to(tiny_set, target_is_directory=True)
    (tmp_path / "SYSU-MM01").symlink_to(tiny_set, target_is_directory=True)
    shutil.copytree(trained, tmp_path / "runs" / "tiny")
    for camera, name in (("cam6", "night"), ("cam1", "day")):
        (tmp_path / name).mkdir()
        for file in sorted((tiny_set / camera / "0001").iterdir()):
            with Image.open(file) as image:  # mirrored: images that the data set does not hold
                ImageOps.mirror(image).save(tmp_path / name / file.name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def shortened(words: list[str]) -> list[str]:
    """The same command at a size that tests can afford."""
    if words[0] == "torchrun":
        words = words[words.index("fprnet") :]
    if words[1] == "train":
        # A full run and a fresh one without its fixture are checked up to the first image.
        return [*words, "--print-config"] if "SYSU-MM01" in words else [*words, *small(words)]
    return words


def small(words: list[str]) -> list[str]:
    if "--config" in words or "--print-config" in words:
        return []
    return [*TINY, "--optimizer.learning_rate", "0.001"]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["training.md", "evaluation.md", "gallery.md"])
def test_commands(fprnet, workplace, name):
    lines = [words for words in commands(name) if words[1:3] != ["data", "generate"]]
    assert len(lines) >= 5
    for words in lines:
        if words[1:2] == ["train"] and words[-1] == "runs/tiny":
            continue  # what the fixture has done
        result = fprnet(*shortened(words)[1:])
        assert result.status == 0, (words, result.err)


def test_generator_commands_are_understood(fprnet, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    lines = [words for words in commands("training.md") if words[1:3] == ["data", "generate"]]
    assert len(lines) == 2
    for words in lines:
        few = ("--identities", "1", "--validation-identities", "1", "--test-identities", "1")
        result = fprnet(*words[1:], *few, "--images-per-camera", "1", "--workers", "1")
        assert result.status == 0, result.err


def test_code_block(fprnet, workplace, capfd):
    words = ["extract", "runs/tiny", "--data", "generated", "--out", "features.npz"]
    assert fprnet(*words).status == 0
    _, code = blocks("evaluation.md", "python")
    image = sorted((workplace / "night").iterdir())[0]
    exec(compile(code.replace("night/0001.jpg", str(image)), "evaluation.md", "exec"), {})
    assert 0 < float(capfd.readouterr().out) <= 1


@pytest.mark.slow
def test_commands_of_speed(fprnet, workplace):
    smaller = ("--size", "64x32", "--width", "8", "--images", "2", "--repeats", "1")
    kinds = []
    for words in commands("speed.md"):
        kinds.append(words[1])
        if words[0] == "python":
            script = runpy.run_path(str(ROOT / words[1]))
            assert callable(script["main"])
        elif words[1] == "train":
            result = fprnet(*words[1:], "--print-config")
            assert result.status == 0, (words, result.err)
        elif "cuda" in words and not torch.cuda.is_available():
            assert "torch finds no GPU" in fprnet(*words[1:]).complaint
        else:
            # So few images can rank otherwise in bfloat16.
            exact = ("--precision", "float32") if "embedding" in words else ()
            result = fprnet(*words[1:], *smaller, *exact)
            assert result.status == 0, (words, result.err)
    assert kinds.count("benchmark") == 4
    assert kinds.count("train") == 1


def test_code_block_of_speed(capfd):
    (code,) = blocks("speed.md", "python")
    exec(compile(code, "speed.md", "exec"), {})
    assert 0 < float(capfd.readouterr().out) < 1e-13


@pytest.mark.slow
def test_commands_and_code_of_export(fprnet, workplace, capfd, monkeypatch):
    monkeypatch.setattr(export, "INT8_LOSS", 1.0)  # the run has seen too little to be robust
    lines = commands("export.md")
    assert [words[1] for words in lines] == [*["export"] * 3, *["evaluate"] * 2, "extract"]
    for words in lines:
        result = fprnet(*words[1:])
        assert result.status == 0, (words, result.err)
    (code,) = blocks("export.md", "python")
    image = sorted((workplace / "night").iterdir())[0]
    exec(compile(code.replace("night/0001.jpg", str(image)), "export.md", "exec"), {})
    preset, *shape, length = capfd.readouterr().out.split()
    assert (preset, shape) == ("fprnet", ["(1,", "1024)"])
    assert float(length) == pytest.approx(1, abs=1e-5)
