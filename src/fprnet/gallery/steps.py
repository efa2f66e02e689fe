"""A trained model becomes a calibrated one and a filled gallery: what commands and Python share."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from fprnet.config.schema import Scale
from fprnet.data.data_set import AUTO, open_data_set
from fprnet.data.reader import Part
from fprnet.data.records import Modality
from fprnet.embeddings.loading import load_model
from fprnet.embeddings.projection import projection_path, write_projection
from fprnet.errors import UsageError
from fprnet.gallery.adding import AddedImages, add_images
from fprnet.gallery.calibrated_model import CalibratedModel, calibrate_model
from fprnet.gallery.calibration import calibration_path, write_calibration
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.opening import load_gallery_model
from fprnet.gallery.records import ImageFacts, ModelIdentity
from fprnet.gallery.sources import of_folder
from fprnet.pretrained import DEFAULT_MODEL, shipped_models
from fprnet.runs.pretrained import HUB, remembered_as, weights_file

__all__ = ["calibrate", "create_gallery", "fill_gallery"]


def calibrate(
    model: str | Path,
    data: str | Path,
    *,
    people: Literal["validation", "test"] = "validation",
    layout: str = AUTO,
    split: int | None = None,
    compact: bool = True,
    out: Path | None = None,
    cache: Path | None = None,
) -> CalibratedModel:
    """Learn what a model's similarities mean, and keep it beside the checkpoint.

    Args:
        model: Checkpoint or run folder.
        data: The data set's folder, or a manifest.
        people: Whom to calibrate on; the model must not have been trained on them.
        layout: Name or import path of the data set's reader; "auto" recognises it.
        split: Number of the split for layouts with several.
        compact: Make embeddings compact if that costs nearly nothing.
        out: File of the calibration; None is the one beside the checkpoint.
        cache: Folder of the data set's resized images; None is ROOT/.fprnet-cache.

    Returns:
        The calibration, and how good it is on people whom it was not fitted on.

    Raises:
        UsageError: The model is not trained, was trained on these people, or is one that others
            use, too (a shipped one, or one of the hub).
        DataError: Images are missing or cannot be read.
        FeaturesError: There are too few people with images in both modalities.

    Examples:
        Probabilities for the searches that follow::

            calibrated = fprnet.calibrate("runs/agw", "SYSU-MM01")
            print(calibrated.calibration.probability(0.8, candidates=1000))
    """
    if str(model) in shipped_models() or str(model).startswith(HUB):
        raise UsageError(
            f"model {model} is shared by all who use it here, and calibrating writes beside a "
            'model; save a copy first, python -c "import fprnet; '
            f"fprnet.load_model('{model}').save_pretrained('my-model')\", and calibrate my-model"
        )
    embedder = load_model(model)
    if not embedder.about["trained"]:
        raise UsageError(f"preset {model} is not trained; give a checkpoint or run folder")
    if people == "validation" and embedder.config.data.identities == "train+validation":
        raise UsageError(
            f"{model} was trained on the validation people, too, and would trust itself too "
            "much; train with --data.identities train, or give --people test"
        )
    needed: tuple[Part, ...] = (people,) if not compact else ("train", people)
    data_set = open_data_set(data, layout=layout, split=split, needed=needed)
    chosen = data_set.validation if people == "validation" else data_set.test
    outcome = calibrate_model(embedder, data_set, chosen, compact=compact, cache=cache)
    checkpoint = weights_file(model)
    if outcome.projection is None:
        projection_path(checkpoint).unlink(missing_ok=True)
    else:
        write_projection(projection_path(checkpoint), outcome.projection)
    write_calibration(out or calibration_path(checkpoint), outcome.calibration)
    return outcome


def create_gallery(
    uri: str,
    model: str | Path = DEFAULT_MODEL,
    *,
    name: str = "gallery",
    scale: Scale = "full",
    compact: bool = True,
    keep_days: int | None = None,
) -> Gallery:
    """Make an empty gallery for the embeddings of one model, open for writing.

    Args:
        uri: Path of the SQLite file to be, or ``postgresql://USER@HOST/DATABASE``.
        model: Checkpoint, run folder, shipped model or preset.
        name: Name of the gallery there.
        scale: Scale of a preset.
        compact: Keep compact embeddings, if the model was calibrated with them.
        keep_days: Age in days at which images are erased; None keeps them.

    Raises:
        CheckpointError: There is no such model.
        GalleryError: There is a gallery already, or the server does not answer.

    Examples:
        Closed again by ``with``::

            with fprnet.create_gallery("people.db", "runs/agw") as gallery:
                print(len(gallery))
    """
    embedder = load_model(model, scale=scale, precision="auto")
    projection = embedder.projection if compact else None
    if projection is not None:
        embedder = embedder.compact(projection)
    path = remembered_as(model) if embedder.about["trained"] else str(model)
    identity = ModelIdentity.of(embedder, path)
    return Gallery.create(uri, identity, name=name, projection=projection, keep_days=keep_days)


def fill_gallery(
    uri: str,
    images: str | Path | Sequence[ImageFacts],
    modality: Modality = "visible",
    *,
    camera: str | None = None,
    location: str | None = None,
    name: str = "gallery",
    update: bool = False,
    progress: bool = True,
) -> AddedImages:
    """Embed images with the gallery's model and add those that are not there.

    Args:
        uri: Path of an SQLite file, or ``postgresql://USER@HOST/DATABASE``.
        images: A folder, or what is known of each file.
        modality: Modality of a folder's images.
        camera: Camera that took a folder's images.
        location: Location of that camera; None is the camera's name.
        name: Name of the gallery there.
        update: Correct records that say something else.
        progress: Show a bar on stderr.

    Raises:
        DataError: There are no images.
        GalleryError: The gallery cannot be opened, or its model is not where it was.

    Examples:
        Search in what was added::

            fprnet.fill_gallery("people.db", "day", "visible", camera="1")
            searcher = fprnet.open_searcher("people.db")
            answer = searcher.search(["night/0001.jpg"], "infrared", top=5)
            print([match.path for match in answer.matches])
    """
    if isinstance(images, (str, Path)):
        images = of_folder(Path(images), modality, camera=camera, location=location)
    with Gallery.open(uri, name=name, writable=True) as gallery:
        embedder, _ = load_gallery_model(gallery)
        return add_images(gallery, embedder, images, update=update, progress=progress)
