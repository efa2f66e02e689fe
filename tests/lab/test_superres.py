"""``fprnet superres`` as users meet it."""

import json

import numpy as np
import pytest
import yaml
from PIL import Image
from superres_cases import rewritten_paths, smooth_image, write_set

from fprnet.cli.main import main

QUICK = ["--steps", "4", "--batch", "2", "--side", "8", "--save_every", "2"]
COMMANDS = [
    ["superres"],
    ["superres", "train"],
    ["superres", "apply"],
    ["superres", "evaluate"],
]


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("superres") / "data")


@pytest.fixture(scope="module")
def weights(root, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "srcnn"
    assert main(["superres", "train", "--data", str(root), "--out", str(run), *QUICK]) == 0
    return run


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_shows_an_example(capsys, words):
    with pytest.raises(SystemExit) as stop:
        main([*words, "--help"])
    assert stop.value.code == 0
    _, _, example = capsys.readouterr().out.partition("example:\n")
    assert f"fprnet {' '.join(words)}" in example


def test_train_prints_gain_and_next_step(fprnet, root, tmp_path):
    out = tmp_path / "run"
    stopped = fprnet("superres", "train", "--data", root, "--out", out, *QUICK, "--max-steps", 2)
    assert (stopped.status, stopped.out.split(";")[0]) == (0, "2 of 4 steps done")
    done = fprnet("superres", "train", "--data", root, "--out", out, *QUICK)
    assert done.status == 0
    assert "validation identities (bicubic" in done.out
    assert done.out.splitlines()[-1].startswith("next: fprnet superres apply")
    as_json = fprnet("superres", "train", "--data", root, "--out", out, *QUICK, "--json")
    assert json.loads(as_json.out)["step"] == 4


def test_train_prints_its_config(fprnet):
    result = fprnet("superres", "train", "--preset", "paper", "--steps", "9", "--print-config")
    values = yaml.safe_load(result.out)
    assert (values["preset"], values["steps"], values["dropout"]) == ("paper", 9, 0.5)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["train", "--preset", "papr"], "did you mean paper"),
        (["train", "--stepps", "3"], "did you mean steps"),
        (["train"], "--out is missing"),
        (["train", "--out", "somewhere"], "--data is missing"),
        (["train", "--data", "nowhere", "--out", "x"], "nowhere is no folder"),
        (["evaluate", "nothing.mat", ".", "--scale", "2"], "nothing.mat does not exist"),
        (["evaluate", "nothing.mat", ".", "--scale", "5"], "invalid choice"),
        (["apply", ".", "--out", "x", "--size", "big"], "is not a size"),
        (["apply", ".", "--out", "x", "--cameras", "zero"], "not a whole number"),
    ],
)
def test_mistakes_are_one_line(fprnet, words, complaint):
    result = fprnet("superres", *words)
    assert result.status == 2
    assert complaint in result.complaint


def test_apply(fprnet, root, weights, tmp_path):
    words = ("superres", "apply", root, "--out", tmp_path / "sharp", "--weights", weights)
    result = fprnet(*words, "--size", "keep", "--workers", 1, "--json")
    assert result.status == 0
    applied = json.loads(result.out)
    assert (applied["rewritten"], applied["unreadable"]) == (len(rewritten_paths()), [])
    again = fprnet(*words, "--size", "keep")
    assert again.status == 0
    assert "6 images rewritten" in again.out
    other = fprnet(*words)
    assert other.status == 2
    assert "size None (not [256, 256])" in other.complaint


def test_apply_trains_first_where_no_weights_are_given(fprnet, root, tmp_path, monkeypatch):
    from fprnet_lab.superres import config

    whole = config.load_config
    monkeypatch.setattr(
        config, "load_config", lambda *a, overrides=(): whole(*a, overrides=[*overrides, *QUICK])
    )
    result = fprnet("superres", "apply", root, "--out", tmp_path / "sharp", "--size", "16x16")
    assert result.status == 0
    assert (tmp_path / "sharp-srcnn/checkpoints/best.pt").is_file()
    with Image.open(tmp_path / "sharp" / min(rewritten_paths())) as image:
        assert image.size == (16, 16)


def test_evaluate(fprnet, weights, tmp_path):
    images = {"gray": "L", "alpha": "RGBA", "colour": "RGB"}
    for seed, (name, mode) in enumerate(images.items()):
        Image.fromarray(smooth_image(seed, (48, 40))).convert(mode).save(tmp_path / f"{name}.png")
    deep = smooth_image(9, (40, 48))[..., 0].astype(np.uint16) * 257
    Image.fromarray(deep).save(tmp_path / "sixteen.png")
    result = fprnet("superres", "evaluate", weights, tmp_path, "--workers", 1)
    assert result.status == 0
    names = [line.split()[0] for line in result.out.splitlines()]
    assert names == ["x4", "alpha.png", "colour.png", "gray.png", "sixteen.png", "mean"]
    scores = json.loads(fprnet("superres", "evaluate", weights, tmp_path, "--json").out)
    assert scores["scale"] == 4
    values = [image["psnr"] for image in scores["images"].values()]
    assert scores["mean"]["psnr"] == pytest.approx(np.mean(values))


def test_evaluate_names_damaged_and_small_images(fprnet, weights, tmp_path):
    Image.fromarray(smooth_image(0)).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes((tmp_path / "a.png").read_bytes()[:70])
    Image.fromarray(smooth_image(0, (16, 16))).save(tmp_path / "c.png")
    result = fprnet("superres", "evaluate", weights, tmp_path)
    assert result.status == 2
    assert "b.png is damaged" in result.complaint
    skipped = fprnet("superres", "evaluate", weights, tmp_path, "--skip-unreadable", "--json")
    assert skipped.status == 0
    assert json.loads(skipped.out)["unreadable"] == ["b.png", "c.png"]
    (tmp_path / "b.png").unlink()
    small = fprnet("superres", "evaluate", weights, tmp_path)
    assert small.status == 2
    assert "c.png has 16 x 16 pixels" in small.complaint


def test_unknown_option_of_apply(fprnet, root, tmp_path):
    result = fprnet("superres", "apply", root, "--out", tmp_path / "x", "--frobnicate")
    assert result.status == 2
    assert "frobnicate" in result.complaint
