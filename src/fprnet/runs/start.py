"""A new network takes the weights of a trained one, all but the classifiers of its people."""

from __future__ import annotations

from pathlib import Path

from torch import Tensor, nn

from fprnet.components import Component
from fprnet.config.schema import RunConfig
from fprnet.errors import CheckpointError
from fprnet.methods.network import classifier_keys
from fprnet.runs.pretrained import find_pretrained, read_pretrained, weights_file
from fprnet.runs.trained_model import load_trained, load_weights

__all__ = ["config_of_model", "start_from"]


def config_of_model(source: str | Path) -> RunConfig:
    """Return the config that a trained model was made with; one that starts from it has the same.

    Args:
        source: Name of a shipped model, ``hf:owner/name``, a model's folder, a run folder or a
            checkpoint.

    Raises:
        CheckpointError: There is no such model.
    """
    return _read(source)[1]


def start_from(source: str | Path, model: nn.Module, network: Component) -> None:
    """Fill a new network with the weights of a trained model; its classifiers stay random.

    Args:
        source: As `config_of_model` takes it.
        model: The new network, built by ``network``.
        network: What built it.

    Raises:
        CheckpointError: There is no such model, or its weights do not fit the network.
    """
    weights, _ = _read(source)
    classifiers = classifier_keys(network)
    taken = {key: value for key, value in weights.items() if key not in classifiers}
    own = {key: value for key, value in model.state_dict().items() if key in classifiers}
    load_weights(model, {**taken, **own}, weights_file(source))


def _read(source: str | Path) -> tuple[dict[str, Tensor], RunConfig]:
    folder = find_pretrained(source)
    if folder is None and not weights_file(source).is_file():
        raise CheckpointError(
            f"training.start_from is {source}, which is no trained model; give a shipped model's "
            "name, hf:owner/name, a model's folder, a run folder or a checkpoint"
        )
    trained = load_trained(weights_file(source)) if folder is None else read_pretrained(folder)
    return trained.model.state_dict(), trained.config
