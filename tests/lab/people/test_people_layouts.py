"""Who is seen by which camera, and the permutations in the official form."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from fprnet.data.data_set import open_data_set
from fprnet.data.sysu_mm01 import read_split
from fprnet.errors import DataError
from fprnet_lab.people.layouts import sysu_mm01
from fprnet_lab.people.options import PeopleOptions
from fprnet_lab.people.writer import generate

SMALL = PeopleOptions(
    identities=2, validation_identities=1, test_identities=1, images_per_camera=1, size=(48, 24)
)
ORACLES = Path(
    os.environ.get("FPRNET_ORACLES", Path(__file__).parents[3] / ".." / "shared" / "oracles")
)


def permutations(folder: Path, options: PeopleOptions) -> np.ndarray:
    """What a set of these options lists; no picture is made."""
    sysu_mm01.write_lists(folder, options)
    return scipy.io.loadmat(folder / "exp" / "rand_perm_cam.mat")["rand_perm_cam"]


def test_permutations_have_the_official_structure(tmp_path):
    file = ORACLES / "sysu-mm01" / "rand_perm_cam.mat"
    if not file.is_file():
        pytest.skip(f"{file} is not here")
    official = scipy.io.loadmat(file)["rand_perm_cam"]
    ours = permutations(tmp_path, PeopleOptions())
    assert (ours.shape, ours.dtype) == (official.shape, official.dtype)
    kinds = []
    for cells in (ours, official):
        inner = [cell for camera in cells[:, 0] for cell in camera[:, 0]]
        kinds.append({(len(cell), cell.dtype, cell.size == 0) for cell in inner})
        assert all(camera.shape[1] == 1 and camera.dtype == object for camera in cells[:, 0])
    assert kinds[0] == kinds[1]


def test_each_trial_permutes_the_images_of_a_camera(tmp_path):
    cells = permutations(tmp_path, SMALL)
    for camera, inner in enumerate(cells[:, 0], start=1):
        for identity, cell in enumerate(inner[:, 0], start=1):
            count = sysu_mm01.images_of(SMALL, identity).get(camera, 0)
            np.testing.assert_array_equal(np.sort(cell), [np.arange(1, count + 1)] * 10)


def test_who_is_seen_where():
    everybody = PeopleOptions(outdoor_share=0, missed_share=0)
    assert all(len(sysu_mm01.images_of(everybody, identity)) == 6 for identity in range(1, 50))
    outdoors = PeopleOptions(outdoor_share=1, missed_share=0)
    assert set(sysu_mm01.images_of(outdoors, 1)) == {3, 4, 5, 6}
    missed = PeopleOptions(missed_share=1)
    assert set(sysu_mm01.images_of(missed, 1)) == {5, 6}  # one visible and one infrared remain


def test_the_default_identities_bring_up_the_special_cases():
    options = PeopleOptions()
    everybody = range(1, options.total + 1)
    seen = [set(sysu_mm01.images_of(options, identity)) for identity in everybody]
    no_indoor_match = [cameras for cameras in seen if not cameras & {1, 2}]
    only_at_the_query_location = [c for c in seen if 3 in c and 2 in c and 1 not in c]
    assert no_indoor_match
    assert only_at_the_query_location
    assert all(cameras & {1, 2, 4, 5} and cameras & {3, 6} for cameras in seen)
    counts = {n for i in everybody for n in sysu_mm01.images_of(options, i).values()}
    assert counts == {5, 6, 7}


def test_a_visible_only_world(tmp_path):
    options = replace(SMALL, cameras=(1, 2, 4, 5), test_identities=0)
    generate(tmp_path / "visible", options, progress=False)
    folders = sorted(path.name for path in (tmp_path / "visible").iterdir())
    assert folders == ["cam1", "cam2", "cam4", "cam5", "exp"]
    split = read_split(tmp_path / "visible", needed=("train",))
    assert split.test == ()
    assert split.permutations.images(3, 1) == 0


def test_splits_of_regdb_are_random_halves(tmp_path):
    options = PeopleOptions.of_layout(
        "regdb", identities=3, test_identities=3, images_per_camera=1, size=(24, 24)
    )
    generate(tmp_path / "set", options, progress=False)
    tested = {open_data_set(tmp_path / "set", split=n).test for n in range(1, 11)}
    assert len(tested) > 5
    assert {len(people) for people in tested} == {3}


def test_options_that_a_layout_does_not_have():
    assert PeopleOptions.of_layout("regdb").images_per_camera == 10
    assert PeopleOptions.of_layout("sysu-mm01", seed=None) == PeopleOptions()
    with pytest.raises(DataError, match=r"llcm lists no validation identities, but valid.* is 3"):
        PeopleOptions.of_layout("llcm", validation_identities=3)
    with pytest.raises(DataError, match="layout 'market' is unknown; choose sysu-mm01"):
        PeopleOptions.of_layout("market")
