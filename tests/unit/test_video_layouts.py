"""HITSZ-VCM and BUPTCampus: read, checked, and scored against the released loops."""

from dataclasses import replace

import numpy as np
import pytest

from fprnet.data.check import check
from fprnet.data.data_set import DataSet, open_data_set, recognise
from fprnet.embeddings.store import Features
from fprnet.errors import DataError, FeaturesError, UsageError
from fprnet.evaluation.data_set_protocol import make_protocol
from fprnet.evaluation.open_set import score_open_set
from fprnet.evaluation.scores import score
from video_cases import PEOPLE, write_buptcampus, write_hitsz_vcm


@pytest.fixture(scope="module")
def vcm(tmp_path_factory) -> DataSet:
    return open_data_set(write_hitsz_vcm(tmp_path_factory.mktemp("vcm")))


@pytest.fixture(scope="module")
def bupt(tmp_path_factory) -> DataSet:
    return open_data_set(write_buptcampus(tmp_path_factory.mktemp("bupt")))


def features_of(data_set: DataSet, *, seed: int = 0, unit: bool = False) -> Features:
    records = data_set.records()
    vectors = np.random.default_rng(seed).standard_normal((len(records), 4)).astype(np.float32)
    if unit:
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return Features(
        features=vectors,
        identity=records.identity,
        camera=records.camera,
        modality=records.modality,
        path=records.path,
        index=records.index,
    )


def released(distance, query, gallery, *, remove: bool) -> dict[str, float]:
    """The loop of the released evaluation: image-level CMC and mAP over tracklets."""
    hits, precisions = [], []
    for row, (person, camera) in zip(distance, query, strict=True):
        order = np.argsort(row, kind="stable")
        kept = [gallery[g] for g in order if not (remove and gallery[g] == (person, camera))]
        matches = np.array([other == person for other, _ in kept])
        if not matches.any():
            continue
        ranks = np.flatnonzero(matches) + 1
        hits.append(ranks[0])
        precisions.append(np.mean(np.arange(1, len(ranks) + 1) / ranks))
    return {
        "rank-1": float(np.mean(np.array(hits) <= 1)),
        "rank-5": float(np.mean(np.array(hits) <= 5)),
        "mAP": float(np.mean(precisions)),
    }


def vcm_frames(length: int, count: int) -> list[int]:
    """As the released loader draws evenly: the first of each piece, padded with the last."""
    step = -(-length // count)
    padded = list(range(length)) + [length - 1] * (step * count - length)
    return [padded[step * piece] for piece in range(count)]


def bupt_frames(length: int, count: int) -> list[int]:
    return np.linspace(0, length, count, endpoint=False, dtype=int).tolist()


@pytest.mark.parametrize("sequences", ["mean", "best-pair"])
@pytest.mark.parametrize("direction", ["infrared-to-visible", "visible-to-infrared"])
@pytest.mark.parametrize("layout", ["vcm", "bupt"])
def test_scores_are_those_of_the_released_loops(request, layout, direction, sequences) -> None:
    data_set = request.getfixturevalue(layout)
    features = features_of(data_set)
    images = 6 if layout == "vcm" else 10
    frames = vcm_frames if layout == "vcm" else bupt_frames
    row_of = {path: row for row, path in enumerate(features.path.tolist())}
    querying = direction.partition("-")[0]
    sides = {"query": [], "gallery": []}
    for one in data_set.split.tracklets:
        if one.part != "test" or (layout == "vcm" and len(one.paths) < 12):
            continue
        if layout == "vcm":
            side = "query" if one.modality == querying else "gallery"
        elif (one.role == "query" and one.modality != querying) or (
            one.role == "gallery" and one.modality == querying
        ):
            continue
        else:
            side = one.role
        rows = [row_of[one.paths[at]] for at in frames(len(one.paths), images)]
        sides[side].append(((one.identity, one.camera), features.features[rows].astype(float)))
    distance = np.zeros((len(sides["query"]), len(sides["gallery"])))
    for q, (_, asked) in enumerate(sides["query"]):
        for g, (_, shown) in enumerate(sides["gallery"]):
            if sequences == "mean":
                distance[q, g] = np.linalg.norm(asked.mean(axis=0) - shown.mean(axis=0))
            else:
                distance[q, g] = min(np.linalg.norm(a - s) for a in asked for s in shown)
    expected = released(
        distance,
        [who for who, _ in sides["query"]],
        [who for who, _ in sides["gallery"]],
        remove=layout == "vcm",
    )
    options = {"direction": direction, "sequences": sequences}
    scores = score(features, make_protocol(features, data_set, options))
    assert scores.queries == len(sides["query"])
    assert scores.gallery_size == len(sides["gallery"])
    found = scores.rows["plain"].metrics
    for name, value in expected.items():
        assert found[name].mean == pytest.approx(value, abs=1e-6), name
    if layout == "vcm":
        assert scores.settings["left_out"] == "1 tracklets of fewer than 12 images"
    assert scores.settings["sequences"] == f"{sequences} of {images} images"
    named = f"{data_set.layout}/{direction}@1" if sequences == "mean" else None
    assert scores.published_as == named


def test_means_of_unit_vectors_have_length_1(vcm) -> None:
    features = features_of(vcm, unit=True)
    protocol = make_protocol(features, vcm)
    cosine = score(features, protocol, metric="cosine").rows
    assert cosine == score(features, protocol).rows
    assert score_open_set(features, protocol, rates=(0.4,), resamples=10).similarity == "cosine"


def test_pairs_have_no_single_embedding(vcm) -> None:
    features = features_of(vcm)
    protocol = make_protocol(features, vcm, {"sequences": "best-pair"})
    with pytest.raises(UsageError, match="query expansion needs one embedding"):
        score(features, protocol, expand_query=1)
    with pytest.raises(UsageError, match="open set needs one embedding"):
        score_open_set(features, protocol)


def test_lists_alone_are_enough_for_features(vcm, tmp_path) -> None:
    """Paths of features have Test/ before them, and a folder of lists does not know."""
    features = features_of(vcm)
    for file in (vcm.root / "info").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    lists = open_data_set(tmp_path, needed=("test",))
    assert lists.layout == "hitsz-vcm"
    rows = score(features, make_protocol(features, lists)).rows
    assert rows == score(features, make_protocol(features, vcm)).rows
    lost = features.where(features.path != "Test/0011/ir/D1/0001.jpg")
    with pytest.raises(FeaturesError, match="lack 1 images of the tracklets"):
        make_protocol(lost, lists)


@pytest.mark.parametrize("layout", ["vcm", "bupt"])
def test_reads_who_trains_and_tests(request, layout) -> None:
    data_set = request.getfixturevalue(layout)
    assert data_set.test == PEOPLE["test"]
    assert data_set.validation == (8,)
    assert data_set.train == PEOPLE["train"][:7]
    records = data_set.records()
    data_set.check(records)
    assert set(records.modality.tolist()) == {"visible", "infrared"}
    assert all(file.is_file() for file in records.files())
    visible = data_set.records(visible_only=True)
    assert set(visible.modality.tolist()) == {"visible"}


def test_folders_without_parts_are_read(tmp_path) -> None:
    root = write_hitsz_vcm(tmp_path, inside=False)
    assert recognise(root) == "hitsz-vcm"
    records = open_data_set(root).records()
    assert records.path[0].startswith("0001/")
    assert all(file.is_file() for file in records.files())


def test_check_names_what_is_missing(tmp_path) -> None:
    vcm, bupt = write_hitsz_vcm(tmp_path / "vcm"), write_buptcampus(tmp_path / "bupt")
    assert check(vcm, progress=False).problems == ()
    assert check(bupt, progress=False).problems == ()
    lost = bupt / "DATA/11/IR/LS3/11_IR_LS3_1_0.jpg"
    lost.unlink()
    (problem,) = check(bupt, progress=False).problems
    assert problem.path == lost.relative_to(bupt).as_posix()
    data_set = open_data_set(bupt)
    with pytest.raises(DataError, match="1 of 176 listed images are not in"):
        data_set.check(data_set.records())


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("info/track_test_info.txt", "1 1 x 11 1\n", "line 1 is '1 1 x 11 1'"),
        ("info/track_test_info.txt", "1 1 9999 11 1\n", "images 1 to 9999 of"),
        ("info/track_test_info.txt", "3 1 2 11 1\n", "has modality 3"),
        ("info/track_test_info.txt", "\n", "lists no tracklets"),
        ("info/query_IDX.txt", "0 1\n", "line numbers from 1"),
        ("info/query_IDX.txt", "1 700\n", "names line 700 of 13 lines"),
        ("info/test_name.txt", "a.jpg\n" * 200, "the image a.jpg"),
    ],
)
def test_faulty_lists_of_hitsz_vcm(tmp_path, file, text, message) -> None:
    root = write_hitsz_vcm(tmp_path, images=12)
    (root / file).write_text(text)
    with pytest.raises(DataError, match=message):
        open_data_set(root)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("query.txt", "11 RGB LS3\n", "expected identity, modality, camera"),
        ("query.txt", "11 UV LS3 1\n", "line 1 is '11 UV LS3 1'"),
        ("query.txt", "11 RGB LS3 2\n", "that data_paths.json does not have"),
        ("query.txt", "", "lists no tracklets"),
        ("data_paths.json", "[", "is no JSON text"),
        ("train.txt", "11 RGB/IR LS3 1\n", "identity 11 is in the train and in the test"),
    ],
)
def test_faulty_lists_of_buptcampus(tmp_path, file, text, message) -> None:
    root = write_buptcampus(tmp_path)
    (root / file).write_text(text)
    with pytest.raises(DataError, match=message):
        open_data_set(root)


def test_validation_people_are_scored_without_roles(vcm, bupt) -> None:
    for data_set in (vcm, bupt):
        features = features_of(data_set)
        protocol = make_protocol(features, data_set, identities=data_set.train)
        assert score(features, protocol).queries == 2 * len(data_set.train)
        with pytest.raises(UsageError, match="images is 0"):
            make_protocol(features, data_set, {"images": 0})
        with pytest.raises(UsageError, match="no identities to test"):
            make_protocol(features, replace(data_set), identities=())
