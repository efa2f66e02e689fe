"""Protocols of RegDB, LLCM and manifests: against slow loops, both directions, and their errors."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from layout_cases import MANIFEST, write_llcm, write_manifest, write_regdb

from fprnet.data.data_set import DataSet, open_data_set
from fprnet.data.held_out import open_for_test
from fprnet.data.protocols.llcm import llcm_protocol
from fprnet.data.protocols.protocol import NEVER_EXCLUDED
from fprnet.data.protocols.regdb import regdb_protocol
from fprnet.data.records import Records
from fprnet.embeddings.store import Features
from fprnet.errors import ConfigError, FeaturesError, UsageError
from fprnet.evaluation.data_set_protocol import make_protocol
from fprnet.evaluation.scores import score
from sysu_cases import by_definition, small_features, small_split

BOTH = {
    "infrared-to-visible": ("infrared", "visible"),
    "visible-to-infrared": ("visible", "infrared"),
}


def features_of(records: Records, *, seed: int = 0, dimensions: int = 2) -> Features:
    """Whole numbers from a small range, so that many distances tie."""
    generator = np.random.default_rng(seed)
    return Features(
        features=generator.integers(0, 3, (len(records), dimensions)).astype(np.float32),
        identity=records.identity,
        camera=records.camera,
        modality=records.modality,
        path=records.path,
        index=records.index,
    )


def check_scores(scores, features, tasks, removed, cmc) -> None:
    """Compare with the definition: ``tasks`` are lists of query and gallery rows per trial."""
    for trial, (queries, gallery) in enumerate(tasks):
        found = []
        for query in queries:
            gaps = features.features[gallery] - features.features[query]
            away = [removed(query, image) for image in gallery]
            identities = features.identity[gallery]
            found.append(
                by_definition((gaps**2).sum(1), features.identity[query], identities, away)
            )
        valid = [one for one in found if one is not None]
        assert scores.queries == len(queries)
        assert scores.gallery_size == len(gallery)
        assert scores.valid_queries == len(valid)
        metrics = scores.rows["plain"].metrics
        means = {
            "mAP": np.mean([one.average_precision for one in valid]),
            "mINP": np.mean([one.inverse_negative_penalty for one in valid]),
            "rank-1": np.mean([getattr(one, f"{cmc}_rank") <= 1 for one in valid]),
            "rank-5": np.mean([getattr(one, f"{cmc}_rank") <= 5 for one in valid]),
        }
        for name, mean in means.items():
            assert metrics[name].per_trial[trial] == pytest.approx(mean, abs=1e-12), name


@pytest.fixture
def regdb_set(tmp_path: Path) -> DataSet:
    return open_data_set(write_regdb(tmp_path / "regdb", images=3), split=2)


@pytest.fixture
def llcm_set(tmp_path: Path) -> DataSet:
    return open_data_set(write_llcm(tmp_path / "llcm"))


@pytest.fixture
def manifest_set(tmp_path: Path) -> DataSet:
    return open_data_set(write_manifest(tmp_path / "manifest"))


# RegDB


@pytest.mark.parametrize("direction", BOTH)
def test_regdb_is_image_level_and_removes_nothing(regdb_set, direction) -> None:
    features = features_of(regdb_set.records())
    protocol = make_protocol(features, regdb_set, {"direction": direction})
    assert protocol.settings == {"split": 2, "direction": direction}
    assert set(protocol.exclusion_group.tolist()) == {NEVER_EXCLUDED}
    tested = np.isin(features.identity, (1, 3, 5))  # an even split tests the odd ones
    tasks = [[np.flatnonzero(tested & (features.modality == side)) for side in BOTH[direction]]]
    scores = score(features, protocol)
    assert (scores.queries, scores.gallery_size, scores.trials) == (9, 9, 1)
    check_scores(scores, features, tasks, lambda query, image: False, "image")


def test_regdb_counts_images_where_sysu_mm01_counts_identities(regdb_set) -> None:
    # Query: identity 1. Gallery by distance: 3, 3, 1 -> rank 3 by images, 2 by identities.
    records = regdb_set.records()
    features = features_of(records.of((1, 3)), dimensions=1)
    values = np.where(features.identity == 1, 9.0, 1.0).astype(np.float32)
    values[(features.identity == 3) & (features.index == 3)] = 10
    values[features.modality == "infrared"] = 0
    one = replace(features, features=values[:, None])
    protocol = regdb_protocol(one, regdb_set.split, identities=(1, 3))
    row = score(one, protocol).rows["plain"]
    # Of identity 1's queries the first image of 1 is third; those of 3 are first.
    assert row.curve[0].mean == 0.5
    assert row.curve[1].mean == 0.5  # identity level would be 1
    assert row.curve[2].mean == 1


def test_regdb_features_must_hold_the_listed_images(regdb_set) -> None:
    features = features_of(regdb_set.records())
    lost = features.where(features.path != "Thermal/3/male_front_t_00002_3.bmp")
    with pytest.raises(FeaturesError, match="hold 2 of 3 infrared images of identity 3"):
        make_protocol(lost, regdb_set)
    with pytest.raises(FeaturesError, match="identity 77 is not in the lists of split 2"):
        make_protocol(features, regdb_set, identities=(1, 77))
    with pytest.raises(UsageError, match="no identities to test"):
        make_protocol(features, regdb_set, identities=())


def test_a_model_of_another_split_is_refused(regdb_set) -> None:
    root, trained = regdb_set.root, {"data": {"layout": "regdb", "split": 2}}
    assert open_for_test(root, trained).number == 2
    assert open_for_test(root, {}, split=7).number == 7
    with pytest.raises(UsageError, match=r"trained on split 2 of regdb.* give --split 2, or a"):
        open_for_test(root, trained, split=3)
    with pytest.raises(UsageError, match="has 10 splits"):
        open_for_test(root, {"data": {"layout": "llcm", "split": None}})


# LLCM


def llcm_draws(root: Path, kind: str) -> list[list[str]]:
    """As the authors' ``process_gallery_llcm`` draws a gallery from the folders."""
    draws = []
    for trial in range(10):
        random.seed(trial)
        files = []
        for identity in ("0003", "0012"):
            for camera in range(1, 10):
                folder = root / f"test_{kind}" / f"cam{camera}" / identity
                if folder.is_dir():
                    images = sorted(file.relative_to(root).as_posix() for file in folder.iterdir())
                    files.append(random.choice(images))
        draws.append(files)
    return draws


@pytest.mark.parametrize(("direction", "kind"), [*zip(BOTH, ("vis", "nir"), strict=True)])
@pytest.mark.parametrize("with_index", [True, False])
def test_llcm_draws_and_scores_as_defined(llcm_set, direction, kind, with_index) -> None:
    features = features_of(llcm_set.records())
    features = features if with_index else replace(features, index=None)
    protocol = make_protocol(features, llcm_set, {"direction": direction})
    drawn = [sorted(features.path[trial.gallery].tolist()) for trial in protocol.trials]
    assert drawn == [sorted(files) for files in llcm_draws(llcm_set.root, kind)]
    tested = np.isin(features.identity, (3, 12))
    query = np.flatnonzero(tested & (features.modality == BOTH[direction][0]))
    row_of = {path: row for row, path in enumerate(features.path.tolist())}
    # Ties in the gallery are broken by camera, then identity.
    tasks = [
        (query, sorted((row_of[file] for file in files), key=lambda row: protocol.order[row]))
        for files in llcm_draws(llcm_set.root, kind)
    ]

    def removed(one: int, other: int) -> bool:
        return bool(
            features.identity[one] == features.identity[other]
            and features.camera[one] == features.camera[other]
        )

    check_scores(score(features, protocol), features, tasks, removed, "identity")


def test_swapped_asks_the_drawn_images_for_all_visible_ones(llcm_set) -> None:
    features = features_of(llcm_set.records())
    options = {"direction": "visible-to-infrared", "swapped": True}
    protocol = make_protocol(features, llcm_set, options)
    assert protocol.settings["swapped"] == "as the released code"
    for trial, files in zip(protocol.trials, llcm_draws(llcm_set.root, "nir"), strict=True):
        assert features.path[trial.query].tolist() == files
        assert len(trial.gallery) == 8
        assert set(features.modality[trial.gallery].tolist()) == {"visible"}
    plain = make_protocol(features, llcm_set, {"direction": "visible-to-infrared"})
    assert "swapped" not in plain.settings
    with pytest.raises(UsageError, match="swapped is of direction visible-to-infrared, not of inf"):
        llcm_protocol(features, llcm_set.split, swapped=True)


def test_llcm_removes_identity_and_camera_together(llcm_set) -> None:
    features = features_of(llcm_set.records())
    place = make_protocol(features, llcm_set).exclusion_group
    same = place[:, None] == place[None]
    expected = (features.identity[:, None] == features.identity) & (
        features.camera[:, None] == features.camera
    )
    np.testing.assert_array_equal(same, expected)


def test_llcm_features_that_cannot_be_scored(llcm_set) -> None:
    features = features_of(llcm_set.records())
    first = (features.identity == 12) & (features.camera == 2) & (features.index == 1)
    with pytest.raises(FeaturesError, match="hold 2 of 3 images of identity 12 in camera 2"):
        make_protocol(features.where(~(first & (features.modality == "visible"))), llcm_set)
    with pytest.raises(FeaturesError, match="lack 1 of 2 identities to test, the first is 3"):
        make_protocol(features.where(features.identity != 3), llcm_set)
    unknown = replace(features, camera=np.full(len(features), -1), index=None)
    with pytest.raises(FeaturesError, match="has camera -1 but LLCM has cameras 1 to 9"):
        make_protocol(unknown, llcm_set)
    with pytest.raises(UsageError, match="trials is 0"):
        make_protocol(features, llcm_set, {"trials": 0})


# Manifest


@pytest.mark.parametrize("direction", BOTH)
def test_manifest_removes_the_query_s_location_for_every_identity(manifest_set, direction) -> None:
    features = features_of(manifest_set.split.listed)
    protocol = make_protocol(features, manifest_set, {"direction": direction})
    assert protocol.settings == {"direction": direction, "removed": "same location"}
    tested = np.isin(features.identity, (1, 2))
    tasks = [[np.flatnonzero(tested & (features.modality == side)) for side in BOTH[direction]]]
    location = manifest_set.split.listed.location

    def removed(query: int, image: int) -> bool:
        return bool(location[query] == location[image])

    scores = score(features, protocol)
    check_scores(scores, features, tasks, removed, "identity")
    # Identity 2 has one image of each modality, both at location 7: no match is left for it.
    assert scores.valid_queries == (1 if direction == "infrared-to-visible" else 2)


def test_manifest_without_cameras_removes_nothing_and_says_so(tmp_path) -> None:
    lines = "path,identity,modality\na.png,1,visible\nb.png,1,infrared\nc.png,2,visible\n"
    data_set = open_data_set(write_manifest(tmp_path, lines), needed=("test",))
    features = features_of(data_set.records())
    protocol = make_protocol(features, data_set)
    assert protocol.settings["removed"] == "nothing, no camera is known"
    assert score(features, protocol).valid_queries == 1


def test_manifest_says_for_how_many_images_the_location_is_unknown(tmp_path) -> None:
    text = MANIFEST.replace("b/2.png,1,1,", "b/2.png,1,,")
    data_set = open_data_set(write_manifest(tmp_path, text))
    protocol = make_protocol(features_of(data_set.records()), data_set)
    assert protocol.settings["removed"] == "same location, unknown for 1 of 5 images"


def test_manifest_roles_may_mix_modalities(tmp_path) -> None:
    lines = [
        "path,identity,modality,role",
        *("a,1,visible,query", "b,1,visible,gallery", "c,2,infrared,gallery", "d,2,visible,"),
    ]
    data_set = open_data_set(write_manifest(tmp_path, "\n".join(lines)), needed=("test",))
    features = features_of(data_set.records())
    protocol = make_protocol(features, data_set)
    (trial,) = protocol.trials
    assert features.path[trial.query].tolist() == ["a"]
    assert features.path[trial.gallery].tolist() == ["b", "c"]
    assert protocol.settings["direction"] == "by role"
    with pytest.raises(UsageError, match="role both say who queries whom"):
        make_protocol(features, data_set, {"direction": "infrared-to-visible"})


def test_manifest_and_features_must_agree(manifest_set) -> None:
    features = features_of(manifest_set.records())
    with pytest.raises(FeaturesError, match=r"lack 1 of 5 images of the manifest, .* b/2\.png"):
        make_protocol(features.where(features.path != "b/2.png"), manifest_set)
    other = np.where(features.path == "c/1.png", 1, features.identity)
    wrong = replace(features, identity=other, index=None)
    with pytest.raises(FeaturesError, match="has identity 1 but the manifest says 2"):
        make_protocol(wrong, manifest_set)


# All


def test_options_of_other_layouts_are_refused(regdb_set, llcm_set, manifest_set) -> None:
    for data_set, options, message in (
        (regdb_set, {"mode": "indoor"}, "mode indoor has no meaning for regdb, which takes direc"),
        (llcm_set, {"shots": 10}, "which takes direction, swapped, trials; leave it out"),
        (manifest_set, {"swapped": True}, "swapped True has no meaning for manifest"),
    ):
        features = features_of(data_set.records())
        with pytest.raises(UsageError, match=message):
            make_protocol(features, data_set, dict(**options))


def test_values_of_another_type_are_refused(regdb_set, llcm_set) -> None:
    features = features_of(regdb_set.records())
    with pytest.raises(ConfigError, match=r"direction is up, .* infrared-to-visible"):
        make_protocol(features, regdb_set, {"direction": "up"})
    with pytest.raises(ConfigError, match=r"trials is many"):
        make_protocol(features_of(llcm_set.records()), llcm_set, {"trials": "many"})


def test_sysu_mm01_has_one_direction() -> None:
    data_set = DataSet("sysu-mm01", Path("x"), (7,), (), (1, 2, 3), small_split())
    features = small_features()
    options = {"direction": "infrared-to-visible", "shots": 2}
    assert make_protocol(features, data_set, options).settings["shots"] == 2
    with pytest.raises(UsageError, match="visible-to-infrared is not defined for sysu-mm01"):
        make_protocol(features, data_set, {"direction": "visible-to-infrared"})
