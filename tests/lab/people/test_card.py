"""Cards, statistics and the three commands, as users call them."""

import json

import numpy as np
import pytest

from fprnet.errors import DataError
from fprnet_lab.people.card import card_of, read_options
from fprnet_lab.people.options import PeopleOptions
from fprnet_lab.people.site import read_site
from fprnet_lab.people.statistics import image_statistics

SITE = "season: 0.9\ncameras: {1: {height: 3, distance: [4, 9], outdoors: true}}\n"
COUNTS = ("--identities", 3, "--validation-identities", 1, "--test-identities", 2)


@pytest.fixture
def made(fprnet, tmp_path):
    (tmp_path / "site.yaml").write_text(SITE)
    root = tmp_path / "set"
    words = ("--images-per-camera", 1, "--size", "48x24", "--world", "2,5-6", "--seed", 4)
    site = ("--site", tmp_path / "site.yaml", "--workers", 1)
    result = fprnet("data", "generate", root, *COUNTS, *words, *site)
    assert result.status == 0, result.err
    return root


def test_a_card_knows_what_was_asked_for(made, fprnet, tmp_path):
    complete, options = read_options(made)
    assert complete
    site = read_site(tmp_path / "site.yaml")
    assert options == PeopleOptions(3, 1, 2, 1, (48, 24), 4, (2, 5, 6), site=site)
    card = card_of(made)
    assert sum(card.images.values()) == len(list(made.rglob("*.jpg")))
    for shares in card.people.values():
        assert sum(shares.values()) == pytest.approx(1)
    assert card.people["season"] == {"warm": 1}
    text = fprnet("data", "card", made).out
    for word in ("CC0", "Nobody in it exists", "--world 2,5,6", "3 to train", "women"):
        assert word in text
    about = json.loads(fprnet("data", "card", made, "--json", "--statistics", 5).out)
    assert about["images"] == card.images
    assert about["statistics"]["visible"]["images"] == 5


def test_the_printed_command_makes_the_same_set(made, fprnet, tmp_path):
    words = card_of(made).command().split()[3:]
    words = [str(tmp_path / "site.yaml") if word == "FILE" else word for word in words]
    again = fprnet("data", "generate", tmp_path / "again", *words[1:], "--workers", 1)
    assert again.status == 0, again.err
    first, second = (sorted(root.rglob("*.*")) for root in (made, tmp_path / "again"))
    assert [file.read_bytes() for file in first] == [file.read_bytes() for file in second]


def test_statistics_stand_beside_others(made, fprnet, tmp_path):
    other = tmp_path / "others.json"
    rows = {"a camera, visible": {"mean": [1, 2, 3, 4, 5]}, "note": "no set"}
    other.write_text(json.dumps(rows))
    result = fprnet("data", "card", made, "--statistics", 4, "--against", other)
    assert result.status == 0
    assert "2 to 4" in result.out
    assert fprnet("data", "card", made, "--against", other).status == 2


def test_a_folder_without_rendered_people_has_no_card(fprnet, tmp_path):
    assert "fprnet data generate" in fprnet("data", "card", tmp_path).complaint
    (tmp_path / "exp").mkdir()
    (tmp_path / "exp" / "generator.json").write_text('{"generator": "people", "version": "x"}')
    with pytest.raises(DataError, match="damaged"):
        read_options(tmp_path)


def test_a_card_of_another_version_is_refused(made):
    marker = made / "exp" / "generator.json"
    about = json.loads(marker.read_text())
    marker.write_text(json.dumps(about | {"version": 3}))
    with pytest.raises(DataError, match="version 3"):
        card_of(made)


def test_statistics_of_simple_images():
    half = np.zeros((128, 64, 3), np.uint8)
    half[:, :32] = 200
    found = image_statistics(half)
    assert found["mean"] == pytest.approx(100)
    assert found["std"] == pytest.approx(100)
    assert (found["p5"], found["p95"]) == pytest.approx((0, 200))
    assert found["saturation"] == 0
    assert found["centre_minus_border"] == pytest.approx(0)
    # Of 64 columns two have the edge in their central difference: 100 each.
    assert found["gradient"] == pytest.approx(2 * 100 / 64)
    red = np.zeros((128, 64, 3), np.uint8)
    red[:, :, 0] = 100
    assert image_statistics(red)["saturation"] == pytest.approx(1)


def test_noise_has_a_flat_spectrum():
    noise = np.random.default_rng(0).integers(0, 255, (128, 64, 1))
    found = image_statistics(np.repeat(noise, 3, 2).astype(np.uint8))
    assert found["spectrum_slope"] == pytest.approx(0, abs=0.2)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--world", "a"), "'a'"),
        (("--world", "5-3"), "5-3"),
        (("--shard", "3/2"), "3/2"),
        (("--layout", "market"), "market"),
        (("--site", "nowhere.yaml"), "nowhere.yaml"),
    ],
)
def test_wrong_words_of_generate_are_named(fprnet, tmp_path, words, said):
    result = fprnet("data", "generate", tmp_path / "set", *words)
    assert result.status == 2
    assert said in result.complaint
    assert not (tmp_path / "set").exists()


def test_a_film_from_the_command_line(fprnet, tmp_path):
    words = ("--identities", 2, "--seconds", 0.3, "--rate", 5, "--size", "96x128", "--world", 3)
    result = fprnet("data", "film", tmp_path / "film", *words)
    assert result.status == 0, result.err
    assert len(list((tmp_path / "film" / "frames").glob("*.jpg"))) == 2
    assert fprnet("data", "film", tmp_path / "film", *words).status == 2


def test_films_after_the_last_year_are_refused_before_the_first(fprnet, tmp_path):
    words = ("--camera", 4, "--camera", 5, "--seconds", 2, "--start", "9999-12-31T23:59:59")
    result = fprnet("data", "film", tmp_path / "films", *words)
    assert (result.status, "is no date" in result.complaint) == (2, True)
    assert not (tmp_path / "films").exists()
