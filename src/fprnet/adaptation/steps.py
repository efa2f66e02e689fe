"""Crops and a model become a folder of the site's model: what commands and Python share."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from fprnet.adaptation.adapting import (
    FOLDER,
    Adaptation,
    adapt_network,
)
from fprnet.adaptation.config import AdaptationConfig
from fprnet.adaptation.crops import cluster_crops, embed_crops
from fprnet.adaptation.report import RATE, summary_of, write_report
from fprnet.adaptation.site import Site, labelled_crops, together
from fprnet.adaptation.threshold import calibrate_crops
from fprnet.config import preset_names
from fprnet.cores import available_cores
from fprnet.data.cache import open_cache
from fprnet.embeddings.embedder import Embedder
from fprnet.embeddings.loading import load_model
from fprnet.embeddings.projection import projection_path, write_projection
from fprnet.errors import ConfigError, DataError, FeaturesError, UsageError
from fprnet.files import locked, sha256
from fprnet.gallery.calibration import Calibration, calibration_path, write_calibration
from fprnet.gallery.opening import find_calibration
from fprnet.pretrained import DEFAULT_MODEL, shipped_models
from fprnet.runs.model_card import front_matter
from fprnet.runs.pretrained import HUB, WEIGHTS, weights_file, write_pretrained

__all__ = [
    "CROPS",
    "Adapted",
    "adapt",
    "calibrate_unlabelled",
    "calibration_target",
    "check_folder",
]

REPORT = "report"
CROPS = ".crops"  # copies of a gallery's pictures, and resized images, as long as they are needed


@dataclass(frozen=True)
class Adapted:
    """What `adapt` returns.

    Attributes:
        summary: What ``report/report.json`` says.
        calibration: What was written beside the weights; None where it cannot be fitted.
        doubt: Why it could not be, or is of no use; "" where it is.
    """

    summary: dict[str, Any]
    calibration: Calibration | None
    doubt: str


def adapt(
    site: Site,
    out: Path,
    model: str | Path = DEFAULT_MODEL,
    config: AdaptationConfig | None = None,
    *,
    seconds: float = 0.0,
) -> Adapted:
    """Adapt a model to a site, or continue to; the folder is one that `load_model` takes.

    The folder holds the model as `Embedder.save_pretrained` writes it, with its calibration;
    ``report/``; and ``adaptation/``, the run: config, checkpoints, metrics.

    Args:
        site: The crops.
        out: Folder, new or of the same adaptation.
        model: Start: checkpoint, run folder, saved or shipped model.
        config: How; None takes the defaults.
        seconds: See `fprnet.adaptation.threshold.apart_pairs`.

    Raises:
        UsageError: The model is not trained, or is an exported graph.
        ConfigError: The folder holds something else.
        FprnetError: Crops, folder or loss are not what they should be.
    """
    embedder = _embedder(model)
    config = config or AdaptationConfig()
    if config.labelled:
        site = together(site, labelled_crops(Path(config.labelled)))
    config = replace(
        config,
        model_sha256=str(embedder.about["checkpoint_sha256"]),
        crops_sha256=site.sha256,
    )
    check_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    try:
        with locked(out / ".lock"):
            return _adapt(embedder, model, site, out, config, seconds)
    except DataError:
        shutil.rmtree(out / CROPS, ignore_errors=True)  # nothing will go on with them
        raise
    except BlockingIOError as error:
        raise ConfigError(
            f"another process adapts in {out}; wait for it, or give another folder with --out"
        ) from error


def check_folder(out: Path) -> None:
    """Refuse a folder that holds anything but an adaptation.

    Raises:
        ConfigError: It does.
    """
    if out.exists() and (
        not out.is_dir()
        or (not (out / FOLDER).is_dir() and any(file.name[0] != "." for file in out.iterdir()))
    ):
        raise ConfigError(
            f"{out} is not empty and holds no adaptation; give another folder with --out"
        )


def calibration_target(model: str | Path, out: Path | None = None) -> Path:
    """Return the file of a model's calibration: ``out``, or the one beside the model.

    Raises:
        UsageError: That would be beside a model that is shared with others.
    """
    if out is not None:
        return out
    if str(model) in shipped_models() or str(model).startswith(HUB):
        raise UsageError(
            f"model {model} is shared by all who use it here, and calibrating writes beside a "
            "model; give a file of your own with --out, and that file to --calibration"
        )
    return calibration_path(weights_file(model))


def calibrate_unlabelled(
    model: str | Path,
    site: Site,
    *,
    seconds: float = 0.0,
    out: Path | None = None,
    compact: bool = True,
) -> Calibration:
    """Give a model the threshold of a site, from pairs that time and place guarantee.

    Args:
        model: Checkpoint, run folder or saved model.
        site: Crops with locations and times.
        seconds: How long anybody needs from one location to another at least.
        out: File of the calibration; None is the one beside the model.
        compact: Whether the calibration is of compact embeddings, which galleries of the model hold
            if it has a projection; False: of full ones.

    Raises:
        UsageError: The model is not trained, or shared with others.
        DataError: Time and place guarantee too little.
        FeaturesError: Too few clusters have crops in both modalities.
    """
    target = calibration_target(model, out)
    embedder = _embedder(model)
    crops = target.parent / CROPS
    images = _images(site, embedder, crops)
    try:
        embeddings = embed_crops(embedder.model, images, site.infrared)
    finally:
        del images
        shutil.rmtree(crops, ignore_errors=True)
    found = cluster_crops(embeddings, site, AdaptationConfig())
    calibration = calibrate_crops(
        embeddings,
        site,
        found.label,
        str(embedder.about["checkpoint_sha256"]),
        seconds=seconds,
        guaranteed=True,
        projection=embedder.projection if compact else None,
    )
    write_calibration(target, calibration)
    return calibration


def _adapt(
    embedder: Embedder,
    model: str | Path,
    site: Site,
    out: Path,
    config: AdaptationConfig,
    seconds: float,
) -> Adapted:
    outcome = adapt_network(embedder, site, out / FOLDER, config)
    about = embedder.about
    write_pretrained(
        out,
        outcome.network,
        embedder.config,
        step=about["step"] + (_steps(outcome) if outcome.kept else 0),
        selection="agreement" if outcome.kept else about["selection"],
        trained_identities=about["trained_identities"],
        card=_card(embedder, site, outcome),
    )
    calibration, doubt = _calibrate(embedder, model, site, out, outcome, seconds)
    images = _images(site, embedder, out / CROPS)
    summary = write_report(out / REPORT, site, images, outcome, calibration)
    del images
    shutil.rmtree(out / CROPS, ignore_errors=True)  # people's pictures: not kept for nothing
    return Adapted(summary, calibration, doubt)


def _calibrate(
    embedder: Embedder,
    model: str | Path,
    site: Site,
    out: Path,
    outcome: Adaptation,
    seconds: float,
) -> tuple[Calibration | None, str]:
    """Write the calibration beside the model, and return it; or why there is none, or a bad one.

    A model that is as it was before keeps its projection, and its calibration, too, unless time and
    place guarantee a threshold: one that clusters only suggest is no better than its own.
    """
    digest = sha256(out / WEIGHTS)
    projection = before = None
    if not outcome.kept:
        before = find_calibration(model, embedder.compact() if embedder.projection else embedder)
        if embedder.projection is not None:
            projection = replace(embedder.projection, checkpoint_sha256=digest)
            write_projection(projection_path(out / WEIGHTS), projection)
    own = np.flatnonzero(site.person < 0)
    try:
        calibration = calibrate_crops(
            outcome.embeddings[own],
            site.where(own),
            outcome.clusters.label[own],
            digest,
            seconds=seconds,
            guaranteed=before is not None,
            projection=projection,
        )
    except (DataError, FeaturesError) as error:
        if before is None:
            return None, f"{out} has no calibration: {error}"
        pairs = before.measured.get("pairs")
        about = {**before.measured, "strangers": "as before", "stranger_pairs": pairs}
        calibration = replace(before, checkpoint_sha256=digest, measured=about)
    write_calibration(calibration_path(out / WEIGHTS), calibration)
    if calibration.threshold(RATE, int((~site.infrared[own]).sum())) < 1:
        return calibration, ""
    return calibration, (
        f"no image reaches the threshold of {out} at a false-match rate of {RATE}: the clusters "
        "have split people; give the crops' locations and times, or a calibration of your own"
    )


def _embedder(model: str | Path) -> Embedder:
    if str(model) in preset_names():  # its weights would be loaded for nothing
        raise UsageError(
            f"preset {model} is not trained, and clusters of its embeddings mean nothing; give a "
            "checkpoint, run folder or saved model"
        )
    return load_model(model, runtime="pytorch", precision="float32")


def _images(site: Site, embedder: Embedder, folder: Path) -> Any:  # noqa: ANN401 - (N, H, W, 3) uint8
    return open_cache(
        site.records(np.arange(len(site))),
        embedder.size,
        depth_range=embedder.depth_range,
        folder=folder,
        workers=available_cores(),
    )


def _steps(outcome: Adaptation) -> int:
    return int(outcome.history[outcome.epoch - 1]["step"])


def _card(embedder: Embedder, site: Site, outcome: Adaptation) -> str:
    numbers = summary_of(site, outcome, None)
    before, after = numbers["agreement"]["before"], numbers["agreement"]["after"]
    verdict = (
        f"Its agreement with itself on held-out crops rose from {before} to {after}."
        if outcome.kept
        else f"The weights are those of the model before: {outcome.reason}."
    )
    name = embedder.about.get("name") or embedder.about["preset"]
    return f"""{front_matter()}
# {name}, adapted to one site

Embeds crops of people in colour or in near infrared. Adapted without labels to
{numbers["crops"]["visible"]} visible and {numbers["crops"]["infrared"]} infrared crops of one site,
by `fprnet adapt`. {verdict}

The start was the model with weights {str(embedder.about["checkpoint_sha256"])[:12]}.

**Not said here**: how well it does on labelled people of this site, and on any other site, where it
may be worse than the model it started from.
"""
