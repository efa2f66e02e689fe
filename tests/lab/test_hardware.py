"""The machine's matrix rate: operations counted, and timed as what is compared with it."""

import time

import pytest
import torch

from fprnet_lab.benchmarking import hardware
from fprnet_lab.benchmarking.hardware import clock_for, matrix_rate, measure_matrix_rates


def test_matrix_rates_are_told_with_their_threads():
    rates = measure_matrix_rates(size=64, seconds=0.01)
    assert rates.threads == torch.get_num_threads()
    assert rates.of("bfloat16") == rates.bfloat16 > 0
    assert rates.of("float32") == rates.float32 > 0


def test_rates_and_steps_are_timed_by_one_clock():
    # Wall time for the rate and processor time for the step made shares of the limit above 1.
    cpu, gpu = torch.device("cpu"), torch.device("cuda")
    assert clock_for(cpu, 1) is time.process_time
    assert clock_for(cpu, 2) is time.perf_counter
    assert clock_for(gpu, 1) is time.perf_counter


def test_a_rate_counts_two_operations_per_multiply_add(monkeypatch):
    ticks = iter(range(100))
    monkeypatch.setattr(hardware, "clock_for", lambda device, threads: lambda: float(next(ticks)))
    # A product "takes" one second: 2 * 8^3 operations.
    rate = matrix_rate(torch.float32, torch.device("cpu"), size=8, seconds=0)
    assert rate == pytest.approx(1024e-9)
