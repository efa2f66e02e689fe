"""Answers to whole questions, with a model that reads its embedding off the image's colour."""

from dataclasses import replace

import numpy as np
import pytest

from fprnet.errors import GalleryError, GalleryModelError, UsageError
from fprnet.gallery.calibration import Calibration
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.records import Filters, ModelIdentity
from fprnet.gallery.searcher import Searcher, image_warnings
from fprnet.gallery.strangers import Strangers
from gallery_cases import SIZE, record, unit, vectors

SHA = "c" * 64


class Embedder:
    """What a searcher needs of a model; embeddings are given."""

    def __init__(self):
        self.about = {"checkpoint_sha256": SHA, "preset": "fprnet", "scale": "tiny"}
        self.embedding_size = SIZE


AXES = np.eye(SIZE, dtype=np.float32)
# Cosines with the first axis: 0.96, 0.8, 0.6, 0.28, 0; people 7, 8, 7, unknown, unknown.
GALLERY = unit(
    [
        [0.96, 0.28, *[0] * 6],
        [0.8, 0, 0.6, *[0] * 5],
        [0.6, 0.8, *[0] * 6],
        [0.28, 0, 0, 0.96, *[0] * 4],
        AXES[4],
    ]
)
PEOPLE = (7, 8, 7, None, None)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory):
    uri = tmp_path_factory.mktemp("searcher") / "people.db"
    with Gallery.create(str(uri), ModelIdentity.of(Embedder())) as gallery:
        gallery.add(
            GALLERY, [record(row, identity=who, camera=row) for row, who in enumerate(PEOPLE)]
        )
        yield gallery


def calibration(sha=SHA):
    """Threshold 0.9 for a rate of 0.1 among one candidate; strangers evenly up to 0.95."""
    return Calibration(
        checkpoint_sha256=sha,
        method="logistic",
        similarities=(-1.0, 1.0),
        log_ratios=(-5.0, 5.0),
        stranger_quantiles=tuple(np.arange(96) / 100),
        tail_scale=0.01,
        tail_shape=0.0,
    )


def rows(answer):
    return [int(match.path[-8:-4]) for match in answer.matches]


def test_matches_people_and_no_probability_without_calibration(gallery):
    answer = Searcher(Embedder(), gallery).search_embeddings(AXES[:1], group=True)
    assert rows(answer) == [0, 1, 2, 3, 4]
    assert [match.similarity for match in answer.matches] == pytest.approx(
        [0.96, 0.8, 0.6, 0.28, 0], abs=1e-3
    )
    assert (answer.candidates, answer.decision) == (5, None)
    # Unknown people are one person each.
    assert [(one.identity, one.matches) for one in answer.people] == [
        ("7", [1, 3]),
        ("8", [2]),
        (None, [4]),
        (None, [5]),
    ]


def test_several_images_give_the_mean_of_their_cosines(gallery):
    answer = Searcher(Embedder(), gallery).search_embeddings(AXES[:2])
    # (0.96 + 0.28) / 2, (0.8 + 0) / 2, (0.6 + 0.8) / 2, ...
    assert rows(answer)[:3] == [2, 0, 1]
    assert [match.similarity for match in answer.matches[:3]] == pytest.approx(
        [0.7, 0.62, 0.4], abs=1e-3
    )


def test_a_confirmed_match_refines_the_query(gallery):
    searcher = Searcher(Embedder(), gallery)
    answer = searcher.search_embeddings(AXES[:1], confirmed=[record(3).id])
    # Mean of the cosines with the first axis and with record 3, (0.28 + 1) / 2 for itself.
    assert rows(answer)[0] == 3
    assert answer.matches[0].similarity == pytest.approx(0.64, abs=1e-3)
    assert answer.queries == 1
    with pytest.raises(GalleryError, match="no record"):
        searcher.search_embeddings(AXES[:1], confirmed=[record(99).id])


def test_in_the_gallery_or_not(gallery):
    searcher = Searcher(Embedder(), gallery, calibration())
    # 1 - 0.9 ** 5 = 0.40951 among five candidates: the threshold of one pair at 0.1, 0.9.
    answer = searcher.search_embeddings(AXES[:1], false_match_rate=1 - 0.9**5)
    assert answer.decision.threshold == pytest.approx(0.9)
    assert [match.accepted for match in answer.matches] == [True, False, False, False, False]
    assert answer.in_gallery
    stated = [match.probability for match in answer.matches]
    assert stated == sorted(stated, reverse=True)
    stranger = searcher.search_embeddings(AXES[7:8], false_match_rate=0.01)
    assert stranger.in_gallery is False
    assert answer.verdict == "in the gallery"
    # The best match of a strict search is not accepted, but would be right if the person is there.
    strict = searcher.search_embeddings(AXES[:1], false_match_rate=1e-6)
    assert (strict.in_gallery, strict.best_probability > 0.5) == (False, True)
    assert strict.verdict == "perhaps in the gallery"
    assert stranger.best_probability < 0.5
    assert stranger.verdict == "probably not in the gallery"
    assert Searcher(Embedder(), gallery).search_embeddings(AXES[:1]).verdict is None
    with pytest.raises(GalleryError, match="false-match rate 0"):
        searcher.search_embeddings(AXES[:1], false_match_rate=0.0)


def test_images_of_one_light_have_a_threshold_of_their_own_and_no_probability(tmp_path):
    uri = str(tmp_path / "both.db")
    lights = ("visible", "infrared", "visible", "infrared")
    alike = unit([[0.97, 0.24, *[0] * 6], [0.92, 0.39, *[0] * 6]])  # cosines 0.97 and 0.92
    own = Strangers(tuple(0.5 + np.arange(96) / 200), 0.01, 0.0)  # twice as near to 1
    measured = replace(calibration(), same_modality={"visible": own})
    words = {"false_match_rate": 1 - 0.9**4}  # 0.1 of a pair among four: 0.9, or 0.95 by day
    with Gallery.create(uri, ModelIdentity.of(Embedder())) as both:
        both.add(
            alike[[0, 0, 1, 1]],
            [record(row, modality=light, identity=7) for row, light in enumerate(lights)],
        )
        answer = Searcher(Embedder(), both, measured).search_embeddings(
            AXES[:1], "visible", group=True, **words
        )
        shown = {
            (match.modality, round(match.similarity, 2)): (match.accepted, match.probability)
            for match in answer.matches
        }
        night = Searcher(Embedder(), both, measured).search_embeddings(AXES[:1], **words)
        unjudged = Searcher(Embedder(), both, measured).search_embeddings(
            AXES[:1], filters=Filters(modality="infrared")
        )
        bare = Searcher(Embedder(), both, measured).search_embeddings(
            AXES[:1], "visible", filters=Filters(modality="visible"), top=1
        )
    assert (answer.modality, answer.warnings) == ("visible", [])
    limits = answer.decision.threshold, answer.decision.same_modality_threshold
    assert limits == pytest.approx((0.9, 0.95))
    assert shown["visible", 0.97] == (True, None)
    assert shown["visible", 0.92] == (False, None)
    assert [shown["infrared", value][0] for value in (0.97, 0.92)] == [True, True]
    assert answer.people[0].probability == answer.best_probability > 0.5
    # By night nothing was measured of this calibration.
    assert night.decision.same_modality_threshold is None
    assert "one modality" in night.warnings[0]
    assert [match.accepted for match in night.matches if match.modality == "infrared"] == [None] * 2
    assert (unjudged.decision, unjudged.verdict) == (None, None)
    assert "one modality" in unjudged.warnings[0]
    # Nothing says how likely an image by day is right for a query by day, so nothing is "perhaps".
    assert (bare.in_gallery, bare.verdict) == (False, "probably not in the gallery")


def test_images_that_disagree_are_mentioned(gallery):
    """Strangers are up to 0.95 alike; the first two axes are not alike at all."""
    searcher = Searcher(Embedder(), gallery, calibration())
    assert "no more alike" in searcher.search_embeddings(AXES[:2]).warnings[0]
    assert searcher.search_embeddings(AXES[[0, 0]]).warnings == []
    assert Searcher(Embedder(), gallery).search_embeddings(AXES[:2]).warnings == []


def test_filters_and_top(gallery):
    searcher = Searcher(Embedder(), gallery)
    answer = searcher.search_embeddings(AXES[:1], filters=Filters(cameras=(1, 3)), top=1)
    assert (rows(answer), answer.candidates) == ([1], 2)
    nobody = searcher.search_embeddings(AXES[:1], filters=Filters(modality="infrared"))
    assert (nobody.matches, nobody.candidates) == ([], 0)
    assert "filters" in nobody.warnings[0]


def test_reranking_keeps_the_matches_and_their_similarities(gallery):
    searcher = Searcher(Embedder(), gallery)
    plain = searcher.search_embeddings(AXES[:1])
    answer = searcher.search_embeddings(AXES[:1], rerank=True)
    assert answer.reranked
    assert sorted(rows(answer)) == rows(plain)
    assert {match.record.id: match.similarity for match in answer.matches} == pytest.approx(
        {match.record.id: match.similarity for match in plain.matches}
    )


def test_what_does_not_belong_together(gallery, tmp_path):
    with pytest.raises(GalleryModelError, match="dddd"):
        Searcher(Embedder(), gallery, calibration("d" * 64))
    other = ModelIdentity("e" * 64, "fprnet", SIZE)
    with (
        Gallery.create(str(tmp_path / "other.db"), other) as another,
        pytest.raises(GalleryModelError, match="holds embeddings of"),
    ):
        Searcher(Embedder(), another)
    searcher = Searcher(Embedder(), gallery)
    with pytest.raises(UsageError, match="no query"):
        searcher.search_embeddings(vectors(0))


def noise(colour: bool, height: int = 64, width: int = 32) -> np.ndarray:
    pixels = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    return pixels if colour else np.repeat(pixels[..., :1], 3, axis=2)


def test_odd_query_images_are_mentioned():
    images = [noise(colour=True), noise(colour=False)]
    (warning,) = image_warnings(images, np.stack(images), "infrared")
    assert warning.startswith("query image 1 was declared infrared but is coloured")
    (warning,) = image_warnings(images, np.stack(images), "visible")
    assert warning.startswith("query image 2 was declared visible but is gray")
    frame = noise(colour=True, height=108, width=192)
    (warning,) = image_warnings([frame], images[0][None], "visible")
    assert "wider than tall (192 x 108 pixels)" in warning
    (warning,) = image_warnings([frame[:, :40]], np.zeros((1, 64, 32, 3), np.uint8), "infrared")
    assert "without contrast" in warning
