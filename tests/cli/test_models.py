"""``fprnet models`` as users call it."""

import json

from fprnet.config import load_config, preset_names
from fprnet.runs.preset_summary import summarise


def test_released_has_the_published_number_of_parameters(fprnet):
    result = fprnet("models", "--json")
    assert result.status == 0
    presets = json.loads(result.out)
    assert list(presets) == preset_names()
    # Counted in the authors' public code at 395 identities, ImageNet classifiers left out.
    assert presets["released"]["parameters"] == 53_844_630
    assert presets["released"]["embedding_size"] == 512
    assert presets["fprnet"]["embedding_size"] == 2048 + 3 * 256


def test_classifiers_grow_with_the_identities():
    config = load_config("released")
    one, two = (summarise(config, identities=count).parameters for count in (395, 396))
    assert two - one == (512 + 1) + (64 + 1)  # a row and a bias of the main and fusion classifiers


def test_table_has_a_line_for_each_preset(fprnet):
    lines = fprnet("models", "--scale", "tiny").out.splitlines()
    assert [line.split()[0] for line in lines] == ["preset", *preset_names()]
    assert all(len(line) <= 200 for line in lines)
