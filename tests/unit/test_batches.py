"""Batches: the same people in both modalities, a pure function of seed and step."""

from pathlib import Path

import numpy as np
import pytest

from fprnet.data.batches import IdentitySampler
from fprnet.data.records import Records
from fprnet.errors import DataError, UsageError

# Identities 3, 5, 7, 9; row numbers are positions in these lists.
VISIBLE = np.array([5, 3, 5, 7, 3, 9, 5, 7, 5])
INFRARED = np.array([9, 9, 7, 5, 3, 3, 7, 7, 7, 7])


def sampler(identities: int = 2, images: int = 2, seed: int = 0, **arrays) -> IdentitySampler:
    visible, infrared = arrays.get("visible", VISIBLE), arrays.get("infrared", INFRARED)
    sides = records(visible, "visible"), None if infrared is None else records(infrared, "infrared")
    return IdentitySampler(*sides, identities=identities, images=images, seed=seed)


def records(identity: np.ndarray, modality: str) -> Records:
    number = np.arange(len(identity))
    path = np.char.add(modality, number.astype(str))
    return Records(
        Path(), path, identity, number % 2, np.repeat(modality, len(identity)), number, number
    )


def test_labels_are_positions_among_the_sorted_identities() -> None:
    assert sampler().identity.tolist() == [3, 5, 7, 9]
    assert len(sampler()) == 4


@pytest.mark.parametrize("step", range(20))
def test_every_row_shows_its_label_in_both_modalities(step: int) -> None:
    batch = sampler(identities=3, images=2).batch(step)
    identity = np.array([3, 5, 7, 9])[batch.label]
    assert (VISIBLE[batch.visible] == identity).all()
    assert (INFRARED[batch.infrared] == identity).all()
    assert len(batch) == 6
    blocks = batch.label.reshape(3, 2)
    assert (blocks[:, 0] == blocks[:, 1]).all()
    assert len(set(blocks[:, 0])) == 3


@pytest.mark.parametrize("images", [1, 2, 4, 5, 9])
def test_images_repeat_only_after_all_have_been_shown(images: int) -> None:
    """Identity 5 has 4 visible images and 1 infrared one."""
    for step in range(10):
        batch = sampler(identities=4, images=images).batch(step)
        mine = batch.label == 1
        for rows, available in ((batch.visible[mine], 4), (batch.infrared[mine], 1)):
            counts = np.unique(rows, return_counts=True)[1]
            assert len(counts) == min(images, available)
            assert counts.max() - counts.min() <= 1


def test_step_is_a_pure_function_of_seed_and_step() -> None:
    one, other = sampler(seed=4), sampler(seed=4)
    forwards = [one.batch(step) for step in range(6)]
    backwards = [other.batch(step) for step in reversed(range(6))][::-1]
    for a, b in zip(forwards, backwards, strict=True):
        np.testing.assert_array_equal(a.label, b.label)
        np.testing.assert_array_equal(a.visible, b.visible)
        np.testing.assert_array_equal(a.infrared, b.infrared)
    assert len({tuple(a.visible) for a in forwards}) > 1
    assert any((sampler(seed=5).batch(s).visible != forwards[s].visible).any() for s in range(6))


def test_all_images_and_pairs_of_identities_come_up() -> None:
    batches = [sampler(identities=2, images=1).batch(step) for step in range(300)]
    assert {int(r) for b in batches for r in b.visible} == set(range(len(VISIBLE)))
    assert {int(r) for b in batches for r in b.infrared} == set(range(len(INFRARED)))
    pairs, counts = np.unique([sorted(b.label) for b in batches], axis=0, return_counts=True)
    assert len(pairs) == 6
    assert counts.min() > 25  # 50 expected, standard error 6.5


def test_identities_in_one_modality_only_are_left_out_and_named() -> None:
    visible, infrared = np.append(VISIBLE, 1), np.append(INFRARED, [2, 4])
    some = sampler(visible=visible, infrared=infrared)
    assert some.identity.tolist() == [3, 5, 7, 9]
    assert some.left_out.tolist() == [1, 2, 4]
    with pytest.raises(DataError) as caught:
        sampler(identities=5, visible=visible, infrared=infrared)
    assert str(caught.value) == (
        "a batch of 5 identities cannot be drawn from 4 identities (left out, because they are in "
        "one modality only: 1, 2, 4); lower it with --batches.identities 4"
    )


def test_no_common_identity_points_at_the_folder() -> None:
    with pytest.raises(DataError, match=r"from 0 identities .* and 3 more\).*fprnet data check"):
        sampler(infrared=INFRARED + 100)


def test_visible_only() -> None:
    batch = sampler(identities=4, images=1, infrared=None).batch(0)
    assert batch.infrared is None
    assert sorted(VISIBLE[batch.visible]) == [3, 5, 7, 9]
    assert batch[batch.part_of(1, 2)].infrared is None


@pytest.mark.parametrize(
    ("identities", "images", "steps"),
    [(2, 1, 5), (2, 2, 2), (4, 2, 1), (4, 4, 1)],  # 10 infrared // 2, // 4, // 8; never 0
)
def test_steps_per_epoch_is_the_larger_modality_over_the_batch(
    identities: int, images: int, steps: int
) -> None:
    assert sampler(identities, images).steps_per_epoch == steps


def test_sysu_epoch_has_695_steps() -> None:
    """22,258 visible images // 32 (paper.md section 9)."""
    visible, infrared = np.arange(22_258) % 395, np.arange(11_909) % 395
    assert sampler(32, 1, visible=visible, infrared=infrared).steps_per_epoch == 695


def test_parts_of_a_batch_are_whole_identities_and_make_up_the_batch() -> None:
    batch = sampler(identities=4, images=3).batch(1)
    parts = [batch[batch.part_of(process, 2)] for process in range(2)]
    assert [len(part) for part in parts] == [6, 6]
    assert not set(parts[0].label) & set(parts[1].label)
    np.testing.assert_array_equal(np.concatenate([p.visible for p in parts]), batch.visible)
    np.testing.assert_array_equal(np.concatenate([p.infrared for p in parts]), batch.infrared)


def test_uneven_share_names_the_option() -> None:
    with pytest.raises(UsageError, match=r"4 identities .* by 3 processes.*--batches.identities"):
        sampler(identities=4).batch(0).part_of(0, 3)


@pytest.mark.parametrize("wrong", [{"identities": 0}, {"images": 0}, {"seed": -1}])
def test_impossible_numbers_are_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="is not possible"):
        sampler(**wrong)


def test_a_sampler_of_ones_own_chooses_the_people_alone():
    one = sampler(identities=2, images=3)
    batch = one.batch_of(np.array([3, 0]), np.random.default_rng(0))
    assert batch.label.tolist() == [3, 3, 3, 0, 0, 0]
    people = [9, 9, 9, 3, 3, 3]  # the fourth and the first of 3, 5, 7, 9
    assert VISIBLE[batch.visible].tolist() == people
    assert INFRARED[batch.infrared].tolist() == people


class AcrossCameras(IdentitySampler):
    """The images of a person are from as many cameras as possible."""

    def choose_images(self, records, rows, random):
        rows = random.permutation(rows)
        _, first = np.unique(records.camera[rows], return_index=True)
        return np.resize(np.append(rows[first], np.delete(rows, first)), self.images)


def test_a_sampler_of_ones_own_chooses_images_by_camera():
    sides = records(VISIBLE, "visible"), records(INFRARED, "infrared")
    one = AcrossCameras(*sides, 0, identities=4, images=2)
    for step in range(20):
        batch = one.batch(step)
        for side, rows in zip(sides, (batch.visible, batch.infrared), strict=True):
            for person, pair in zip(batch.label[::2], rows.reshape(4, 2), strict=True):
                own = side.identity == one.identity[person]
                assert own[pair].all()
                cameras = len(set(side.camera[own]))
                assert len(set(side.camera[pair])) == min(2, cameras)
