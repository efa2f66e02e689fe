"""Two gloo processes with half the batch each compute what one process computes on all of it."""

import copy
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from fprnet.losses.modality import AmplitudeDiscrepancy
from fprnet.losses.ranking import CrossModalityTopRanking, WeightedRegularisedTriplet
from fprnet.methods.cmgan.discriminator import ModalityDiscriminator
from fprnet.methods.cmgan.objective import AdversarialLoss
from fprnet.methods.levels.head import LevelPrediction
from fprnet.methods.levels.objective import LevelLoss
from fprnet.methods.paper.fusion import FusionSpec
from fprnet.methods.paper.head import CrossModalityPrediction
from fprnet.methods.paper.objective import HybridLoss
from fprnet.models.batch_norm import SynchronisedBatchNorm2d, synchronise_batch_norm
from fprnet.models.distributed import gather_rows
from fprnet.models.pyramid import FeaturePyramid
from fprnet.models.reidentifier import Reidentifier
from fprnet.models.resnet import ResNet
from fprnet.models.streams import Streams

PROCESSES = 2
CPU, CUDA = torch.device("cpu"), torch.device("cuda")
ROWS = 8  # per modality, in the whole batch


def images(channels: int = 3) -> Tensor:
    return torch.randn(2, ROWS, channels, 32, 16, generator=torch.Generator().manual_seed(3))


def own_rows(x: Tensor, rank: int) -> Tensor:
    return x[rank * len(x) // PROCESSES : (rank + 1) * len(x) // PROCESSES]


def test_one_process_is_left_alone() -> None:
    rows = torch.randn(3, 2)
    assert gather_rows(rows) is rows
    plain, synchronised = nn.BatchNorm2d(3), SynchronisedBatchNorm2d(3)
    x = images()[0]
    torch.testing.assert_close(synchronised(x), plain(x))
    torch.testing.assert_close(synchronised.running_var, plain.running_var)


def test_conversion_keeps_parameters_state_keys_and_other_layers() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.BatchNorm1d(4))
    network[1](torch.randn(2, 4, 3, 3))
    before, parameters = copy.deepcopy(network.state_dict()), list(network.parameters())
    converted = synchronise_batch_norm(network.eval(), CPU)
    assert isinstance(converted[1], SynchronisedBatchNorm2d)
    assert type(converted[2]) is nn.BatchNorm1d
    assert not converted[1].training
    torch.testing.assert_close(dict(converted.state_dict()), dict(before))
    assert all(a is b for a, b in zip(converted.parameters(), parameters, strict=True))


def test_gpus_take_torchs_own_layer() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    parameters = list(network.parameters())
    converted = synchronise_batch_norm(network, CUDA)
    assert type(converted[1]) is nn.SyncBatchNorm
    assert converted is network  # in place: the optimiser's parameters are the network's
    assert all(a is b for a, b in zip(converted.parameters(), parameters, strict=True))


def batch_norm_alone(rank: int | None) -> dict[str, Tensor]:
    """Output, gradients and running statistics of one layer after two steps."""
    layer: nn.Module = nn.BatchNorm2d(3, momentum=0.3)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([0.5, 1.0, -2.0]))
        layer.bias.copy_(torch.tensor([0.1, 0.2, 0.3]))
    x = 30 + images()[0]  # far from 0: sums of squares would cancel
    if rank is not None:
        layer, x = synchronise_batch_norm(layer, CPU), own_rows(x, rank)
    x = x.clone().requires_grad_()
    for _ in range(2):
        result = layer(x)
    loss = (gather_rows(result) if rank is not None else result).cos().square().sum()
    loss.backward()
    factor = 1 if rank is None else 1 / PROCESSES  # every process has the whole loss
    gradients = {name: p.grad.clone() for name, p in layer.named_parameters()}
    if rank is not None:
        for gradient in gradients.values():
            dist.all_reduce(gradient)
    return {
        "output": gather_rows(result.detach()),
        "input gradient": gather_rows(x.grad) * factor,
        **{name: gradient * factor for name, gradient in gradients.items()},
        **{name: buffer.clone() for name, buffer in layer.named_buffers()},
    }


def rows_alone(rank: int | None) -> dict[str, Tensor]:
    """Maps in channels-last memory, and their gradient."""
    x = images(channels=4)[0].to(memory_format=torch.channels_last)
    x = (x if rank is None else own_rows(x, rank)).clone().requires_grad_()
    rows = x if rank is None else gather_rows(x)
    rows.pow(3).sum().backward()
    assert x.grad is not None
    gradient = x.grad if rank is None else gather_rows(x.grad) / PROCESSES
    return {"rows": rows.detach(), "gradient": gradient}


def default_model() -> Reidentifier:
    backbone = ResNet(18, width=4)
    pyramid = FeaturePyramid({5: 32, 4: 16}, channels=8, order="linear")
    prediction = LevelPrediction(32, 8, 4, stripes={5: 1, 4: 2}, level_size=8)
    return Reidentifier(Streams(backbone, 1), pyramid, prediction)


def released_model() -> Reidentifier:
    backbone, spec = ResNet(18, width=4), FusionSpec.parse("r5 i5 i4 r4 / i5 r5 r4 i4")
    pyramids = (
        FeaturePyramid(backbone.stage_channels, channels=8, levels=spec.levels("visible")),
        FeaturePyramid(backbone.stage_channels, channels=8, levels=spec.levels("infrared")),
    )
    prediction = CrossModalityPrediction(
        *(32, 8, 4),
        fusion=str(spec),
        main_layers=(8,),
        layer="linear-batchnorm",
        modality_blocks="shared",
        leaky_classifier=True,
    )
    return Reidentifier(Streams(backbone, 5), pyramids, prediction)


def svdnet_model() -> Reidentifier:
    prediction = LevelPrediction(
        32, 8, 4, main_size=8, main_layer="eigenlayer", neck="none", dropout=0.5
    )
    return Reidentifier(Streams(ResNet(18, width=4), 0), None, prediction)


def adversarial_model() -> Reidentifier:
    prediction = LevelPrediction(32, 8, 4, neck="none", classifier_layers=(8,))
    streams = Streams(ResNet(18, width=4), 0)
    return Reidentifier(
        streams, None, prediction, {"discriminator": ModalityDiscriminator(32, sizes=(8,))}
    )


def spectral_model() -> Reidentifier:
    return default_model()


OBJECTIVES = {
    default_model: LevelLoss(WeightedRegularisedTriplet()),
    released_model: HybridLoss(discrepancy="differentiable"),
    svdnet_model: LevelLoss(),
    spectral_model: LevelLoss(AmplitudeDiscrepancy(stage=3)),
    adversarial_model: AdversarialLoss(LevelLoss(CrossModalityTopRanking(1.4)), 0.05),
}


def whole_model(rank: int | None, make: Callable[[], Reidentifier]) -> dict[str, Tensor]:
    """Loss, parameter gradients and running statistics of one training step."""
    torch.manual_seed(0)
    model: nn.Module = make()
    objective = OBJECTIVES[make]
    visible, infrared = images()
    labels = torch.arange(ROWS) // 2
    if rank is None:
        outputs = model(visible, infrared, labels, labels)
    else:
        visible, infrared, labels = (own_rows(x, rank) for x in (visible, infrared, labels))
        wrapped = DistributedDataParallel(synchronise_batch_norm(model, CPU))
        outputs = wrapped(visible, infrared, labels, labels, gather=gather_rows)
    loss = objective(outputs)
    loss.total_with_adversary.backward()
    gradients = {f"{n} gradient": p.grad for n, p in model.named_parameters() if p.requires_grad}
    terms = {f"loss {name}": term for name, term in loss.terms.items()}
    return {**gradients, **dict(model.named_buffers()), **terms}


CASES: dict[str, Callable[[int | None], dict[str, Tensor]]] = {
    "batch norm": batch_norm_alone,
    "rows": rows_alone,
    "default": lambda rank: whole_model(rank, default_model),
    "released": lambda rank: whole_model(rank, released_model),
    "svdnet": lambda rank: whole_model(rank, svdnet_model),
    "spectral": lambda rank: whole_model(rank, spectral_model),
    "adversarial": lambda rank: whole_model(rank, adversarial_model),
}


def work(rank: int, folder: str) -> None:
    warnings.simplefilter("error")
    torch.set_num_threads(1)
    dist.init_process_group(
        "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=PROCESSES
    )
    results = {name: case(rank) for name, case in CASES.items()}
    torch.save(results, f"{folder}/{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def distributed(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, dict[str, Tensor]]]:
    folder: Path = tmp_path_factory.mktemp("distributed")
    mp.spawn(work, args=(str(folder),), nprocs=PROCESSES)
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(PROCESSES)]


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_two_processes_compute_what_one_does(distributed: Any, case: str) -> None:
    alone = CASES[case](None)
    for result in (by_rank[case] for by_rank in distributed):
        assert result.keys() == alone.keys()
        for name, expected in alone.items():
            error = (result[name] - expected.detach()).abs().max()
            assert error <= 1e-4 * expected.detach().abs().max() + 1e-6, name
