"""The Python interface: what ``import fprnet`` offers, in terms of files and names."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from inspect import isfunction
from pathlib import Path
from typing import Any

import torch
from numpy.typing import ArrayLike
from torch import Tensor

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
from fprnet.data.protocols.protocol import Protocol
from fprnet.embeddings.embedder import Embedder
from fprnet.embeddings.formats import read_any_features
from fprnet.embeddings.from_disk import extract_data_set
from fprnet.embeddings.loading import load_model
from fprnet.embeddings.store import Features
from fprnet.errors import UsageError
from fprnet.evaluation.arrays import cross_modality_protocol, features_of_arrays
from fprnet.evaluation.data_set_protocol import check_rows, make_protocol, named_options
from fprnet.evaluation.metrics import Metric
from fprnet.evaluation.open_set import score_open_set
from fprnet.evaluation.provenance import with_provenance
from fprnet.evaluation.ranking import Distance
from fprnet.evaluation.reranking import Reranking
from fprnet.evaluation.reranking import rerank as rerank_distances
from fprnet.evaluation.scores import Scores, score
from fprnet.training.run import run_training

__all__ = [
    "Run",
    "evaluate",
    "extract",
    "load_model",
    "presets",
    "read_features",
    "rerank",
    "train",
]


@dataclass(frozen=True)
class Run:
    """A run folder, finished or not.

    Examples:
        What `train` returns::

            run = fprnet.train("agw", "SYSU-MM01", "runs/agw")
            print(run.history[-1]["validation"]["mAP"])
            features = run.model.embed(images, "infrared")

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
    """Return the presets by name, each with a sentence about what it is for.

    Examples:
        All of them::

            for name, purpose in fprnet.presets().items():
                print(name, purpose)
    """
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
        overrides: Values of the config, dots as two underscores: ``training__epochs=4``. Where the
            config names code, a class or a function is one: ``model__backbone=MyBackbone``,
            ``callbacks__mine=MyCallback``.

    Returns:
        The run.

    Raises:
        FprnetError: Config, data set, weights or run folder are not what they should be.

    Examples:
        A preset with a ranking loss of one's own and a few values of its config::

            run = fprnet.train(
                "agw", "SYSU-MM01", "runs/mine", ranking=my_loss, training__epochs=40
            )
    """
    words: list[str] = []
    for name, value in overrides.items():
        key = name.replace("__", ".")
        if callable(value):
            words += _words_of(key, value)
        else:
            words.append(f"--{key}={'null' if value is None else value}")
    words += ["--data.root", str(data)]
    for key, thing in (("model", network), ("loss", loss), ("loss.ranking", ranking)):
        if thing is not None:
            words += _words_of(key, thing)
    if isinstance(preset, RunConfig):
        config = override_config(preset, words)
    else:
        config = load_config(preset, scale=scale, seed=seed, overrides=words)
    outcome = run_training(config, Path(out), max_steps=max_steps)
    return Run(Path(out), config, outcome.history, outcome.finished)


def _words_of(key: str, thing: Callable[..., Any] | str) -> list[str]:
    """Return the overrides by which a config names what the caller passed.

    The fields of a dataclass's object are its options; so a config says them, too.

    Args:
        key: Key of the config.
        thing: A name, a class, a function or an object.
    """
    if isinstance(thing, str):
        return [f"--{key}", thing]
    if is_dataclass(thing) and not isinstance(thing, type):
        words = [f"--{key}", plugins.offer(type(thing))]
        for item in fields(thing):
            value, option = getattr(thing, item.name), f"{key}.{item.name}"
            if callable(value):
                words += _words_of(option, value)
            else:
                words += [f"--{option}", json.dumps(value)]
        return words
    if isinstance(thing, type) or isfunction(thing):
        return [f"--{key}", plugins.offer(thing)]
    return [f"--{key}", plugins.offer(thing, _Given(thing))]


class _Given:
    """Makes nothing: returns what the caller has made, whatever the program supplies."""

    def __init__(self, thing: object) -> None:
        self._thing = thing

    def __call__(self, *_: object) -> object:
        return self._thing


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

    Examples:
        Features that `evaluate` takes::

            features = fprnet.extract(fprnet.load_model("runs/agw"), "SYSU-MM01")
    """
    if isinstance(data, DataSet):
        records = data.records()
    else:
        records = read_records(Path(data), layout=layout)
    return extract_data_set(model, records, flip=flip)


def read_features(path: str | Path) -> Features:
    """Read a features file of fprnet or of another program.

    Args:
        path: A file in any format of :mod:`fprnet.embeddings.formats`: .npz, MATLAB, tables.

    Raises:
        FeaturesError: The file is missing or no features file, or its content is wrong.

    Examples:
        How many images, and how many numbers each::

            count, size = fprnet.read_features("features.npz").features.shape
    """
    return read_any_features(Path(path))


def evaluate(
    features: str | Path | Features | ArrayLike,
    *,
    data: str | Path | None = None,
    identities: ArrayLike | None = None,
    modalities: ArrayLike | None = None,
    cameras: ArrayLike | None = None,
    layout: str = AUTO,
    protocol: str | Protocol | None = None,
    split: int | None = None,
    metric: Distance = "euclidean",
    metrics: Sequence[str | Metric] | None = None,
    rerank: Reranking | bool = False,
    expand_query: int | None = None,
    open_set: bool = False,
    **options: Any,  # noqa: ANN401 - those of the protocol
) -> Scores:
    """Score features: by a data set's protocol, or each infrared image against all visible ones.

    Args:
        features: Features, a file in any format of :mod:`fprnet.embeddings.formats`, or an array
            or tensor ``(N, D)`` beside the columns that follow.
        data: Data set's folder, or one with its split files; no images are needed. None ranks
            all images of one modality against all of the other, without those of the query's
            camera.
        identities: ``(N,)`` whole numbers, of an array's rows.
        modalities: ``(N,)`` "visible" or "infrared", of an array's rows.
        cameras: ``(N,)`` whole numbers, of an array's rows; None where they are not known.
        layout: Name or import path of the data set's reader; "auto" recognises it.
        protocol: Name of a published protocol, e.g. "sysu-mm01/all/1-shot@1", or one of your own,
            :class:`fprnet.data.protocols.protocol.Protocol`, with or without ``data``; None takes
            the layout's own, with ``options``.
        split: Number of RegDB's split, 1 to 10; None takes that of the model that made the
            features.
        metric: "euclidean" on the vectors as they are, or "cosine".
        metrics: Names, import paths or functions, see `fprnet.evaluation.metrics`; None takes
            rank-1, 5, 10, 20, mAP and mINP.
        rerank: Adds the row "rerank"; True takes the k1, k2 and lambda of the paper.
        expand_query: Adds the row "query-expansion", with this number of neighbours.
        open_set: Adds detection and identification rates where half of the people are unknown;
            `fprnet.evaluation.open_set.score_open_set` has its options.
        options: Options of the protocol, e.g. ``mode`` and ``shots`` of SYSU-MM01 (see
            `fprnet.data.protocols`), or ``direction`` where there is no data set.

    Returns:
        The scores; ``scores.rows["plain"].metrics["mAP"].mean`` is a fraction.

    Raises:
        FprnetError: The features, the split or the options are not what they should be.

    Examples:
        Three people, whose infrared image is nearest to their visible one::

            scores = fprnet.evaluate(
                np.eye(3)[[0, 1, 2, 0, 1, 2]],
                identities=[1, 2, 3, 1, 2, 3],
                modalities=["visible"] * 3 + ["infrared"] * 3,
            )
            print(scores.table())
    """
    loaded = _loaded(features, identities, modalities, cameras)
    reranking = (Reranking() if rerank else None) if isinstance(rerank, bool) else rerank
    chosen, data_set = _protocol(loaded, data, layout, protocol, split, options)
    scores = score(
        loaded,
        chosen,
        metric=metric,
        metrics=metrics,
        rerank=reranking,
        expand_query=expand_query,
    )
    if data_set is not None:
        scores = with_provenance(scores, loaded, chosen, data_set)
    if open_set:
        scores = replace(scores, open_set=score_open_set(loaded, chosen, metric=metric))
    return scores


def _loaded(
    features: str | Path | Features | ArrayLike,
    identities: ArrayLike | None,
    modalities: ArrayLike | None,
    cameras: ArrayLike | None,
) -> Features:
    if not isinstance(features, (str, Path, Features)):
        return features_of_arrays(
            features, identities=identities, modalities=modalities, cameras=cameras
        )
    for name, column in (
        ("identities", identities),
        ("modalities", modalities),
        ("cameras", cameras),
    ):
        if column is not None:
            raise UsageError(f"the features say their {name}; leave {name} out")
    return features if isinstance(features, Features) else read_features(features)


def _protocol(
    features: Features,
    data: str | Path | None,
    layout: str,
    name: str | Protocol | None,
    split: int | None,
    options: dict[str, Any],
) -> tuple[Protocol, DataSet | None]:
    data_set = None
    if data is not None:
        config = features.meta.get("config", {})
        data_set = open_for_test(Path(data), config, layout=layout, split=split)
    if isinstance(name, Protocol):
        check_rows(name, features)
        if options:
            raise UsageError(
                f"{next(iter(options))} is no option of a protocol that is given whole"
            )
        return name, data_set
    if data_set is None:
        for key, value in (("layout", layout if layout != AUTO else None), ("protocol", name)):
            if value is not None:
                raise UsageError(f"{key} {value} is of a data set; give data, or leave it out")
        direction = options.pop("direction", "infrared-to-visible")
        if options:
            raise UsageError(
                f"{next(iter(options))} is no option here; without data there is only direction"
            )
        return cross_modality_protocol(features, direction), None
    if name is not None:
        options = {**named_options(name, data_set.layout), **options}
    return make_protocol(features, data_set, options), data_set


def rerank(
    query: ArrayLike, gallery: ArrayLike, *, k1: int = 20, k2: int = 6, weight: float = 0.3
) -> Any:  # noqa: ANN401 - an array for arrays, a tensor for tensors
    """Re-rank: distances that look at the neighbours that images have in common.

    Zhong et al., CVPR 2017; :func:`fprnet.evaluation.reranking.reranked_blocks` has the formulas.

    Args:
        query: ``(Q, D)`` embeddings, arrays or tensors.
        gallery: ``(G, D)``.
        k1: Neighbours that may be mutual, 1 or more.
        k2: Neighbours whose weights are averaged, the image itself included.
        weight: lambda, share of the original distance, 0 to 1.

    Returns:
        ``(Q, G)`` float32 distances in [0, 1]: a tensor where ``query`` is one, else an array.

    Raises:
        UsageError: A number is out of its range, or the shapes do not fit.

    Examples:
        The best match of every query::

            distances = fprnet.rerank(query, gallery, k1=5, k2=2)
            best = distances.argmin(axis=1)
    """
    vectors = [torch.as_tensor(side).double() for side in (query, gallery)]
    try:
        distances = rerank_distances(vectors[0], vectors[1], Reranking(k1, k2, weight))
    except ValueError as error:
        raise UsageError(f"re-ranking is not possible: {error}") from error
    return distances if isinstance(query, Tensor) else distances.numpy()
