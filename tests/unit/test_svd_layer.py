"""SVD layer: what W <- U S keeps and what it changes, and the diagnostic by hand."""

import pytest
import torch

from fprnet.models.svd_layer import SvdLayer, decorrelated


def layer(inputs: int, outputs: int, seed: int = 0) -> SvdLayer:
    torch.manual_seed(seed)
    made = SvdLayer(inputs, outputs)
    with torch.no_grad():
        made.weight += 0.5 * torch.randn(inputs)  # a common part: correlated weight vectors
    return made


@pytest.mark.parametrize(("inputs", "outputs"), [(12, 5), (6, 6), (4, 7)])
def test_distances_stay_and_columns_become_orthogonal(inputs: int, outputs: int) -> None:
    svd = layer(inputs, outputs)
    before = svd.weight.detach().clone()
    x = torch.randn(9, inputs)
    distances = torch.cdist(svd(x), svd(x))
    assert svd.correlation() < 0.6
    svd.decorrelate_()
    torch.testing.assert_close(svd.weight.T @ svd.weight, before.T @ before)  # W W^T
    torch.testing.assert_close(torch.cdist(svd(x), svd(x)), distances, atol=1e-4, rtol=1e-4)
    gram = svd.weight @ svd.weight.T
    torch.testing.assert_close(gram, torch.diag(gram.diagonal()), atol=1e-4, rtol=0)
    assert svd.correlation() == pytest.approx(1.0, abs=1e-4)


def test_orthogonal_columns_stay_where_they_are_with_their_signs() -> None:
    weight = torch.tensor([[0.0, 2.0, 0.0], [-3.0, 0.0, 0.0]])  # two weight vectors in 3 inputs
    torch.testing.assert_close(decorrelated(weight), weight)


def test_a_second_step_changes_nothing() -> None:
    once = decorrelated(layer(10, 6).weight)
    torch.testing.assert_close(decorrelated(once), once, atol=1e-4, rtol=1e-4)


def test_columns_stay_near_the_old_ones() -> None:
    torch.manual_seed(1)
    orthogonal, _ = torch.linalg.qr(torch.randn(20, 8))
    weight = (orthogonal * torch.arange(1, 9)).T + 0.02 * torch.randn(8, 20)
    cosine = torch.nn.functional.cosine_similarity(decorrelated(weight), weight)
    assert cosine.min() > 0.95


def test_correlation_by_hand() -> None:
    svd = SvdLayer(2, 2)
    with torch.no_grad():
        svd.weight.copy_(torch.tensor([[1.0, 0.0], [1.0, -1.0]]))
    # G = [[1, 1], [1, 2]]: S = (1 + 2) / (1 + 1 + 1 + 2)
    assert svd.correlation() == pytest.approx(3 / 5)
    with torch.no_grad():
        svd.weight.fill_(1.0)
    assert svd.correlation() == pytest.approx(1 / 2)  # all columns alike: 1 / E


def test_it_is_linear_without_bias() -> None:
    svd = SvdLayer(3, 2)
    x = torch.randn(4, 3)
    torch.testing.assert_close(svd(x), x @ svd.weight.T)
    assert [name for name, _ in svd.named_parameters()] == ["weight"]
    assert "inputs=3, outputs=2" in repr(svd)
