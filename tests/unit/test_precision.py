"""Which of two ways of computing is faster, by a clock that the test moves."""

import os

import pytest
import torch

from fprnet import precision
from fprnet.cores import available_cores
from fprnet.precision import bfloat16_is_faster, gpu_computes_bfloat16, is_faster


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([9, 1.0, 1.0], [9, 0.5, 0.5], True),
        ([9, 1.0, 1.0], [9, 0.9, 0.9], False),  # hardly faster
        ([9, 1.0, 1.0], [9, 3.0, 2.0], False),
        ([9, 1.0, 1.0], [9, 3.0, 0.5], True),  # the best round counts
        ([0.1, 1.0, 1.0], [9, 0.5, 0.5], True),  # the first one only warms up
    ],
)
def test_only_what_is_clearly_faster_is_faster(old, new, expected):
    now, order = [0.0], []
    seconds = {"old": iter(old), "new": iter(new)}

    def work(name):
        order.append(name)
        now[0] += next(seconds[name])

    result = is_faster(
        lambda: work("new"),
        than=lambda: work("old"),
        rounds=len(old) - 1,
        clock=lambda: now[0],
    )
    assert result is expected
    assert order == ["old", "new"] * 3


def test_a_clock_that_ticks_too_rarely_does_not_judge(monkeypatch):
    now = [0.0]

    def work(seconds):
        now[0] += seconds

    monkeypatch.setattr(precision.time, "perf_counter", lambda: now[0])
    for slow, quick in ((0.003, 0.001), (0.001, 0.003)):
        result = is_faster(
            lambda seconds=quick: work(seconds),
            than=lambda seconds=slow: work(seconds),
            clock=lambda: now[0] // 0.016,
        )
        assert result is (quick < slow)


@pytest.mark.parametrize("faster", [True, False])
def test_bfloat16_is_measured_on_products_in_both_types(monkeypatch, faster):
    types = []

    def judge(work, *, than, **_):
        types.extend(way().dtype for way in (work, than))
        return faster

    monkeypatch.setattr(precision, "is_faster", judge)
    bfloat16_is_faster.cache_clear()
    try:
        assert [bfloat16_is_faster() for _ in range(2)] == [faster, faster]
    finally:
        bfloat16_is_faster.cache_clear()
    assert types == [torch.bfloat16, torch.float32]  # once


@pytest.mark.parametrize(("units", "expected"), [(True, True), (False, False)])
def test_imitated_bfloat16_does_not_count(monkeypatch, units, expected):
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation: units or including_emulation
    )
    assert gpu_computes_bfloat16() is expected


def test_cores_are_those_of_this_process(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 3, 5}, raising=False)
    assert available_cores() == 3
    monkeypatch.delattr(os, "sched_getaffinity")
    for known, cores in ((7, 7), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda known=known: known)
        assert available_cores() == cores
