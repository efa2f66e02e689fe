"""Which images query which gallery: the rules of SYSU-MM01, its two draws, and its errors."""

import random
from dataclasses import replace

import numpy as np
import pytest

from fprnet.data.protocols.protocol import NEVER_EXCLUDED, tie_order
from fprnet.data.protocols.sysu_mm01 import sysu_mm01_protocol
from fprnet.errors import DataError, FeaturesError, UsageError
from sysu_cases import IMAGES, small_features, small_split

FEATURES, SPLIT = small_features(), small_split()


def drawn(trial) -> list[str]:
    return FEATURES.path[trial.gallery].tolist()


def test_queries_are_all_infrared_images_of_the_test_identities() -> None:
    for trial in sysu_mm01_protocol(FEATURES, SPLIT).trials:
        assert sorted(set(FEATURES.camera[trial.query])) == [3, 6]
        assert sorted(set(FEATURES.identity[trial.query])) == [1, 2, 3]
        assert len(trial.query) == 3 + 2 + 2 + 4 + 1


@pytest.mark.parametrize(
    ("mode", "shots", "size"),
    [("all", 1, 6), ("indoor", 1, 3), ("all", 10, 25), ("indoor", 10, 17)],
)
def test_gallery_takes_what_there_is_where_images_are_fewer_than_shots(mode, shots, size) -> None:
    for gallery in ("official", "seeded"):
        protocol = sysu_mm01_protocol(FEATURES, SPLIT, mode=mode, shots=shots, gallery=gallery)
        assert [len(set(trial.gallery.tolist())) for trial in protocol.trials] == [size] * 10
        assert protocol.settings == {"mode": mode, "shots": shots, "gallery": gallery}


def test_official_gallery_is_the_first_positions_of_the_trial() -> None:
    protocol = sysu_mm01_protocol(FEATURES, SPLIT, shots=2)
    for number, trial in enumerate(protocol.trials, start=1):
        expected = [
            f"cam{camera}/{identity:04d}/{position:04d}.jpg"
            for camera in (1, 2, 4, 5)
            for identity in (1, 2, 3)
            for position in SPLIT.permutations.order(camera, identity, number)[:2]
        ]
        assert drawn(trial) == expected


def widely_copied_draw(trial: int, cameras, shots: int) -> list[str]:
    """As the public Python evaluators list a gallery from sorted folders."""
    random.seed(trial)
    files = []
    for identity in (1, 2, 3):
        for camera in cameras:
            count = IMAGES.get((camera, identity), 0)
            folder = [f"cam{camera}/{identity:04d}/{n:04d}.jpg" for n in range(1, count + 1)]
            if not folder:
                continue
            if shots == 1:
                files.append(random.choice(folder))
            else:
                files += random.sample(folder, k=min(shots, len(folder)))
    return files


@pytest.mark.parametrize("shots", [1, 2])
@pytest.mark.parametrize(("mode", "cameras"), [("all", (1, 2, 4, 5)), ("indoor", (1, 2))])
@pytest.mark.parametrize("with_index", [True, False])
def test_seeded_gallery_draws_what_the_public_evaluators_draw(
    mode, cameras, shots, with_index
) -> None:
    features = FEATURES if with_index else replace(FEATURES, index=None)
    protocol = sysu_mm01_protocol(features, SPLIT, mode=mode, shots=shots, gallery="seeded")
    for number, trial in enumerate(protocol.trials):
        assert drawn(trial) == widely_copied_draw(number, cameras, shots)


def test_cameras_2_and_3_are_one_place_and_unknown_cameras_are_nowhere() -> None:
    camera = FEATURES.camera.copy()
    camera[FEATURES.identity == 7] = -1
    protocol = sysu_mm01_protocol(replace(FEATURES, camera=camera), SPLIT)
    place = {int(c): int(p) for c, p in zip(camera, protocol.exclusion_group, strict=True)}
    assert place == {1: 1, 2: 2, 3: 2, 4: 4, 5: 5, 6: 6, -1: NEVER_EXCLUDED}


def test_other_identities_can_be_tested() -> None:
    protocol = sysu_mm01_protocol(FEATURES, SPLIT, identities=[7])
    assert FEATURES.path[protocol.trials[0].query].tolist() == [
        "cam6/0007/0001.jpg",
        "cam6/0007/0002.jpg",
    ]


def test_tie_order_does_not_depend_on_the_order_of_rows() -> None:
    shuffle = np.random.default_rng(3).permutation(len(FEATURES))
    assert np.array_equal(tie_order(FEATURES)[shuffle], tie_order(FEATURES.where(shuffle)))
    by_rank = FEATURES.path[np.argsort(tie_order(FEATURES))].tolist()
    assert by_rank == sorted(by_rank)  # camera, identity, position: as the paths are written


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"mode": "outdoor"}, "mode 'outdoor' is unknown; choose all or indoor"),
        ({"gallery": "random"}, "gallery 'random' is unknown; choose official or seeded"),
        ({"shots": 0}, "shots is 0; it must be 1 or more"),
        ({"trials": 0}, "trials is 0; it must be 1 or more"),
        ({"identities": []}, "no identities to test"),
    ],
)
def test_options_without_meaning(options, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        sysu_mm01_protocol(FEATURES, SPLIT, **options)


def test_more_trials_than_permutations() -> None:
    with pytest.raises(DataError, match="trial 11 is not in rand_perm_cam"):
        sysu_mm01_protocol(FEATURES, SPLIT, trials=11)


def test_official_gallery_needs_the_index() -> None:
    with pytest.raises(FeaturesError, match="have no index, which the official gallery needs"):
        sysu_mm01_protocol(replace(FEATURES, index=None), SPLIT)


def test_identity_that_the_split_does_not_know() -> None:
    with pytest.raises(FeaturesError, match=r"1 identities to test are not in .* first is 8"):
        sysu_mm01_protocol(FEATURES, SPLIT, identities=[1, 8])


def test_identity_that_the_features_lack() -> None:
    features = FEATURES.where(FEATURES.identity != 3)
    with pytest.raises(FeaturesError, match="hold 0 of 4 images of identity 3 in camera 3"):
        sysu_mm01_protocol(features, SPLIT)


def test_missing_query_image() -> None:
    features = FEATURES.where(FEATURES.path != "cam6/0001/0002.jpg")
    with pytest.raises(FeaturesError, match="hold 1 of 2 images of identity 1 in camera 6"):
        sysu_mm01_protocol(features, SPLIT)


def test_missing_gallery_image() -> None:
    features = FEATURES.where(FEATURES.path != "cam5/0002/0001.jpg")
    with pytest.raises(FeaturesError, match="image 1 of identity 2 in camera 5; extract all"):
        sysu_mm01_protocol(features, SPLIT)


def test_missing_gallery_image_without_index() -> None:
    features = replace(FEATURES, index=None).where(FEATURES.path != "cam1/0001/0002.jpg")
    with pytest.raises(FeaturesError, match="hold 3 of 4 images of identity 1 in camera 1"):
        sysu_mm01_protocol(features, SPLIT, gallery="seeded")


def test_no_visible_image_at_all() -> None:
    features = FEATURES.where(FEATURES.modality == "infrared")
    with pytest.raises(FeaturesError, match="lack 6 gallery images"):
        sysu_mm01_protocol(features, SPLIT)


def test_modality_that_contradicts_the_camera() -> None:
    modality = FEATURES.modality.copy()
    modality[FEATURES.path == "cam3/0002/0001.jpg"] = "visible"
    with pytest.raises(FeaturesError, match="says 'visible' but camera 3 of SYSU-MM01 is infrared"):
        sysu_mm01_protocol(replace(FEATURES, modality=modality), SPLIT)


def test_seeded_gallery_needs_no_permutations() -> None:
    without = replace(SPLIT, permutations=None)
    ours = sysu_mm01_protocol(FEATURES, without, gallery="seeded", shots=2)
    expected = sysu_mm01_protocol(FEATURES, SPLIT, gallery="seeded", shots=2)
    for one, other in zip(ours.trials, expected.trials, strict=True):
        assert one.gallery.tolist() == other.gallery.tolist()
        assert one.query.tolist() == other.query.tolist()
    with pytest.raises(DataError, match=r"wuancong/SYSU-MM01, or ask for the seeded gallery"):
        sysu_mm01_protocol(FEATURES, without)
