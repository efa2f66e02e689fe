"""Precision and threads: what is measured faster, and a run's own when it goes on."""

import time

import pytest
import torch
from torch import nn

from fprnet.config import load_config, to_yaml
from fprnet.errors import ConfigError
from fprnet.training import choices as module
from fprnet.training.choices import fastest_precision, resolve_runtime
from fprnet.training.memory_format import in_memory_format

CPU, CUDA = torch.device("cpu"), torch.device("cuda")
FLOAT32 = ("--training.precision", "float32")


@pytest.fixture(autouse=True)
def thread_count_comes_back():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def config(*words: str, preset: str = "fprnet"):
    small = ("--model.weights", "none", "--model.backbone.width", "8", "--data.height", "48")
    return load_config(preset, scale="tiny", overrides=[*small, *words])


def test_what_is_given_stands(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "is_faster", pytest.fail)
    given = config("--training.threads", "3", *FLOAT32)
    assert resolve_runtime(given, tmp_path, device=CPU) == given


def test_a_run_goes_on_with_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "is_faster", pytest.fail)
    own = config("--training.threads", "5", "--training.precision", "bfloat16")
    (tmp_path / "config.yaml").write_text(to_yaml(own))
    assert resolve_runtime(config(), tmp_path, device=CPU) == own


@pytest.mark.parametrize(
    "text",
    ["training: [", "training: 3", "{}", "training: {threads: no, precision: 3}"],
)
def test_a_damaged_config_is_left_to_the_run_folder_to_tell(tmp_path, text, monkeypatch):
    torch.set_num_threads(2)
    monkeypatch.setattr(module, "is_faster", lambda *_, **__: True)
    (tmp_path / "config.yaml").write_text(text)
    chosen = resolve_runtime(config(), tmp_path, device=CPU).training
    assert (chosen.precision, chosen.threads) == ("bfloat16", 2)


@pytest.mark.parametrize("preset", ["fprnet", "zero-padding"])  # the latter's takes two channels
@pytest.mark.parametrize(
    ("better", "precision", "threads"), [(1, "bfloat16", 2), (0, "float32", 1)]
)
def test_a_new_run_is_measured_on_its_own_backbone(
    preset, better, precision, threads, tmp_path, monkeypatch, capsys
):
    torch.set_num_threads(2)
    tried = []

    def judge(work, *, than, clock=time.perf_counter):
        for function in (than, work):
            function()
            tried.append((torch.get_num_threads(), clock))
        return bool(better)

    monkeypatch.setattr(module, "is_faster", judge)
    state = torch.get_rng_state()
    chosen = resolve_runtime(config(preset=preset), tmp_path / "new", device=CPU).training
    assert (chosen.precision, chosen.threads) == (precision, threads)
    one, all_of_them = (1, time.perf_counter), (2, time.perf_counter)
    assert tried == [(1, time.process_time)] * 2 + [one, all_of_them]
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == 2  # as it was
    said = capsys.readouterr().err
    assert f"{precision} is the faster precision here" in said
    assert f"{threads} of 2 threads are fastest here" in said


def test_the_probe_is_done_in_the_precision_that_is_tried(monkeypatch):
    seen = []

    def judge(work, *, than, clock):
        for function in (work, than):
            with Types() as types:
                function()
            seen.append(types.of_convolutions)
        return True

    monkeypatch.setattr(module, "is_faster", judge)
    fastest_precision(config(), CPU)
    assert seen == [{torch.bfloat16}, {torch.float32}]


class Types(torch.utils._python_dispatch.TorchDispatchMode):
    """Collects the types that convolutions give."""

    def __init__(self):
        super().__init__()
        self.of_convolutions = set()

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        result = function(*args, **(kwargs or {}))
        if function.overloadpacket.__name__ == "convolution":
            self.of_convolutions.add(result.dtype)
        return result


def test_processes_of_one_run_all_choose_the_same(tmp_path, monkeypatch):
    torch.set_num_threads(2)
    monkeypatch.setattr(module, "is_faster", pytest.fail)
    monkeypatch.setenv("WORLD_SIZE", "2")
    chosen = resolve_runtime(config(), tmp_path, device=CPU).training
    assert (chosen.precision, chosen.threads) == ("float32", 1)


@pytest.mark.parametrize(("units", "precision"), [(True, "bfloat16"), (False, "float32")])
def test_a_gpu_computes_in_what_it_has_units_for(units, precision, tmp_path, monkeypatch):
    torch.set_num_threads(2)
    monkeypatch.setattr(module, "is_faster", pytest.fail)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation: units or including_emulation
    )
    chosen = resolve_runtime(config(), tmp_path, device=CUDA).training
    assert (chosen.precision, chosen.threads) == (precision, 1)
    assert fastest_precision(config(), CUDA) == precision


def test_a_convolution_that_would_overrun_its_memory_is_refused(tmp_path):
    narrow = config("--model.backbone.width", "4")
    with pytest.raises(ConfigError, match=r"4 input channels, .*--training\.channels_last false"):
        resolve_runtime(narrow, tmp_path, device=CPU)
    layer = nn.Sequential(nn.Conv2d(4, 8, 1, stride=2))
    assert in_memory_format(layer, channels_last=False, device=CPU) is layer
    assert in_memory_format(layer, channels_last=True, device=torch.device("cuda")) is layer
    wide = nn.Sequential(nn.Conv2d(8, 8, 1, stride=2), nn.Conv2d(4, 8, 3, stride=2))
    made = in_memory_format(wide, channels_last=True, device=CPU)
    assert made[0].weight.is_contiguous(memory_format=torch.channels_last)
