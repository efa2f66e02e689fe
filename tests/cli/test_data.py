"""``fprnet data`` as users call it."""

import json
import shutil

import pytest

from fprnet.cli.main import main
from fprnet.data.sysu_mm01 import read_records, read_split
from fprnet_lab.cli.generate import COUNTS, INGREDIENTS, LAYOUTS
from fprnet_lab.people import ingredients
from fprnet_lab.people.options import LAYOUT_DEFAULTS, PeopleOptions


def test_generated_set_passes_its_check(fprnet, tmp_path):
    root = tmp_path / "made"
    counts = ("--identities", 3, "--validation-identities", 1, "--test-identities", 2)
    words = ("data", "generate", root, *counts, "--images-per-camera", 1, "--size", "48x24")
    made = fprnet(*words, "--workers", 1)
    assert made.status == 0, made.err
    assert f"fprnet train --scale tiny --data {root}" in made.out
    split = read_split(root)
    assert [len(part) for part in (split.train, split.validation, split.test)] == [3, 1, 2]
    checked = fprnet("data", "check", root, "--json", "--workers", 1)
    assert checked.status == 0, checked.out
    assert json.loads(checked.out)["problems"] == []
    assert len(read_records(root)) > 0


def test_help_of_generate_tells_the_defaults(capsys):
    assert tuple(LAYOUT_DEFAULTS) == LAYOUTS
    assert ingredients.INGREDIENTS == INGREDIENTS
    plain = PeopleOptions()
    for name, (_, told) in COUNTS.items():
        expected = [str(getattr(plain, name))]
        for layout in LAYOUTS[1:]:
            value = getattr(PeopleOptions.of_layout(layout), name)
            if value != getattr(plain, name):
                expected.append(f"of {layout} {value or 'none'}")
        assert told == ", ".join(expected), name
    with pytest.raises(SystemExit):
        main(["data", "generate", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    height, width = plain.size
    assert f"(default: {height}x{width}," in said
    assert f"(default: {plain.seed})" in said
    assert COUNTS["identities"][1] in said


def test_check_lists_all_problems_at_once(fprnet, tiny_set, tmp_path):
    root = shutil.copytree(tiny_set, tmp_path / "set", ignore=shutil.ignore_patterns(".*"))
    images = sorted((root / "cam4").rglob("*.jpg"))
    images[0].write_bytes(b"")
    images[1].write_bytes(b"no image")
    (root / "exp" / "val_id.txt").unlink()
    result = fprnet("data", "check", root, "--workers", 1)
    assert result.status == 2
    for told in (images[0].name, images[1].name, "val_id"):
        assert told in result.out
