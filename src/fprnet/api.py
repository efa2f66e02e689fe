"""The Python interface: what ``import fprnet`` offers, in terms of files and names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from inspect import isfunction
from pathlib import Path
from typing import Any

from fprnet import plugins
from fprnet.config import (
    RunConfig,
    Scale,
    load_config,
    override_config,
    preset_names,
    preset_summary,
)
from fprnet.data.data_set import AUTO, DataSet, read_records
from fprnet.data.held_out import open_for_test
from fprnet.embeddings.embedder import Embedder, load_model
from fprnet.embeddings.formats import read_any_features
from fprnet.embeddings.from_disk import extract_data_set
from fprnet.embeddings.store import Features
from fprnet.evaluation.data_set_protocol import make_protocol, named_options
from fprnet.evaluation.metrics import Metric
from fprnet.evaluation.open_set import score_open_set
from fprnet.evaluation.provenance import with_provenance
from fprnet.evaluation.ranking import Distance
from fprnet.evaluation.reranking import Reranking
from fprnet.evaluation.scores import Scores, score
from fprnet.training.run import run_training

__all__ = ["Run", "evaluate", "extract", "load_model", "presets", "train"]


@dataclass(frozen=True)
class Run:
    """A run folder, finished or not.

    Attributes:
        folder: The run folder; `load_model` takes it.
        config: Config of the run, complete.
        history: One record for each finished epoch: losses, learning rates, validation scores.
        finished: Whether the run has reached its last step.
    """

    folder: Path
    config: RunConfig
    history: list[dict[str, Any]]
    finished: bool

    @property
    def model(self) -> Embedder:
        """The best model of the run, loaded anew."""
        return load_model(self.folder)


def presets() -> dict[str, str]:
    """Return the presets by name, each with a sentence about what it is for."""
    return {name: preset_summary(name) for name in preset_names()}


def train(
    preset: str | RunConfig,
    data: str | Path,
    out: str | Path,
    *,
    scale: Scale = "full",
    seed: int = 0,
    network: Callable[..., Any] | str | None = None,
    loss: Callable[..., Any] | str | None = None,
    ranking: Callable[..., Any] | str | None = None,
    max_steps: int | None = None,
    **overrides: Any,  # noqa: ANN401 - values of the config
) -> Run:
    """Train, or continue, a run; the same call continues one that was stopped.

    Args:
        preset: Name of a preset, a YAML file, or a complete config.
        data: The data set's folder, or a manifest.
        out: Run folder.
        scale: "full", or "tiny" for CPUs; only with a preset.
        seed: Seed of every random number; only with a preset.
        network: Instead of the preset's: a class or function of the number of identities, an
            ``nn.Module``, or a name (:class:`fprnet.methods.network.Network` says what it needs).
        loss: Instead of the preset's: a function of the outputs by head that returns a scalar or
            :class:`fprnet.losses.terms.LossTerms`, a class of such, or a name.
        ranking: Ranking loss of the preset's loss, instead of its own: a function of one
            :class:`fprnet.models.heads.HeadOutput`, a class of such, or a name.
        max_steps: Stop, with a checkpoint, after so many optimiser steps.
        overrides: Values of the config, dots as two underscores: ``training__epochs=4``.

    Returns:
        The run.

    Raises:
        FprnetError: Config, data set, weights or run folder are not what they should be.
    """
    words = [f"--{key.replace('__', '.')}={value}" for key, value in overrides.items()]
    words += ["--data.root", str(data)]
    for key, thing, supplied in (("model", network, 1), ("loss", loss, 0)):
        if thing is not None:
            words += [f"--{key}", _offered(thing, supplied)]
    if ranking is not None:
        words += ["--loss.ranking", _offered(ranking, 0)]
    if isinstance(preset, RunConfig):
        config = override_config(preset, words)
    else:
        config = load_config(preset, scale=scale, seed=seed, overrides=words)
    outcome = run_training(config, Path(out), max_steps=max_steps)
    return Run(Path(out), config, outcome.history, outcome.finished)


def _offered(thing: Callable[..., Any] | str, supplied: int) -> str:
    """Return the word by which a config names what the caller passed."""
    if isinstance(thing, str):
        return thing
    takes_supplied = isinstance(thing, type) or (supplied > 0 and isfunction(thing))
    return plugins.offer(thing, None if takes_supplied else lambda *_: thing)


def extract(
    model: Embedder, data: str | Path | DataSet, *, flip: bool = False, layout: str = "auto"
) -> Features:
    """Embed every image of a data set.

    Args:
        model: From `load_model`.
        data: The data set, its folder, or a manifest.
        flip: Average each embedding with the mirror image's.
        layout: Reader of the data set's files; "auto" recognises it.

    Returns:
        Features of all N images; ``Features.features`` is ``(N, D)`` float32.

    Raises:
        DataError: The data set or an image in it cannot be read.
    """
    if isinstance(data, DataSet):
        records = data.records()
    else:
        records = read_records(Path(data), layout=layout)
    return extract_data_set(model, records, flip=flip)


def evaluate(
    features: str | Path | Features,
    *,
    data: str | Path,
    layout: str = AUTO,
    protocol: str | None = None,
    split: int | None = None,
    metric: Distance = "euclidean",
    metrics: Sequence[str | Metric] | None = None,
    rerank: Reranking | bool = False,
    expand_query: int | None = None,
    open_set: bool = False,
    **options: Any,  # noqa: ANN401 - those of the layout's protocol
) -> Scores:
    """Score a features file.

    Args:
        features: File in any format of :mod:`fprnet.embeddings.formats`, or the features
            themselves.
        data: Data set's folder, or one with its split files; no images are needed.
        layout: Name or import path of the data set's reader; "auto" recognises it.
        protocol: Name of a published protocol, e.g. "sysu-mm01/all/1-shot@1"; None takes the
            layout's own, with ``options``.
        split: Number of RegDB's split, 1 to 10; None takes that of the model that made the
            features.
        metric: "euclidean" on the vectors as they are, or "cosine".
        metrics: Names, import paths or functions, see `fprnet.evaluation.metrics`; None takes
            rank-1, 5, 10, 20, mAP and mINP.
        rerank: Adds the row "rerank"; True takes the k1, k2 and lambda of the paper.
        expand_query: Adds the row "query-expansion", with this number of neighbours.
        open_set: Adds detection and identification rates where half of the people are unknown;
            `fprnet.evaluation.open_set.score_open_set` has its options.
        options: Options of the layout's protocol, e.g. ``mode`` and ``shots`` of SYSU-MM01; see
            `fprnet.data.protocols`.

    Raises:
        FprnetError: The features, the split or the options are not what they should be.
    """
    loaded = features if isinstance(features, Features) else read_any_features(Path(features))
    config = loaded.meta.get("config", {})
    data_set = open_for_test(Path(data), config, layout=layout, split=split)
    if protocol is not None:
        options = {**named_options(protocol, data_set.layout), **options}
    reranking = (Reranking() if rerank else None) if isinstance(rerank, bool) else rerank
    chosen = make_protocol(loaded, data_set, options)
    scores = score(
        loaded,
        chosen,
        metric=metric,
        metrics=metrics,
        rerank=reranking,
        expand_query=expand_query,
    )
    scores = with_provenance(scores, loaded, chosen, data_set)
    if open_set:
        scores = replace(scores, open_set=score_open_set(loaded, chosen, metric=metric))
    return scores
