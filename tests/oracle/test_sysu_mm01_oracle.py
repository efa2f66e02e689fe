"""The official split of SYSU-MM01: counts, gallery picks and scores that other code computed."""

import json
import os
from pathlib import Path

import numpy as np
import pytest

from feature_files import write_matlab
from fprnet.data.protocols.sysu_mm01 import sysu_mm01_protocol
from fprnet.data.sysu_mm01 import (
    INFRARED_CAMERAS,
    VISIBLE_CAMERAS,
    GalleryPermutations,
    SysuSplit,
    read_split,
)
from fprnet.embeddings.formats import read_any_features
from fprnet.embeddings.store import Features, write_features
from sysu_cases import evaluate

REPOSITORY = Path(__file__).resolve().parents[2]
ORACLES = Path(os.environ.get("FPRNET_ORACLES", REPOSITORY / "../shared/oracles")) / "sysu-mm01"

pytestmark = pytest.mark.skipif(
    not ORACLES.is_dir(), reason=f"no oracle files at {ORACLES} (set FPRNET_ORACLES)"
)


@pytest.fixture(scope="module")
def split() -> SysuSplit:
    return read_split(ORACLES, needed=("train", "test"))


def seeded_features(permutations: GalleryPermutations) -> Features:
    """The recipe of the oracle: random numbers drawn by camera, identity, image."""
    random = np.random.RandomState(20240607)
    people, cameras = random.randn(533, 16), random.randn(6, 16)
    vectors, rows = [], []
    for camera, identity in sorted(permutations.cells):
        number = permutations.images(camera, identity)
        noise = random.randn(number, 16)
        vectors.append(np.round(0.6 * people[identity - 1] + 0.5 * cameras[camera - 1] + noise, 3))
        rows += [(camera, identity, index) for index in range(1, number + 1)]
    camera, identity, index = np.array(rows).T
    return Features(
        features=np.concatenate(vectors).astype(np.float32),
        identity=identity,
        camera=camera,
        modality=np.where(np.isin(camera, VISIBLE_CAMERAS), "visible", "infrared"),
        path=np.array([f"cam{c}/{i:04d}/{n:04d}.jpg" for c, i, n in rows]),
        index=index,
    )


@pytest.fixture(scope="module")
def features(split: SysuSplit) -> Features:
    return seeded_features(split.permutations)


def test_images_of_the_data_set(split: SysuSplit) -> None:
    permutations = split.permutations
    assert (len(split.train), len(split.test)) == (296, 96)
    validation = [identity for identity in range(334, 434) if identity != 347]
    trained = [*split.train, *validation]
    assert len(trained) == 395

    def count(cameras, people) -> int:
        return sum(permutations.images(c, i) for c in cameras for i in people)

    everybody = range(1, 534)
    assert count(VISIBLE_CAMERAS, everybody) == 30071
    assert count(INFRARED_CAMERAS, everybody) == 15792
    assert count(VISIBLE_CAMERAS, trained) == 22258
    assert count(INFRARED_CAMERAS, trained) == 11909
    assert [count([camera], split.test) for camera in INFRARED_CAMERAS] == [1883, 1920]
    tested = [sum(permutations.images(c, i) > 0 for i in split.test) for c in range(1, 7)]
    assert tested == [56, 56, 93, 94, 95, 96]


def test_images_per_identity_and_camera(split: SysuSplit) -> None:
    expected = json.loads((ORACLES / "images_per_identity_and_camera.json").read_text())
    assert {
        (int(camera.removeprefix("cam")), int(identity)): number
        for camera, people in expected.items()
        for identity, number in people.items()
        if number
    } == {place: cell.shape[1] for place, cell in split.permutations.cells.items()}


def test_single_shot_gallery_picks(split: SysuSplit, features: Features) -> None:
    expected = json.loads((ORACLES / "single_shot_gallery_picks.json").read_text())
    protocol = sysu_mm01_protocol(features, split)
    assert features.index is not None
    for number, trial in enumerate(protocol.trials, start=1):
        picks = {
            (int(camera.removeprefix("cam")), int(identity), position)
            for camera, people in expected[str(number)].items()
            for identity, position in people.items()
        }
        columns = (features.camera, features.identity, features.index)
        drawn = zip(*(column[trial.gallery].tolist() for column in columns), strict=True)
        assert set(drawn) == picks


@pytest.mark.parametrize("gallery", ["official", "seeded"])
@pytest.mark.parametrize(
    ("mode", "shots", "valid", "size", "identities"),
    [
        ("all", 1, 3803, 301, 96),
        ("all", 10, 3803, 3010, 96),
        ("indoor", 1, 2208, 112, 56),
        ("indoor", 10, 2208, 1120, 56),
    ],
)
def test_sizes_of_the_protocol(
    split: SysuSplit,
    features: Features,
    mode: str,
    shots: int,
    valid: int,
    size: int,
    identities: int,
    gallery: str,
) -> None:
    options = {"mode": mode, "shots": shots, "gallery": gallery, "trials": 2}
    scores = evaluate(features, split, **options)
    assert (scores.queries, scores.valid_queries, scores.gallery_size) == (3803, valid, size)
    protocol = sysu_mm01_protocol(features, split, **options)
    for trial in protocol.trials:
        assert len(set(features.identity[trial.gallery].tolist())) == identities
        seen_by_camera_3 = protocol.exclusion_group[trial.gallery] != 2
        if (mode, shots) == ("all", 1):
            assert int(seen_by_camera_3.sum()) == 245


def test_chance(split: SysuSplit, features: Features) -> None:
    generator = np.random.default_rng(0)
    noise = generator.standard_normal(features.features.shape, dtype=np.float32)
    chance = Features(
        **{
            name: getattr(features, name)
            for name in ("identity", "camera", "modality", "path", "index")
        },
        features=noise,
    )
    for mode, rank_1, mean_ap in (("all", 0.0104, 0.0302), ("indoor", 0.0179, 0.0695)):
        metrics = evaluate(chance, split, mode=mode).rows["plain"].metrics
        assert metrics["rank-1"].mean == pytest.approx(rank_1, abs=0.002)
        assert metrics["mAP"].mean == pytest.approx(mean_ap, abs=0.002)


@pytest.mark.parametrize("form", ["npz", "matlab", "matlab 7.3"])
def test_scores_of_an_independent_evaluator_to_every_digit(
    split: SysuSplit, features: Features, tmp_path: Path, form: str
) -> None:
    oracle = json.loads((ORACLES / "seeded_features_all_search_1shot.json").read_text())
    expected = oracle["results"]["all_1shot"]
    if form == "npz":
        path = tmp_path / "seeded.npz"
        write_features(path, features)
    else:
        path = write_matlab(tmp_path, features, v73=form == "matlab 7.3")
    metrics = evaluate(read_any_features(path), split).rows["plain"].metrics
    columns = [metrics[name] for name in ("rank-1", "rank-5", "rank-10", "rank-20", "mAP")]
    per_trial = np.array([column.per_trial for column in columns]).T
    np.testing.assert_allclose(per_trial, expected["per_trial"], rtol=0, atol=1e-14)
    assert [round(column.mean, 6) for column in columns] == [
        *(0.068288, 0.241073, 0.384486, 0.574546, 0.093333)
    ]
