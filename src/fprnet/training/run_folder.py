"""A config and a path become the folder of a run, with TensorBoard events beside its metrics."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from torch.utils.tensorboard import SummaryWriter

from fprnet.components import CLASS_PATH, INIT_ARGS, components_in
from fprnet.config import RunConfig, config_as_dict, config_from_dict, preset_file, to_yaml
from fprnet.data.data_set import AUTO
from fprnet.data.readers import layout_component
from fprnet.errors import ConfigError
from fprnet.plugins import code_of, source_of
from fprnet.runs.run_folder import RunFolder, RunKind
from fprnet.runs.trained_model import REIDENTIFICATION

__all__ = ["RUN", "TrainingFolder", "open_events", "training_folder"]

TrainingFolder: TypeAlias = RunFolder[RunConfig]


def training_folder(path: Path, config: RunConfig) -> TrainingFolder:
    """Return the folder of a run; nothing is written yet.

    Raises:
        ConfigError: The folder holds a run of another config, or something that is no run.
    """
    return RunFolder(path, config, RUN)


@contextmanager
def open_events(folder: TrainingFolder, *, first_step: int) -> Iterator[SummaryWriter]:
    """Open the TensorBoard events; those from ``first_step`` on are hidden, to be written anew.

    Raises:
        TrainingError: The disk is full.
    """
    with folder.writing(folder.path):
        board = SummaryWriter(str(folder.path), purge_step=first_step)
    try:
        yield board
    finally:
        with folder.writing(folder.path):
            board.close()


def _keys(config: RunConfig) -> dict[str, Any]:
    keys = _flat(config_as_dict(config))
    if config.schedule.name != "step":  # any other may depend on the number of epochs
        keys["schedule over epochs"] = config.training.epochs
    return keys


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return values by the key that ``--KEY VALUE`` takes."""
    flat: dict[str, Any] = {}
    if CLASS_PATH in values:
        flat[prefix.removesuffix(".")] = values[CLASS_PATH]
        rest = {key: value for key, value in values.items() if key not in (CLASS_PATH, INIT_ARGS)}
        values = {**values[INIT_ARGS], **rest}
    for key, value in values.items():
        if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _code(value: Any) -> Iterator[Path]:  # noqa: ANN401 - a config, or values in it
    """Yield the files of single plugins whose components a config names, as often as it does."""
    for component in components_in(value):
        if component.source is not None:
            yield from code_of(component.target, component.source)
        yield from _code(component.options)


def _code_of(config: RunConfig) -> list[Path]:
    layout = layout_component(config.data.layout) if config.data.layout != AUTO else None
    return sorted({*_code(config), *_code({"layout": layout}), *_preset_of_file(config.preset)})


def _preset_of_file(preset: str) -> list[Path]:
    """Return the file of a preset that lies beside a single plugin, which names it by that."""
    module = preset.partition(":")[0]
    if not (source_of(module) or "").startswith(f"{module}.py "):
        return []
    try:
        return [preset_file(preset)]
    except ConfigError:  # that of another run, which this one starts from
        return []


RUN = RunKind(
    noun="run",
    checkpoint=REIDENTIFICATION,
    to_yaml=to_yaml,
    from_dict=config_from_dict,
    keys=_keys,
    free=frozenset(
        {"data.root", "data.cache", "training.accelerator", "training.threads"}
        | {"training.images_on", "training.checkpoint_every"}
    ),
    growing=frozenset({"training.epochs"}),
    code=_code_of,
)
