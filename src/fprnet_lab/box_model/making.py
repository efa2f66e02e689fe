"""A recipe becomes a model: people, training, calibration, scores and card, each in a folder.

The output folder holds ``people`` and ``sites`` (rendered), ``run`` (a run of ``fprnet train``),
``scores.json`` and ``model`` (what is shipped); ``warm-start`` holds people, run and weights of
the model that the training starts from, whose people may be the same. A command that was stopped
goes on where it was.
"""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from fprnet.config import to_yaml
from fprnet.config.schema import RunConfig
from fprnet.data.data_set import open_data_set
from fprnet.embeddings.embedder import Embedder
from fprnet.embeddings.from_disk import extract_data_set
from fprnet.embeddings.loading import load_model
from fprnet.embeddings.projection import Projection, projection_path, write_projection
from fprnet.errors import TrainingError
from fprnet.files import write_text
from fprnet.gallery.calibrating import calibrate_features, choose_projection
from fprnet.gallery.calibration import Calibration, calibration_path, write_calibration
from fprnet.runs.pretrained import weights_file
from fprnet.training.run import run_training
from fprnet_lab.box_model.card import card_of
from fprnet_lab.box_model.recipe import Recipe
from fprnet_lab.box_model.scoring import features_of_site, group_scores, score_site
from fprnet_lab.jobs import read_history
from fprnet_lab.people.layouts import sysu_mm01
from fprnet_lab.people.options import PeopleOptions
from fprnet_lab.people.writer import FINISHED, generate

__all__ = ["make_box_model", "pack"]

PROJECTED_PEOPLE = 200  # training people on whom the projection is fitted
RATE = 0.01  # of searches for absent people that the shipped threshold answers


def make_box_model(
    recipe: Recipe, out: Path, *, workers: int = 1, max_steps: int | None = None
) -> Path | None:
    """Do what is left of a recipe, or go on with it.

    Args:
        recipe: What to make.
        out: Folder of everything.
        workers: Processes that render.
        max_steps: Stop, with a checkpoint, once a training has so many steps behind it.

    Returns:
        Folder of the model; None where the training was stopped before its end.

    Raises:
        FprnetError: A folder holds something else, or the training fails.
    """
    if not _trained(recipe, out, workers, max_steps):
        return None
    for site in (recipe.calibration, *recipe.sites):
        generate(_site_folder(out, site.world), site.options(recipe.people), workers=workers)
    return pack(recipe, out)


def _trained(recipe: Recipe, out: Path, workers: int, max_steps: int | None) -> bool:
    """Render the training people and train; return whether the training came to its end."""
    config = recipe.run
    if recipe.earlier is not None:
        earlier = out / "warm-start"
        if not _trained(recipe.earlier, earlier, workers, max_steps):
            return False
        saved = _saved(earlier)
        config = _started(config, recipe, model=str(saved), weights=str(weights_file(saved)))
    people = _people_folder(recipe, out)
    generate(people, recipe.people.options(), workers=workers)
    config = replace(config, data=replace(config.data, root=str(people)))
    return run_training(config, out / "run", max_steps=max_steps).finished


def _saved(out: Path) -> Path:
    """Save the weights of a finished training; return their folder."""
    run, folder = out / "run", out / "model"
    load_model(run, runtime="pytorch", device="cpu", precision="float32").save_pretrained(folder)
    return folder


def pack(recipe: Recipe, out: Path) -> Path:
    """Turn a finished training into the folder of the model: weights, calibration, scores, card.

    Args:
        recipe: What was made.
        out: Folder of everything.

    Returns:
        Folder of the model.

    Raises:
        TrainingError: There is no training.
    """
    run, folder = out / "run", out / "model"
    if not (run / "checkpoints" / "best.pt").is_file():
        raise TrainingError(f"{run} holds no training; start the command without --pack first")
    trained = load_model(run, runtime="pytorch", device="cpu", precision="float32")
    trained.save_pretrained(folder)
    embedder = load_model(folder, runtime="pytorch", device="cpu", precision="float32")
    site = _site_folder(out, recipe.calibration.world)
    calibration, projection = _calibrate(embedder, _people_folder(recipe, out), site)
    if projection is not None:
        embedder = embedder.compact(projection)
    scores = _scores(recipe, out, embedder, calibration)
    write_text(out / "scores.json", json.dumps(scores, indent=1) + "\n")
    config = replace(trained.config, data=replace(trained.config.data, root="", cache=None))
    if recipe.earlier is not None:
        first = recipe.earlier.name
        its_weights = f"{first}/{weights_file(folder).name}"
        config = _started(config, recipe, model=first, weights=its_weights)
    trained.save_pretrained(folder, card=card_of(recipe, scores, to_yaml(config)))
    weights = weights_file(folder)
    write_calibration(calibration_path(weights), calibration)
    if projection is not None:
        write_projection(projection_path(weights), projection)
    return folder


def _started(config: RunConfig, recipe: Recipe, *, model: str, weights: str) -> RunConfig:
    """Return a config whose network starts from a model, or as a warm start from its backbone."""
    if recipe.start_from is not None:
        return replace(config, training=replace(config.training, start_from=model))
    options = {**config.model.options, "weights": weights}
    return replace(config, model=replace(config.model, options=options))


def _calibrate(
    embedder: Embedder, people: Path, site: Path
) -> tuple[Calibration, Projection | None]:
    """Fit a projection on training people, and the calibration on the people of a site."""
    digest = embedder.about["checkpoint_sha256"]
    trained_on = open_data_set(people, needed=("train",))
    some = trained_on.train[:PROJECTED_PEOPLE]
    training = extract_data_set(embedder, trained_on.records(), identities=some)
    features = features_of_site(embedder, site)
    data_set = open_data_set(site, needed=("test",))
    location = data_set.records().of(data_set.test).location
    projection = choose_projection(training, features, location, digest)
    calibration, _ = calibrate_features(features, location, projection, digest)
    return calibration, projection


def _scores(
    recipe: Recipe, out: Path, embedder: Embedder, calibration: Calibration
) -> dict[str, Any]:
    scored, sites = [], []
    for site in recipe.sites:
        root = _site_folder(out, site.world)
        result = score_site(
            features_of_site(embedder, root),
            root,
            site.world,
            threshold=partial(calibration.threshold, RATE),
        )
        scored.append((result, site.options(recipe.people)))
        sites.append(
            {
                "world": result.world,
                "people": result.people,
                "metrics": dict(result.metrics),
                "open_set": dict(result.open_set),
            }
        )
    return {
        "sites": sites,
        "groups": [asdict(group) for group in group_scores(scored)],
        "calibration": {"world": recipe.calibration.world, **_measured(calibration)},
        "training": {
            **_duration(out / "run"),
            "generator_version": _generator_version(_people_folder(recipe, out)),
            "parameters": sum(p.numel() for p in embedder.model.parameters()),
            "embedding_size": embedder.model.embedding_size,
            "gallery_size": embedder.embedding_size,
            "weights_bytes": weights_file(out / "model").stat().st_size,
            "weights_sha256": embedder.about["checkpoint_sha256"],
            "images": _images(recipe.people.options(), _people_folder(recipe, out)),
            "machine": f"{platform.machine()}, {torch.get_num_threads()} thread",
            "versions": {
                name: version(name) for name in ("fprnet", "torch", "numpy", "safetensors")
            },
        },
    }


def _measured(calibration: Calibration) -> dict[str, Any]:
    about = dict(calibration.measured)
    method = about.get("methods", {}).get(calibration.method, {})
    return {
        "method": calibration.method,
        "people": about.get("people"),
        "expected_calibration_error": method.get("expected_calibration_error"),
        "false_matches": method.get("false_matches"),
    }


def _duration(run: Path) -> dict[str, Any]:
    """Return steps and hours of training, from the rates that its epochs recorded."""
    history = read_history(run)
    hours, before = 0.0, 0
    config = load_model(run, runtime="pytorch", device="cpu", precision="float32").config
    options = config.batches.options
    per_step = 2 * options["identities"] * options["images"]
    for record in history:
        images = (record["step"] - before) * per_step
        hours += images / record["images_per_second"] / 3600
        before = record["step"]
    return {"steps": before, "epochs": len(history), "hours": round(hours, 3)}


def _generator_version(people: Path) -> int:
    """Return the version that drew the training people; the present one may be another."""
    content = json.loads((people / sysu_mm01.LISTS / FINISHED).read_text(encoding="utf-8"))
    return int(content["version"])


def _images(options: PeopleOptions, root: Path) -> int:
    return sum(1 for camera in options.cameras for _ in (root / f"cam{camera}").glob("*/*.jpg"))


def _people_folder(recipe: Recipe, out: Path) -> Path:
    """Return the folder of the training people: the earlier model's, where they are the same."""
    if recipe.earlier is not None and recipe.earlier.people == recipe.people:
        return _people_folder(recipe.earlier, out / "warm-start")
    return out / "people"


def _site_folder(out: Path, world: int) -> Path:
    return out / "sites" / f"world-{world}"
