"""Leaks: trained people, near-duplicates, image pairs of one instant, galleries of queries only."""

from dataclasses import replace

import numpy as np
import pytest
from layout_cases import write_llcm, write_manifest

from fprnet.data.data_set import DataSet, open_data_set
from fprnet.data.protocols.sysu_mm01 import sysu_mm01_protocol
from fprnet.embeddings.store import Features
from fprnet.errors import UsageError
from fprnet.evaluation.data_set_protocol import make_protocol
from fprnet.evaluation.leaks import check_training, find_leaks, provenance_of
from sysu_cases import small_features, small_split

SPLIT = small_split()


def data_set(tmp_path) -> DataSet:
    return DataSet("sysu-mm01", tmp_path, (7,), (), (1, 2, 3), SPLIT)


def trained_on(root, identities, layout="sysu-mm01"):
    data = {"root": str(root), "layout": layout, "split": None}
    model = {"trained_identities": len(identities)}
    return {"config": {"data": data}, "trained_on": list(identities), "model": model}


def test_a_sound_test_has_no_leaks(tmp_path) -> None:
    features = small_features(ties=False)
    leaks = find_leaks(features, sysu_mm01_protocol(features, SPLIT), data_set(tmp_path))
    assert leaks.as_dict() == {
        "trained_identities": 0,
        "near_duplicates": 0,
        "same_instant": 0,
        "distractors": 0,
    }
    assert leaks.found == []


@pytest.mark.parametrize("unit", [True, False])
def test_near_duplicates_are_counted_once_per_query(tmp_path, unit) -> None:
    features = small_features(ties=False)
    vectors = features.features.copy()
    protocol = sysu_mm01_protocol(features, SPLIT)
    query = protocol.trials[0].query[0]
    seen = [
        g
        for g in protocol.trials[0].gallery
        if protocol.exclusion_group[g] != protocol.exclusion_group[query]
    ]
    vectors[query] = vectors[seen[0]]
    if unit:
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    leaks = find_leaks(replace(features, features=vectors), protocol, data_set(tmp_path))
    assert leaks.near_duplicates == 1
    assert "1 queries see a gallery image that is nearly the same" in leaks.found[0]


def test_identities_that_were_trained_on(tmp_path) -> None:
    features = replace(small_features(ties=False), meta=trained_on("/other/set", (2, 3, 7)))
    leaks = find_leaks(features, sysu_mm01_protocol(features, SPLIT), data_set(tmp_path))
    assert leaks.trained_identities == 2
    elsewhere = replace(features, meta=trained_on("/other/set", (2, 3), layout="llcm"))
    leaks = find_leaks(elsewhere, sysu_mm01_protocol(elsewhere, SPLIT), data_set(tmp_path))
    assert leaks.trained_identities == 0


def test_an_overlap_in_the_same_folder_is_no_test(tmp_path) -> None:
    tested = data_set(tmp_path)
    check_training(trained_on(tmp_path, (7, 8)), tested, tested.test)
    check_training(trained_on(tmp_path / "other", (1,), layout="llcm"), tested, tested.test)
    check_training({}, tested, tested.test)
    for root in (tmp_path, tmp_path / "exp"):
        with pytest.raises(UsageError, match="trained on 1 of the 3 identities to test"):
            check_training(trained_on(tmp_path, (3, 7)), replace(tested, root=root), tested.test)


def test_provenance_says_what_was_trained_and_tested_on(tmp_path) -> None:
    tested = data_set(tmp_path / "site")
    nothing = provenance_of({}, tested)
    assert nothing["trained_on"] is None
    assert nothing["cross_data_set"] is None
    assert nothing["tested_on"] == {
        "data": "site",
        "layout": "sysu-mm01",
        "split": None,
        "reader": None,
        "identities": 3,
    }
    same = provenance_of(trained_on(tmp_path / "site", (7,)), tested)
    assert same["trained_on"]["identities"] == 1
    assert same["cross_data_set"] is False
    for meta in (trained_on("x/regdb", (7,), layout="regdb"), trained_on("x/other", (7,))):
        assert provenance_of(meta, tested)["cross_data_set"] is True


def features_of(records) -> Features:
    vectors = np.random.default_rng(0).standard_normal((len(records), 3)).astype(np.float32)
    columns = {n: getattr(records, n) for n in ("identity", "camera", "modality", "path", "index")}
    return Features(features=vectors, **columns)


def test_instants_of_a_manifest(tmp_path) -> None:
    lines = [
        "path,identity,modality,camera,time",
        "a.png,1,visible,1,12:00:01",
        "b.png,1,infrared,2,12:00:01",
        "c.png,1,infrared,1,12:00:01",  # the query's own location: it never sees a.png
        "d.png,2,infrared,2,12:00:01",  # somebody else
        "e.png,2,visible,1,",
    ]
    tested = open_data_set(write_manifest(tmp_path, "\n".join(lines)), needed=("test",))
    features = features_of(tested.records())
    leaks = find_leaks(features, make_protocol(features, tested), tested)
    assert leaks.same_instant == 1
    assert "same instant" in leaks.found[0]
    plain = open_data_set(
        write_manifest(tmp_path / "plain", "\n".join(line.rpartition(",")[0] for line in lines)),
        needed=("test",),
    )
    assert find_leaks(features, make_protocol(features, plain), plain).same_instant == 0


def test_instants_of_llcm_stand_in_file_names(tmp_path) -> None:
    tested = open_data_set(write_llcm(tmp_path))
    features = features_of(tested.records())
    protocol = make_protocol(features, tested)
    # Frames are numbered from 0 in every camera; pairs of one camera are excluded by the protocol.
    expected = 0
    for query in protocol.trials[0].query:
        frame = features.path[query].split("_f")[1][:4]
        others = [
            g
            for trial in protocol.trials
            for g in trial.gallery
            if features.identity[g] == features.identity[query]
            and features.path[g].split("_f")[1][:4] == frame
            and protocol.exclusion_group[g] != protocol.exclusion_group[query]
        ]
        expected += bool(others)
    assert expected > 0
    assert find_leaks(features, protocol, tested).same_instant == expected


def test_distractors_are_people_nobody_searches_for(tmp_path) -> None:
    features = small_features(ties=False)
    protocol = sysu_mm01_protocol(features, SPLIT)
    fewer = tuple(
        replace(trial, query=trial.query[features.identity[trial.query] != 3])
        for trial in protocol.trials
    )
    leaks = find_leaks(features, replace(protocol, trials=fewer), data_set(tmp_path))
    assert leaks.distractors == 1
