"""Probabilities and thresholds: worked by hand, monotone, and honest about people never seen."""

import json
import math
from dataclasses import asdict, replace

import numpy as np
import pytest

from fprnet.embeddings.store import Features
from fprnet.errors import FeaturesError, GalleryError
from fprnet.gallery.calibrating import (
    METHODS,
    Pairs,
    calibrate,
    calibrate_features,
    cross_fit,
    fit,
    pairs_of,
)
from fprnet.gallery.calibration import (
    Calibration,
    calibration_path,
    read_calibration,
    write_calibration,
)
from fprnet.gallery.strangers import same_modality, shown_of, templates_of


def by_hand():
    """Log ratio 0 at similarity 0 and ln 9 at 1; strangers evenly between 0 and 0.95, as far."""
    return Calibration(
        checkpoint_sha256="a" * 64,
        method="logistic",
        similarities=(0.0, 1.0),
        log_ratios=(0.0, math.log(9)),
        stranger_quantiles=tuple(np.arange(96) / 100),
        tail_scale=0.001,
        tail_shape=0.0,
    )


def drawn_pairs(people=40, seed=0, offset=0.25):
    """Two queries and three gallery images of each person, cosines around 0 or around offset."""
    generator = np.random.default_rng(seed)
    query, gallery = np.repeat(np.arange(people), 2), np.repeat(np.arange(people), 3)
    same = query[:, None] == gallery
    similarity = generator.normal(0, 0.1, same.shape) + offset * same
    return Pairs(similarity, np.ones_like(same), query, gallery)


def test_probability_by_hand():
    # Among 10 candidates of which 1 is the person the odds are 1 : 9 before looking; a likelihood
    # ratio of 9 makes them 1 : 1, one of 3 (half way, in logarithms) 1 : 3.
    assert by_hand().probability(1.0, 10) == pytest.approx(0.5)
    assert by_hand().probability(0.5, 10) == pytest.approx(0.25)
    assert by_hand().probability(0.0, 10) == pytest.approx(0.1)
    # Two images of the person among 11: 2 : 9 before.
    assert by_hand().probability(0.0, 11, 2) == pytest.approx(2 / 11)


@pytest.mark.parametrize("shape", [-0.5, 0.0, 0.3, 5.0])
def test_threshold_of_the_smallest_rates_is_a_cosine(shape):
    calibration = replace(by_hand(), tail_shape=shape)
    rates = (1e-6, 1e-300, 5e-324)
    thresholds = [calibration.threshold(rate, 10**9) for rate in rates]
    assert thresholds == sorted(thresholds)
    assert all(0.95 <= threshold <= 1 for threshold in thresholds)


def test_threshold_by_hand():
    # One candidate: the rate is that of one pair. 10 % of strangers are above 0.90.
    assert by_hand().threshold(0.1, 1) == pytest.approx(0.9)
    # Two candidates: 1 - 0.9 ** 2 = 0.19.
    assert by_hand().threshold(0.19, 2) == pytest.approx(0.9)
    # Beyond the last quantile the share of 5 % falls by e with each 0.001.
    assert by_hand().threshold(0.05 / math.e, 1) == pytest.approx(0.95 + 0.001)
    # Shape -1 is the uniform distribution, up to 0.95 + 0.05: 1 % is above 0.99.
    uniform = replace(by_hand(), tail_scale=0.05, tail_shape=-1.0)
    assert uniform.threshold(0.01, 1) == pytest.approx(0.99)
    with pytest.raises(GalleryError, match="false-match rate 1"):
        by_hand().threshold(1.0, 10)


def test_tails_of_known_distributions():
    generator = np.random.default_rng(0)
    pairs = drawn_pairs(people=200)
    for draw, threshold in (
        # The share of 1 in 10,000 lies above ...
        (generator.uniform(0, 0.9, pairs.similarity.shape), 0.9 * 0.9999),
        (generator.exponential(0.05, pairs.similarity.shape), 0.05 * math.log(10_000)),
        # ... the quantile of the normal distribution from a table.
        (generator.normal(0, 0.1, pairs.similarity.shape), 0.1 * 3.719),
    ):
        calibration = fit(replace(pairs, similarity=np.where(pairs.same, 0.95, draw)), "logistic")
        assert calibration.threshold(1e-4, 1) == pytest.approx(threshold, rel=0.03)
        assert calibration.tail_shape <= 0


@pytest.mark.parametrize("method", METHODS)
def test_a_model_that_has_it_upside_down_is_not_believed(method):
    calibration = fit(drawn_pairs(offset=-0.25), method)
    prior = 1 / 100
    assert calibration.probability(0.5, 100) == pytest.approx(prior, rel=0.1)
    assert calibration.probability(-0.5, 100) == pytest.approx(prior, rel=0.1)


@pytest.mark.parametrize("method", METHODS)
def test_more_alike_is_never_less_probable(method):
    calibration = fit(drawn_pairs(), method)
    stated = [calibration.probability(value, 100) for value in np.linspace(-1, 1, 101)]
    assert stated == sorted(stated)
    assert 0 < stated[0] < stated[-1] < 1


def test_logistic_of_two_normals_is_their_likelihood_ratio():
    # N(0.25, 0.1) against N(0, 0.1): log ratio = 25 s - 3.125.
    calibration = fit(drawn_pairs(people=150), "logistic")
    for value in (0.0, 0.125, 0.25):
        ratio = np.interp(value, calibration.similarities, calibration.log_ratios)
        assert ratio == pytest.approx(25 * value - 3.125, abs=0.5)


@pytest.mark.parametrize("method", METHODS)
def test_measured_on_other_people_it_is_honest(method):
    measured = cross_fit(drawn_pairs(people=100), method)
    assert measured.expected_calibration_error < 0.05
    # By definition, from the bins.
    matches = sum(one.matches for one in measured.bins)
    assert matches == 200 * 10
    assert measured.expected_calibration_error == pytest.approx(
        sum(one.matches * abs(one.stated - one.found) for one in measured.bins) / matches
    )
    # 200 searches: the standard error of a share of 10 % is 2 %.
    assert 0.04 < measured.false_matches["0.1"] < 0.16


def test_people_fitted_on_are_not_measured_on(monkeypatch):
    pairs = drawn_pairs(people=10)
    seen = []
    original = Pairs.of

    def of(self, people):
        seen.append(set(people))
        return original(self, people)

    monkeypatch.setattr(Pairs, "of", of)
    cross_fit(pairs, "logistic")
    assert len(seen) == 10
    for fitted, tried in zip(seen[::2], seen[1::2], strict=True):
        assert not fitted & tried
        assert fitted | tried == set(range(10))
    assert set.union(*seen[1::2]) == set(range(10))


def test_pairs_of_one_location_are_left_out():
    identity = np.repeat(np.arange(4), 2)
    features = Features(
        features=np.eye(8, dtype=np.float32),
        identity=identity,
        camera=np.array([3, 1] * 4),
        modality=np.array(["infrared", "visible"] * 4),
        path=np.array([f"{row}.jpg" for row in range(8)]),
        index=None,
        meta={},
    )
    pairs = pairs_of(features, np.array([2, 2, 2, 1, -1, 2, 3, -1]))
    assert pairs.compared.tolist() == [
        [False, True, False, True],
        [False, True, False, True],
        [True, True, True, True],
        [True, True, True, True],
    ]


def test_too_few_people():
    features = Features(
        features=np.eye(4, dtype=np.float32),
        identity=np.array([0, 0, 1, 1]),
        camera=np.array([3, 1, 3, 1]),
        modality=np.array(["infrared", "visible"] * 2),
        path=np.array([f"{row}.jpg" for row in range(4)]),
        index=None,
        meta={},
    )
    with pytest.raises(FeaturesError, match="2 people have images in both modalities"):
        pairs_of(features, np.zeros(4, dtype=np.int64))


def test_the_better_method_is_kept_and_comes_back_from_its_file(tmp_path):
    calibration, measured = calibrate(drawn_pairs(), "a" * 64)
    assert calibration.method == min(measured, key=lambda method: measured[method].log_loss)
    path = calibration_path(tmp_path / "best.pt")
    assert path.name == "best.calibration.json"
    write_calibration(path, calibration)
    again = read_calibration(path)
    assert again.probability(0.2, 50) == calibration.probability(0.2, 50)
    assert again.threshold(0.01, 50) == calibration.threshold(0.01, 50)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"format": 2}', '{"format": 1}'])
def test_files_that_are_no_calibration(tmp_path, content):
    path = tmp_path / "best.calibration.json"
    with pytest.raises(GalleryError, match="does not exist"):
        read_calibration(path)
    path.write_text(content)
    with pytest.raises(GalleryError, match=r"best\.calibration\.json"):
        read_calibration(path)


def seen(seed=0, people=30, images=3):
    """Images of people at four cameras, 1 and 2 by day and 3 and 4 by night, each a location."""
    random = np.random.default_rng(seed)
    person, camera = (
        column.ravel()
        for column in np.meshgrid(
            np.arange(people), np.tile(np.arange(1, 5), images), indexing="ij"
        )
    )
    centre = random.normal(size=(people, 16))
    light = np.where(camera[:, None] > 2, 1.0, -1.0) * random.normal(size=16)
    vectors = centre[person] + 0.7 * light + 0.6 * random.normal(size=(len(person), 16))
    features = Features(
        features=vectors.astype(np.float32),
        path=np.array([f"{n}.jpg" for n in range(len(person))]),
        identity=person.astype(np.int64),
        camera=camera.astype(np.int64),
        modality=np.where(camera > 2, "infrared", "visible"),
    )
    return features, camera.astype(np.int64)


def test_strangers_of_one_modality_are_those_of_all_loops():
    features, location = seen(people=8)
    shown = shown_of(features, location)
    unit = features.features / np.linalg.norm(features.features, axis=1, keepdims=True)
    for modality, found in same_modality(shown).items():
        rows = np.flatnonzero(features.modality == modality)
        products = [
            float(unit[a].astype(float) @ unit[b].astype(float))
            for a in rows
            for b in rows
            if a < b and features.identity[a] != features.identity[b] and location[a] != location[b]
        ]
        expected = np.quantile(products, np.arange(96) / 100)
        np.testing.assert_allclose(found.quantiles, expected, atol=1e-6)
    alone = Features(
        **{
            name: getattr(features, name)[:1]
            for name in ("features", "path", "identity", "camera", "modality")
        }
    )
    assert same_modality(shown_of(alone, location[:1])) == {}


def test_templates_are_means_of_a_person_in_a_camera():
    vectors = np.array([[1.0, 0], [0, 1], [3, 4], [-1, 0]])
    features = Features(
        features=vectors.astype(np.float32),
        path=np.array(list("abcd")),
        identity=np.array([5, 5, 5, 7]),
        camera=np.array([1, 1, 2, 1]),
        modality=np.array(["visible"] * 4),
    )
    found = templates_of(shown_of(features, np.array([9, 9, 8, 9])), features.camera)
    assert found.identity.tolist() == [5, 5, 7]
    assert found.location.tolist() == [9, 8, 9]
    half = math.sqrt(0.5)
    np.testing.assert_allclose(found.vectors, [[half, half], [0.6, 0.8], [-1, 0]], atol=1e-7)


def test_a_calibration_knows_tracklets_and_comes_back(tmp_path):
    features, location = seen()
    calibration, _ = calibrate_features(features, location, None, "a" * 64)
    tracklets = calibration.tracklets
    assert tracklets is not None
    # Two people in one light are more alike than in two, and templates are than images.
    for one in (calibration, tracklets):
        cross = one.threshold(0.05, 10)
        assert all(one.threshold(0.05, 10, modality=m) > cross for m in ("visible", "infrared"))
    same = {m: tracklets.threshold(0.5, 1, modality=m) for m in ("visible", "infrared")}
    assert same["visible"] > calibration.threshold(0.5, 1, modality="visible")
    path = tmp_path / "best.calibration.json"
    write_calibration(path, calibration)

    def bare(one):  # what was measured is for the reader only
        inner = replace(one.tracklets, measured={})
        return replace(one, measured={}, tracklets=inner)

    assert bare(read_calibration(path)) == bare(calibration)
    with pytest.raises(GalleryError, match=r"infrared images.*fprnet calibrate"):
        by_hand().threshold(0.1, 1, modality="infrared")


def test_a_calibration_of_the_first_format_is_read(tmp_path):
    path = tmp_path / "best.calibration.json"
    content = {"format": 1, **asdict(by_hand())}
    del content["tracklets"], content["same_modality"]
    path.write_text(json.dumps(content), encoding="utf-8")
    assert read_calibration(path) == by_hand()
    path.write_text(json.dumps({**content, "format": 3}), encoding="utf-8")
    with pytest.raises(GalleryError, match="format 3"):
        read_calibration(path)
