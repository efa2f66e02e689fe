"""Super-resolution end to end on rendered people: better than bicubic, and in the chain."""

import json

import pytest

from conftest import ROOT, TINY
from documents import commands
from fprnet_lab.people.options import PeopleOptions
from fprnet_lab.people.writer import generate

FEW_STEPS = ["--steps", "4", "--batch", "2", "--side", "8", "--save_every", "2"]


@pytest.fixture(scope="module")
def visible(tmp_path_factory):
    """60 training, 10 validation and 10 test people of 128 x 64 pixels in visible cameras."""
    root = tmp_path_factory.mktemp("people") / "visible"
    options = PeopleOptions(
        identities=60,
        validation_identities=10,
        test_identities=10,
        images_per_camera=2,
        cameras=(1, 2, 4, 5),
        outdoor_share=0,
        missed_share=0,
    )
    generate(root, options, progress=False)
    return root


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_default_preset_beats_bicubic_on_people_never_seen(fprnet, visible, tmp_path, seed):
    words = ("superres", "train", "--data", visible, "--out", tmp_path / "run", "--seed", seed)
    result = fprnet(*words, "--steps", 400, "--json")
    assert result.status == 0, result.err
    scores = json.loads(result.out)["last_epoch"]["validation"]
    assert scores["psnr"] >= scores["bicubic_psnr"] + 0.3
    assert scores["ssim"] > scores["bicubic_ssim"]


@pytest.mark.slow
def test_commands_of_the_document(fprnet, tiny_set, tmp_path, monkeypatch):
    (tmp_path / "generated").symlink_to(tiny_set, target_is_directory=True)
    monkeypatch.chdir(tmp_path)
    assert (ROOT / "docs" / "super-resolution.md").is_file()
    lines = [w for w in commands("super-resolution.md") if w[1:3] != ["superres", "evaluate"]]
    assert len(lines) == 4
    for words in lines:
        small = {"train": TINY, "superres": FEW_STEPS if words[2] == "train" else []}
        result = fprnet(*words[1:], *small.get(words[1], []))
        assert result.status == 0, (words, result.err)
