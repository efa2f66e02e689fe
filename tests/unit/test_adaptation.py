"""Parts of an adaptation against their definitions as loops and cases worked by hand."""

import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from plain_neighbours import plain_jaccard
from torch import nn

from fprnet.adaptation import steps
from fprnet.adaptation.agreement import agreement, held_out_groups
from fprnet.adaptation.batches import ClusterSampler
from fprnet.adaptation.clusters import NOISE, cluster, cluster_site, mean_distances
from fprnet.adaptation.memory import ProxyMemory, contrastive_loss
from fprnet.adaptation.site import Site, check_enough, different_people, of_manifest, together
from fprnet.adaptation.teacher import StudentAndTeacher, follow
from fprnet.adaptation.threshold import apart_pairs, calibrate_crops
from fprnet.data.records import Records
from fprnet.embeddings.projection import Projection, projection_path, read_projection
from fprnet.errors import DataError, FeaturesError
from fprnet.evaluation.reranking import jaccard_distances
from fprnet.files import sha256
from fprnet.gallery.calibration import calibration_path, read_calibration
from fprnet.runs.pretrained import WEIGHTS

NOBODY = np.empty((0, 2), dtype=np.int64)


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def site(infrared, **known):
    count = len(infrared)
    unknown = np.full(count, -1)
    columns = {"camera": unknown, "location": unknown, "tracklet": unknown, "person": unknown}
    columns["time"] = np.full(count, np.nan)
    columns |= {name: np.asarray(values) for name, values in known.items()}
    path = np.array([f"/{number}.png" for number in range(count)])
    return Site(path=path, infrared=np.asarray(infrared, dtype=bool), **columns)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("sides", "k1", "k2"), [(1, 4, 3), (2, 8, 5), (2, 4, 1)])
def test_jaccard_distances_are_fair_to_both_modalities(seed, sides, k1, k2):
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((24, 5))
    groups = np.arange(24) % 3 % sides  # twice as many of the first of two
    vectors[groups == 1] += 3  # the modalities lie far apart
    found = jaccard_distances(torch.from_numpy(vectors), groups, k1=k1, k2=k2)
    np.testing.assert_allclose(found, plain_jaccard(vectors, groups, k1, k2), atol=1e-5)
    assert (np.diag(found) == 0).all()
    assert (found == found.T).all()


def test_neighbours_across_far_modalities_only_where_they_are_fair():
    # Two people, three crops each by day and by night; night lies 100 away.
    person = np.repeat([0, 1], 6)
    night = np.tile([0, 0, 0, 1, 1, 1], 2)
    vectors = np.stack([5.0 * person, 100.0 * night, np.arange(12) * 0.1], axis=1)
    fair = jaccard_distances(torch.from_numpy(vectors), night, k1=4, k2=1)
    blind = jaccard_distances(torch.from_numpy(vectors), np.zeros(12, int), k1=4, k2=1)
    across = (person[:, None] == person) & (night[:, None] != night)
    strangers = (person[:, None] != person) & (night[:, None] != night)
    assert (fair[across] < 1).mean() > 0.8
    assert fair[strangers].min() == 1
    assert blind[across].min() == 1


def test_average_linkage_by_hand_with_tracklets_and_what_must_differ():
    # Crops 0 and 1 are a tracklet; mean distances of the units {0, 1}, {2}, {3}:
    # {0,1}-{2}: (0.2 + 0.4) / 2 = 0.3; {0,1}-{3}: 0.9; {2}-{3}: 0.5.
    distance = np.array(
        [[0, 0.7, 0.2, 0.9], [0.7, 0, 0.4, 0.9], [0.2, 0.4, 0, 0.5], [0.9, 0.9, 0.5, 0]],
        dtype=np.float32,
    )
    units = np.array([0, 0, 2, 3])
    np.testing.assert_allclose(
        mean_distances(distance, np.array([0, 0, 1, 2]), 3)[0, 1:], [0.3, 0.9], atol=1e-6
    )

    def groups(limit, different=NOBODY):
        label = cluster(distance, units, different, limit)
        return sorted(np.flatnonzero(label == one).tolist() for one in set(label.tolist()))

    assert groups(0.29) == [[0, 1], [2], [3]]
    assert groups(0.31) == [[0, 1, 2], [3]]
    # UPGMA of units: {3} joins {0,1} + {2} at (0.9 + 0.5) / 2 = 0.7.
    assert groups(0.69) == [[0, 1, 2], [3]]
    assert groups(0.71) == [[0, 1, 2, 3]]
    assert groups(0.99, np.array([[0, 2]])) == [[0, 1], [2, 3]]
    assert groups(0.99, np.array([[0, 2], [2, 3]])) == [[0, 1, 3], [2]]


def test_clusters_are_matched_one_to_one_and_then_many_to_many():
    # Day clusters a = {0, 1}, b = {2, 3}; night c = {4, 5}, d = {6, 7}, e = {8, 9}. The nearest of
    # b is c, but a can only have c: a-c and b-d gain 0.03 + 0.04 below 0.85, b-c alone 0.05. e is
    # left and joins a, if it may be 0.9 away.
    distance = np.ones((10, 10), dtype=np.float32)
    blocks = {"a": (0, 1), "b": (2, 3), "c": (4, 5), "d": (6, 7), "e": (8, 9)}
    mean = {"ac": 0.82, "bc": 0.8, "bd": 0.81, "ae": 0.88}
    for one in blocks.values():
        distance[np.ix_(one, one)] = 0.1
    for (one, two), apart in mean.items():
        distance[np.ix_(blocks[one], blocks[two])] = apart
        distance[np.ix_(blocks[two], blocks[one])] = apart
    np.fill_diagonal(distance, 0)
    infrared = np.arange(10) >= 4
    units = np.arange(10)

    def people(match_limit, different=NOBODY):
        found = cluster_site(
            distance, infrared, units, different, limit=0.3, match_limit=match_limit
        )
        label = found.label
        groups = {one: set(label[list(rows)].tolist()) for one, rows in blocks.items()}
        assert all(len(own) == 1 for own in groups.values())
        return [groups[one].pop() for one in "abcde"], found.count, found.both

    assert people(0.0) == ([0, 1, 2, 3, 4], 5, 0)
    assert people(0.85) == ([0, 1, 0, 1, 2], 3, 2)
    assert people(0.9) == ([0, 1, 0, 1, 0], 2, 2)
    # Somebody of a is not somebody of c: then b has c, and d is left, and joins b, which it may.
    assert people(0.85, np.array([[0, 4]])) == ([0, 1, 1, 1, 2], 3, 1)


def test_two_clusters_that_may_be_one_person_are_unsure_unless_known_to_differ():
    distance = np.ones((6, 6), dtype=np.float32)
    for one in (slice(0, 2), slice(2, 4), slice(4, 6)):
        distance[one, one] = 0
    distance[:2, 2:4] = distance[2:4, :2] = 0.9

    def unsure(different, limit):
        found = cluster_site(
            distance,
            np.arange(6) % 2 > 0,
            np.arange(6),
            different,
            limit=0.5,
            match_limit=0,
            unsure=limit,
        )
        return np.argwhere(found.unsure).tolist()

    assert unsure(NOBODY, 0.95) == [[0, 1], [1, 0]]
    assert unsure(NOBODY, 0.85) == unsure(NOBODY, 0) == []
    assert unsure(np.array([[0, 3]]), 0.95) == []


def test_small_clusters_are_noise():
    distance = (1 - np.eye(5, dtype=np.float32)) * 0.9
    distance[:2, :2] = 0
    found = cluster_site(
        distance, np.array([0, 1, 0, 0, 1], bool), np.arange(5), NOBODY, limit=0.1, match_limit=0.0
    )
    assert found.label.tolist() == [0, 0, NOISE, NOISE, NOISE]
    assert (found.count, found.both) == (1, 1)


def plain_loss(embeddings, proxies, own, others, infrared, temperature):
    losses = []
    for vector, mine, apart in zip(embeddings, own, others, strict=True):
        score = [math.exp(vector @ proxy / temperature) for proxy in proxies]
        strangers = sum(s for s, other in zip(score, apart, strict=True) if other)
        sides = []
        for dark in (False, True):
            chosen = [p for p in range(len(proxies)) if mine[p] and infrared[p] == dark]
            if chosen:
                terms = [-math.log(score[p] / (score[p] + strangers)) for p in chosen]
                sides.append(sum(terms) / len(terms))
        losses.append(sum(sides) / len(sides))
    return sum(losses) / len(losses)


@pytest.mark.parametrize("seed", range(3))
def test_loss_is_that_of_the_loops(seed):
    random = np.random.default_rng(seed)
    crops = unit(random.standard_normal((30, 6)))
    cluster_of = random.integers(-1, 5, 30)
    infrared, camera = random.integers(0, 2, 30) > 0, random.integers(0, 3, 30)
    unsure = random.random((5, 5)) < 0.2
    unsure &= ~np.eye(5, dtype=bool)
    memory = ProxyMemory(
        crops, cluster_of, infrared, camera, unsure=unsure, temperature=0.2, momentum=0.9
    )
    keys = sorted({*zip(cluster_of, infrared, camera, strict=True)} - {None})
    keys = [key for key in keys if key[0] >= 0]
    assert len(memory.vectors) == len(keys)
    for number, (one, dark, seen) in enumerate(keys):
        rows = (cluster_of == one) & (infrared == dark) & (camera == seen)
        assert (memory.proxy_of[rows] == number).all()
        mean = crops[rows].sum(axis=0)
        np.testing.assert_allclose(memory.vectors[number], mean / np.linalg.norm(mean), atol=1e-6)
    rows = np.flatnonzero(cluster_of >= 0)[:8]
    given = torch.from_numpy(crops[rows]).requires_grad_()
    loss = memory.loss(given, torch.from_numpy(cluster_of[rows]))
    own = np.array([[key[0] == one for key in keys] for one in cluster_of[rows]])
    apart = [
        [key[0] != one and not unsure[one, key[0]] for key in keys] for one in cluster_of[rows]
    ]
    dark = [key[1] for key in keys]
    expected = plain_loss(crops[rows], memory.vectors.numpy(), own, apart, dark, 0.2)
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    loss.backward()
    assert given.grad.abs().sum() > 0
    before = memory.vectors[memory.proxy_of[rows[0]]].clone()
    memory.update(given[:1], memory.proxy_of[rows[:1]])
    moved = 0.9 * before.numpy() + 0.1 * crops[rows[0]]
    np.testing.assert_allclose(
        memory.vectors[memory.proxy_of[rows[0]]], moved / np.linalg.norm(moved), atol=1e-6
    )


def test_a_row_that_is_its_only_proxy_of_two_loses_the_softplus_of_the_gap():
    proxies = torch.eye(2)
    own = torch.tensor([[True, False]])
    loss = contrastive_loss(proxies[:1], proxies, own, ~own, torch.tensor([False, False]), 0.5)
    assert float(loss) == pytest.approx(math.log(1 + math.exp(-2)))


def test_ways_there_and_back_by_hand():
    # Day 0, 1 (group 0) and 2, 3 (group 1); night 4 (group 2) and 5. 4 looks like group 0, 5 like
    # 2 but most like 1 by day: the ways from 0 and 1 end in group 0, those from 2 and 3 do not.
    angle = np.array([0, 10, 60, 70, 8, 34])
    turned = np.deg2rad(angle)
    vectors = np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32)
    infrared = angle != angle
    infrared[4:] = True
    group = np.array([0, 0, 1, 1, 2, -1])
    found = agreement(vectors, infrared, group, np.array([1, 1, 1, 1, 0, 0], bool))
    assert (found.share, found.ways) == (0.5, 4)
    assert found.chance == pytest.approx(1 / 3)


def test_held_out_are_whole_groups_of_several():
    group = np.array([0, 0, 1, 2, 2, -1, 3, 3, 4, 4])
    held = held_out_groups(group, 0.5, np.random.default_rng(0))
    assert len(set(group[held].tolist())) == 2
    assert not held[[2, 5]].any()
    for one in set(group[held].tolist()):
        assert held[group == one].all()


def clustered(cluster, modality):
    number = np.arange(len(cluster))
    sides = np.repeat(modality, len(cluster))
    return Records(Path(), number.astype(str), cluster, number, sides, number, number)


def test_batches_show_the_same_clusters_by_day_and_night_and_single_ones_too():
    visible, infrared = np.repeat([0, 1, 2, 5], 3), np.repeat([1, 2, 7], 5)
    sides = clustered(visible, "visible"), clustered(infrared, "infrared")
    sampler = ClusterSampler(*sides, 3, clusters=2, images=4)
    seen = set()
    for step in range(40):
        batch = sampler.batch(step)
        again = sampler.batch(step)
        assert (batch.visible == again.visible).all()
        days, nights = visible[batch.visible].reshape(2, 4), infrared[batch.infrared].reshape(2, 4)
        labels = sampler.identity[[batch.label, batch.infrared_label]]
        assert (labels.reshape(2, 2, 4) == [days, nights]).all()
        for own in (days, nights):
            assert (own == own[:, :1]).all()
            assert own[0, 0] != own[1, 0]
        seen |= {*days[:, 0].tolist(), *nights[:, 0].tolist()}
    assert seen == {0, 1, 2, 5, 7}


def test_two_tracklets_at_one_time_on_one_camera_are_two_people():
    # Tracklets 0 (0 to 10 s) and 1 (5 to 20 s) overlap; 2 begins after both; 3 is elsewhere.
    crops = site(
        [0] * 7,
        camera=[1, 1, 1, 1, 1, 2, 1],
        tracklet=[0, 0, 1, 1, 2, 3, -1],
        time=[0, 10, 5, 20, 30, 7, 30],
    )
    lone = int(crops.units[6])
    assert different_people(crops).tolist() == [[0, 1], [2, lone]]
    assert len(different_people(site([0, 0], camera=[1, 1]))) == 0


def test_nobody_is_at_two_places_at_one_time():
    crops = site(
        [0, 0, 1, 1, 1],
        location=[1, 1, 2, 1, 2],
        time=[0, 100, 103, 100, math.nan],
        tracklet=[0, 0, 1, 2, 3],
    )
    # Tracklet 0 lasts from 0 to 100; the night crop at place 2 comes 3 s after its end.
    assert apart_pairs(crops, 2).tolist() == [[False] * 2, [False] * 2, [False] * 2]
    assert apart_pairs(crops, 3).tolist() == [[True] * 2, [False] * 2, [False] * 2]


def crops_of(people):
    """Vectors, people and light of crops, and the crops with their times and without.

    Two day crops of everybody at place 0, one person every 10 seconds, and two night crops at place
    1, when the next person is at place 0.
    """
    random = np.random.default_rng(0)
    centre = np.repeat(unit(random.standard_normal((people, 16))), 4, axis=0)
    vectors = unit(centre + 0.3 * random.standard_normal(centre.shape))
    person = np.repeat(np.arange(people), 4)
    night = np.tile([False, False, True, True], people)
    time = 10.0 * np.where(night, (person + 1) % people, person)
    crops = site(night, location=night.astype(int), time=time)
    return vectors, person, night, crops, site(night, location=night.astype(int))


def test_a_model_that_stays_as_it_was_keeps_its_threshold(tmp_path, monkeypatch):
    """One that only clusters suggest is no better: where they split people, nobody is found."""
    vectors, person, _, crops, timeless = crops_of(60)
    (tmp_path / WEIGHTS).write_bytes(b"weights")
    digest = sha256(tmp_path / WEIGHTS)
    projection = Projection(np.eye(16, 8, dtype=np.float32), "b" * 64)
    before = calibrate_crops(vectors, timeless, person, "b" * 64, projection=projection)
    assert before.projection_sha256 == projection.sha256
    monkeypatch.setattr(steps, "find_calibration", lambda model, embedder: before)
    embedder = SimpleNamespace(projection=projection, compact=lambda: None)
    # Its clusters are the two halves of each person.
    clusters = SimpleNamespace(label=np.arange(len(person)) // 4 * 2 + np.arange(len(person)) % 2)

    def calibrated(crops, *, kept, vectors=vectors):
        outcome = SimpleNamespace(kept=kept, embeddings=vectors, clusters=clusters)
        found, doubt = steps._calibrate(embedder, "model", crops, tmp_path, outcome, 0.0)
        assert read_calibration(calibration_path(tmp_path / WEIGHTS)).threshold(0.01, 120) == (
            found.threshold(0.01, 120)
        )
        return found, doubt

    found, doubt = calibrated(timeless, kept=False)
    assert (found.checkpoint_sha256, found.measured["strangers"]) == (digest, "as before")
    assert found.threshold(0.01, 120) == before.threshold(0.01, 120) < 1
    assert doubt == ""
    kept = read_projection(projection_path(tmp_path / WEIGHTS))
    assert (kept.sha256, kept.checkpoint_sha256) == (projection.sha256, digest)
    found, _ = calibrated(crops, kept=False)
    assert found.measured["strangers"] == "time and place"
    assert found.projection_sha256 == projection.sha256
    alike = np.repeat(vectors[::4], 4, axis=0)  # the crops of a person, and so the two halves
    found, doubt = calibrated(timeless, kept=True, vectors=alike)
    assert (found.measured["strangers"], found.projection_sha256) == ("clusters", "")
    assert found.threshold(0.01, 120) == 1
    assert "no image reaches the threshold" in doubt


def test_thresholds_are_of_the_pairs_that_time_and_place_guarantee():
    people = 60
    vectors, person, night, crops, timeless = crops_of(people)
    by_clusters = calibrate_crops(vectors, timeless, person, "a" * 64)
    assert by_clusters.measured["strangers"] == "clusters"
    found = calibrate_crops(vectors, crops, person, "a" * 64, guaranteed=True)
    assert found.measured["strangers"] == "time and place"
    assert found.measured["stranger_pairs"] == people * 2 * 2
    similar = vectors[night] @ vectors[~night].T
    apart = (person[night][:, None] + 1) % people == person[~night]
    quantile = np.quantile(similar[apart].astype(np.float64), 0.9)
    assert found.stranger_quantiles[90] == pytest.approx(quantile)
    # One in ten searches among one candidate: the share of pairs itself.
    assert found.threshold(0.1, 1) == pytest.approx(quantile)
    assert found.log_ratios == by_clusters.log_ratios
    with pytest.raises(DataError, match=r"guarantee 0 pairs.*--apart"):
        calibrate_crops(vectors, timeless, person, "a" * 64, guaranteed=True)
    with pytest.raises(FeaturesError, match="0 clusters"):
        calibrate_crops(vectors, timeless, np.full(4 * people, -1), "a" * 64)


def test_teacher_follows_the_student():
    networks = StudentAndTeacher(nn.Linear(2, 1))
    start = networks.teacher.weight.clone()
    with torch.no_grad():
        networks.student.weight.add_(1)
    follow(networks, 0.75)
    torch.testing.assert_close(networks.teacher.weight, start + 0.25)
    assert not networks.teacher.weight.requires_grad
    follow(networks, 0)
    torch.testing.assert_close(networks.teacher.weight, networks.student.weight)


def test_table_of_crops(tmp_path, capsys):
    (tmp_path / "manifest.csv").write_text(
        "path,modality,camera,location,time,tracklet,identity\n"
        "a.png,visible,gate,,2026-11-25T08:00:00,7,somebody\n"
        "b.png,infrared,yard,north,,,\n"
    )
    crops = of_manifest(tmp_path)
    assert [Path(path).name for path in crops.path] == ["a.png", "b.png"]
    assert crops.infrared.tolist() == [False, True]
    assert (crops.camera.tolist(), crops.location.tolist()) == ([0, 1], [0, 1])
    assert (crops.tracklet.tolist(), crops.person.tolist()) == ([0, -1], [-1, -1])
    assert crops.time[0] == 1795593600.0
    assert np.isnan(crops.time[1])
    (tmp_path / "manifest.csv").write_text(
        "path;modality;Cam;identity;time\na.png;visible;gate;7;25.11.2026 08:00\n"
    )
    european = of_manifest(tmp_path, pattern="%d.%m.%Y %H:%M")
    assert european.time[0] == crops.time[0]
    said = capsys.readouterr().err
    assert ("left alone: cam;" in said, "identity" in said) == (True, False)
    both = together(crops, crops)
    assert both.camera.tolist() == [0, 1, 2, 3]
    assert both.tracklet.tolist() == [0, -1, 1, -1]
    (tmp_path / "manifest.csv").write_text("path,modality,time\na.png,visible,noon\n")
    with pytest.raises(DataError, match="row 0"):
        of_manifest(tmp_path)


@pytest.mark.parametrize(("day", "night", "word"), [(100, 0, "0 infrared"), (5, 50, "5 visible")])
def test_too_few_crops_of_a_modality(day, night, word):
    with pytest.raises(DataError, match=word):
        check_enough(site([0] * day + [1] * night))
