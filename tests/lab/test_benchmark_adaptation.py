"""What `measure_adaptation` says of adapting, on a tiny site."""

from dataclasses import replace

import pytest

from fprnet.adaptation import crops
from fprnet.adaptation.config import AdaptationConfig
from fprnet_lab.benchmarking.adaptation import _site, measure_adaptation

STILL = AdaptationConfig(epochs=1, learning_rate=1e-9, limit=0.6)


@pytest.fixture(scope="module", autouse=True)
def _float32():
    """The clusters of a barely trained model lie near the limits; the same on every machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crops, "bfloat16_is_faster", lambda: False)
        yield


@pytest.fixture(scope="module")
def still(tiny_set, saved, tmp_path_factory):
    """With a rate of nearly 0 no score moves."""
    out = tmp_path_factory.mktemp("still")
    return measure_adaptation(tiny_set, out, model=str(saved), config=STILL)


def test_a_model_that_does_not_move_scores_as_before(still):
    assert (still["people"], still["kept"]) == (12, False)
    assert still["after"] == still["before"]
    assert still["last"] == pytest.approx(still["before"], abs=0.5)  # of another precision
    assert still["agreement"]["before"] == pytest.approx(still["agreement"]["after"], abs=0.05)
    assert 0 < still["clusters"]["precision"] < 1


def test_with_labels_the_clusters_are_the_people(tiny_set, saved, still, tmp_path):
    options = {"labels": True, "variant": "no teacher", "config": replace(STILL, learning_rate=0.1)}
    found = measure_adaptation(tiny_set, tmp_path, model=str(saved), **options)
    assert (found["clusters"]["precision"], found["clusters"]["recall"]) == (1, 1)
    assert found["clusters"]["count"] == found["people"]
    assert found["before"] == still["before"]
    assert found["last"] != found["before"]


def test_cases_change_the_crops(tiny_set, tmp_path):
    def crops_of(case):
        found = _site(tiny_set, tmp_path / case, None, case, 0)
        assert (found.crops.person == -1).all()  # nobody is told who they are
        return found.crops, found.person

    plain, person = crops_of("plain")
    people = set(person.tolist())
    assert len(people) == 12
    single, of_single = crops_of("one modality")
    by_day, by_night = (
        people - set(of_single[single.infrared == dark].tolist()) for dark in (True, False)
    )
    assert (len(by_day), len(by_night), len(by_day & by_night)) == (2, 2, 0)
    strange, of_strange = crops_of("distractors")
    added = round(0.1 * len(plain))
    assert len(strange) == len(plain) + added
    assert len(set(of_strange.tolist()) - people) == added
    known, of_known = crops_of("tracklets")
    seen = {*zip(of_known.tolist(), known.camera.tolist(), strict=True)}
    assert len(set(known.tracklet.tolist())) == len(seen)
    assert len(crops_of("unequal")[0]) < len(plain)
