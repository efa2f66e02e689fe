"""A compiled trunk is the same network under the same names."""

import importlib.util
import sys

import pytest
import torch

from fprnet.config import load_config
from fprnet.errors import ConfigError
from fprnet.methods.network import untrained
from fprnet.models.compiled import check_compiler, compile_trunk


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The .grad attribute")  # torch looks at its own tensors
@pytest.mark.parametrize("preset", ["fprnet", "two-stream"])
def test_outputs_gradients_and_names_stay(preset):
    narrow = ["--model.backbone.width", "4", "--model.weights", "none"]
    settings = load_config(preset, scale="tiny", overrides=narrow)
    torch.manual_seed(0)
    model = untrained(settings.model).build(4)
    images = torch.randn(2, 4, 3, 96, 48)
    labels = torch.arange(4)
    names = list(model.state_dict())

    def step():
        model.zero_grad()
        logits = model(*images, labels, labels)["main"].logits
        logits.square().sum().backward()
        return logits.detach(), [p.grad.clone() for p in model.parameters() if p.grad is not None]

    expected, expected_gradients = step()
    compile_trunk(model, backend="aot_eager")  # everything but the code generator, which needs gcc
    got, gradients = step()
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)
    for one, other in zip(gradients, expected_gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)
    assert list(model.state_dict()) == names


def test_a_missing_compiler_is_told_before_anything_is_read(monkeypatch):
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ConfigError, match=r"no-such-compiler is not there.*--training.compile fal"):
        check_compiler(torch.device("cpu"))


def test_a_gpu_needs_triton(monkeypatch):
    monkeypatch.setenv("CXX", sys.executable)  # any program that is there
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    check_compiler(torch.device("cpu"))
    with pytest.raises(ConfigError, match="pip install triton"):
        check_compiler(torch.device("cuda"))
