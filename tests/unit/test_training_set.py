"""The batch of a step is a function of the seed and the step, and processes share it."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from fprnet import plugins
from fprnet.components import Component
from fprnet.config.schema import AugmentationConfig
from fprnet.data.batches import Batch
from fprnet.data.records import Records
from fprnet.errors import ConfigError
from fprnet.filling import parse_component
from fprnet.kinds import AUGMENTATION_PAIR_STEP, AUGMENTATION_STEP, SAMPLER
from fprnet.training import resident
from fprnet.training.resident import choose_image_device
from fprnet.training.training_set import TrainingSet

CPU = torch.device("cpu")
PEOPLE = 6
FOUR_PEOPLE = parse_component(
    SAMPLER,
    {"class_path": "identities", "init_args": {"identities": 4, "images": 2}},
    key="batches",
)


@pytest.fixture(scope="module")
def records():
    """Two visible and two infrared images of each of 6 people, and a stranger's."""
    identity = np.repeat(np.arange(1, PEOPLE + 2), 4)
    camera = np.tile([1, 2, 3, 6], PEOPLE + 1)
    return Records(
        root=Path(),
        path=np.array([f"{n}.png" for n in range(len(identity))]),
        identity=identity,
        camera=camera,
        modality=np.where(camera < 3, "visible", "infrared"),
        location=camera,
        index=np.ones_like(identity),
    )


def training_set(records, *, seed=0, visible_only=False, resident=None, **changes):
    """Image n is of the gray value n."""
    images = np.empty((len(records), 8, 4, 3), np.uint8)
    images[:] = np.arange(len(records), dtype=np.uint8)[:, None, None, None]
    images.flags.writeable = False  # as the memory map is
    return TrainingSet(
        images,
        records,
        rows=np.flatnonzero(records.identity <= PEOPLE),
        batches=FOUR_PEOPLE,
        changes=AugmentationConfig(**{"padding": 0, "flip": 0.0} | changes),
        seed=seed,
        visible_only=visible_only,
        resident=resident,
    )


CHANGES = {
    "padding": 2,
    "flip": 0.5,
    "erasing": 0.5,
    "gray_projection": 0.5,
    "infrared_changes": 0.5,
}


def assert_equal(one, other):
    for name in ("visible", "infrared", "visible_labels", "infrared_labels"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name


def test_batch_shows_the_people_of_its_labels(records):
    data = training_set(records)
    assert data.identities.tolist() == [1, 2, 3, 4, 5, 6]
    assert data.images_per_step == 16
    assert data.steps_per_epoch == 1  # 12 images // 8
    batch = data.batch(0, device=CPU)
    # ImageNet's mean and deviation of red, undone: the gray value says which image it is.
    for images, labels in (
        (batch.visible, batch.visible_labels),
        (batch.infrared, batch.infrared_labels),
    ):
        assert images.shape == (8, 3, 8, 4)
        number = (images[:, 0, 0, 0] * 0.229 + 0.485).mul(255).round().long().numpy()
        assert records.identity[number].tolist() == data.identities[labels].tolist()
        assert len(set(number.tolist())) == 8
    assert torch.equal(batch.visible_labels, batch.infrared_labels)
    assert len(set(batch.visible_labels.tolist())) == 4


def test_batch_depends_on_seed_and_step_alone(records):
    data = training_set(records, **CHANGES)
    batch = data.batch(7, device=CPU)
    data.batch(3, device=CPU)
    torch.rand(5)
    assert_equal(data.batch(7, device=CPU), batch)
    assert_equal(training_set(records, **CHANGES).batch(7, device=CPU), batch)
    for other in (
        data.batch(8, device=CPU),
        training_set(records, seed=1, **CHANGES).batch(7, device=CPU),
    ):
        assert not torch.equal(other.visible, batch.visible)


def test_making_a_batch_leaves_the_global_random_numbers_alone(records):
    before = torch.get_rng_state()
    training_set(records, **CHANGES).batch(0, device=CPU)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("processes", [2, 4])
def test_processes_share_the_batch_and_its_random_changes(records, processes):
    data = training_set(records, **CHANGES)
    whole = data.batch(5, device=CPU)
    parts = [data.batch(5, device=CPU, rank=r, processes=processes) for r in range(processes)]
    for name in ("visible", "infrared", "visible_labels", "infrared_labels"):
        joined = torch.cat([getattr(part, name) for part in parts])
        assert torch.equal(joined, getattr(whole, name)), name


def test_visible_only(records):
    data = training_set(records, visible_only=True)
    batch = data.batch(0, device=CPU)
    assert data.images_per_step == 8
    assert batch.visible.shape == (8, 3, 8, 4)
    assert batch.infrared.shape == (0, 3, 8, 4)
    assert batch.infrared_labels.shape == (0,)


def test_images_and_records_must_be_as_many(records):
    with pytest.raises(ValueError, match="3 images but 28 records"):
        TrainingSet(
            np.zeros((3, 8, 4, 3), np.uint8),
            records,
            rows=np.arange(3),
            batches=FOUR_PEOPLE,
            changes=AugmentationConfig(),
            seed=0,
        )


@pytest.mark.parametrize("visible_only", [False, True])
def test_batches_of_resident_images_are_the_same(records, visible_only, monkeypatch):
    monkeypatch.setattr(resident, "CHUNK", 5)  # several chunks
    one = training_set(records, visible_only=visible_only, **CHANGES)
    other = training_set(records, visible_only=visible_only, resident=CPU, **CHANGES)
    for step in range(3):
        assert_equal(one.batch(step, device=CPU), other.batch(step, device=CPU))
        halves = [other.batch(step, device=CPU, rank=r, processes=2) for r in (0, 1)]
        whole = torch.cat([half.visible for half in halves])
        assert torch.equal(whole, one.batch(step, device=CPU).visible)


def test_images_are_resident_where_they_fit(monkeypatch):
    gpu = torch.device("cuda")
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10_000, 20_000))
    assert choose_image_device("auto", gpu, 5_000) == "device"
    assert choose_image_device("auto", gpu, 5_001) == "host"
    assert choose_image_device("device", gpu, 9_000) == "device"
    assert choose_image_device("host", gpu, 1) == "host"
    assert choose_image_device("auto", CPU, 1) == "host"
    assert choose_image_device("device", CPU, 1) == "device"
    with pytest.raises(ConfigError, match=r"take 0\.0 GiB .* --training.images_on host"):
        choose_image_device("device", gpu, 10_001)


def test_labels_of_both_modalities_are_one_tensor(records):
    batch = training_set(records).batch(0, device=CPU)
    # So that the fusion block, which needs them equal, need not ask the device.
    assert batch.visible_labels is batch.infrared_labels


class Noise:
    """A step that adds a random number to each image."""

    def __call__(self, images, modality, generator):
        return images + torch.rand(len(images), generator=generator)[:, None, None, None]


class Sign:
    """A step that turns infrared images into their negatives."""

    def __call__(self, images, modality, generator):
        return -images if modality == "infrared" else images


@pytest.fixture
def noisy(records):
    words = {"one": plugins.offer(Noise), "two": plugins.offer(Noise)}
    steps = {name: Component(AUGMENTATION_STEP, word) for name, word in words.items()}
    return training_set(records, steps=steps)


def test_steps_draw_from_streams_of_their_own(records, noisy):
    plain = training_set(records)

    def drawn(step, rank=0, processes=1):
        of_rank = {"device": CPU, "rank": rank, "processes": processes}
        one, other = noisy.batch(step, **of_rank), plain.batch(step, **of_rank)
        torch.testing.assert_close(one.visible_labels, other.visible_labels)
        pairs = ((one.visible, other.visible), (one.infrared, other.infrared))
        return [(a - b)[:, 0, 0, 0] for a, b in pairs]

    first = drawn(5)
    assert all(torch.equal(one, again) for one, again in zip(first, drawn(5), strict=True))
    # The sums of both steps' numbers: of each modality, step and process others.
    seen = [*first, *drawn(6), *drawn(5, rank=0, processes=2), *drawn(5, rank=1, processes=2)]
    numbers = torch.cat(seen)
    assert (numbers > 0).all()
    assert len(numbers.mul(1e5).round().unique()) >= len(numbers) - 4 * 2  # half of rank 0 is alike


class Exchange:
    """A pair step that swaps the modalities and adds a random number to each image."""

    def __call__(self, visible, infrared, generator):
        drawn = torch.rand(2, len(visible), generator=generator)[:, :, None, None, None]
        return infrared + drawn[0], visible + drawn[1]


def test_pair_steps_see_both_modalities_before_the_steps_of_one(records):
    pair = {"x": Component(AUGMENTATION_PAIR_STEP, plugins.offer(Exchange))}
    step = {"y": Component(AUGMENTATION_STEP, plugins.offer(Sign))}
    plain, paired, both = (
        training_set(records, **changes).batch(3, device=CPU)
        for changes in ({}, {"pair_steps": pair}, {"pair_steps": pair, "steps": step})
    )
    for one, other in ((paired.visible, plain.infrared), (paired.infrared, plain.visible)):
        added = (one - other)[:, 0, 0, 0]
        assert ((added > 0) & (added < 1)).all()
        torch.testing.assert_close(one, other + added[:, None, None, None])
    torch.testing.assert_close(both.visible, paired.visible)
    torch.testing.assert_close(both.infrared, -paired.infrared)


def test_pair_steps_draw_from_streams_of_their_own(records):
    pair = {name: Component(AUGMENTATION_PAIR_STEP, plugins.offer(Exchange)) for name in "ab"}
    twice, plain = training_set(records, pair_steps=pair), training_set(records)

    def added(step, rank, processes):
        of_rank = {"device": CPU, "rank": rank, "processes": processes}
        one, other = twice.batch(step, **of_rank), plain.batch(step, **of_rank)
        return torch.cat([one.visible - other.visible, one.infrared - other.infrared])[:, 0, 0, 0]

    assert torch.equal(added(5, 0, 1), added(5, 0, 1))
    seen = torch.cat([added(5, 0, 1), added(6, 0, 1), added(5, 1, 2)])
    assert len(seen.mul(1e4).round().unique()) == len(seen)


class Faulty:
    """A sampler whose batches are those of another, changed."""

    def __init__(self, **changes):
        self.changes = changes

    def build(self, *supplied):
        sampler = FOUR_PEOPLE.build(*supplied)
        draw = sampler.batch
        sampler.batch = lambda step: replace(
            draw(step), **{name: change(draw(step)) for name, change in self.changes.items()}
        )
        return sampler


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"infrared": lambda batch: None}, "no infrared rows"),
        ({"infrared": lambda batch: batch.infrared + 100}, r"infrared rows such as 1\d\d"),
        ({"visible": lambda batch: batch.visible - 100}, "visible rows such as -"),
        ({"label": lambda batch: batch.label + 6}, r"labels such as .*from 0 to 5"),
        ({"visible": lambda batch: batch.visible[:-1]}, "8 labels but 7 visible rows"),
        (
            {"label": lambda batch: (batch.label + 1) % 6},
            r"visible rows of person (\d) with the label of person (?!\1)\d; a row is a position",
        ),
        ({"infrared": lambda batch: batch.infrared[::-1]}, r"infrared rows of person \d with"),
    ],
)
def test_batches_that_a_sampler_must_not_give_are_named(records, changes, fault):
    images = np.zeros((len(records), 8, 4, 3), np.uint8)
    made = TrainingSet(
        images,
        records,
        rows=np.flatnonzero(records.identity <= PEOPLE),
        batches=Faulty(**changes),
        changes=AugmentationConfig(),
        seed=0,
    )
    with pytest.raises(ConfigError, match=f"batch of step 3 has {fault}"):
        made.plan(3)


class InEveryCamera:
    """One image of each camera of a person; who is shown by night is somebody else."""

    def __init__(self, visible, infrared, seed):
        self.identity, self.left_out = np.unique(visible.identity), np.array([], int)
        self.steps_per_epoch, self.images_per_modality = len(self.identity), 2
        self.sides = visible, infrared

    def batch(self, step):
        labels = [np.repeat((step + shift) % len(self.identity), 2) for shift in (0, 1)]
        rows = []
        for side, label in zip(self.sides, labels, strict=True):
            own = np.flatnonzero(side.identity == self.identity[label[0]])
            rows.append(own[np.unique(side.camera[own], return_index=True)[1]])
        return Batch(labels[0], *rows, images=2, infrared_label=labels[1])


def in_every_camera(records, **changes):
    return TrainingSet(
        np.zeros((len(records), 8, 4, 3), np.uint8),
        records,
        rows=np.flatnonzero(records.identity <= PEOPLE),
        batches=SimpleNamespace(build=InEveryCamera),
        changes=AugmentationConfig(**changes),
        seed=0,
    )


def test_pair_steps_need_the_same_people_in_both_modalities(records):
    swap = parse_component(AUGMENTATION_PAIR_STEP, "amplitude-swap", key="step")
    made = in_every_camera(records, pair_steps={"swap": swap})
    with pytest.raises(ConfigError, match="InEveryCamera shows other people in infrared"):
        made.batch(0, device=CPU)


def test_a_sampler_is_told_cameras_and_may_show_others_by_night(records):
    shuffled = records.where(np.random.default_rng(0).permutation(len(records)))
    made = in_every_camera(shuffled)
    for step in range(PEOPLE):
        plan, batch = made.plan(step), made.batch(step, device=CPU)
        for modality, cameras, shift in (("visible", [1, 2], 0), ("infrared", [3, 6], 1)):
            rows, _ = plan.images[modality]
            person = (step + shift) % PEOPLE + 1
            assert shuffled.camera[rows].tolist() == cameras
            assert shuffled.identity[rows].tolist() == [person, person]
            assert getattr(batch, f"{modality}_labels").tolist() == [person - 1] * 2


def test_a_sampler_that_returns_no_batch_is_named(records):
    sampler = FOUR_PEOPLE.build(records, records, 0)
    sampler.batch = lambda step: (np.arange(4), np.arange(4))
    made = TrainingSet(
        np.zeros((len(records), 8, 4, 3), np.uint8),
        records,
        rows=np.flatnonzero(records.identity <= PEOPLE),
        batches=SimpleNamespace(build=lambda *supplied: sampler),
        changes=AugmentationConfig(),
        seed=0,
    )
    with pytest.raises(ConfigError, match=r"batch of step 3 is a tuple; return a fprnet\.data"):
        made.plan(3)


def halved(images, modality, generator):
    return images[:, :, ::2]


def forgets(images, modality, generator):
    images.mul_(2)


def one_side(visible, infrared, generator):
    return visible


@pytest.mark.parametrize(
    ("key", "step", "fault"),
    [
        ("steps", halved, r"steps.mine returned a tensor of shape \(8, 3, 4, 4\) for"),
        ("steps", forgets, "steps.mine returned None"),
        ("pair_steps", one_side, "pair_steps.mine returned a tensor"),
    ],
)
def test_steps_that_return_no_such_images_are_named(records, key, step, fault):
    kind = AUGMENTATION_STEP if key == "steps" else AUGMENTATION_PAIR_STEP
    made = training_set(records, **{key: {"mine": Component(kind, plugins.offer(step))}})
    with pytest.raises(ConfigError, match=fault):
        made.batch(0, device=CPU)
