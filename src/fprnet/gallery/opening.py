"""An address becomes a searcher: the gallery there, the model it remembers, its calibration."""

from __future__ import annotations

from pathlib import Path

from fprnet.config.schema import Scale
from fprnet.embeddings.embedder import Embedder
from fprnet.embeddings.loading import load_model
from fprnet.errors import CheckpointError, GalleryModelError, UsageError
from fprnet.gallery.calibration import Calibration, calibration_path, read_calibration
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.records import ModelIdentity
from fprnet.gallery.searcher import Searcher
from fprnet.runs.pretrained import weights_file

__all__ = ["find_calibration", "gallery_calibration", "load_gallery_model", "open_searcher"]


def open_searcher(
    uri: str,
    *,
    name: str = "gallery",
    model: str | None = None,
    scale: Scale = "full",
    calibration: Path | None = None,
    writable: bool = False,
) -> Searcher:
    """Open a gallery with its model; whoever calls this closes ``searcher.gallery``.

    Args:
        uri: Path of an SQLite file, or ``postgresql://USER@HOST/DATABASE``.
        name: Name of the gallery there.
        model: Checkpoint, run folder or preset; None takes the one that the gallery remembers.
        scale: Scale of a preset.
        calibration: File; None takes the one beside the checkpoint, if there is one.
        writable: Open the gallery for writing, too.

    Raises:
        GalleryModelError: The model or the calibration is not the gallery's.
        CheckpointError: The remembered model is not where it was.
        GalleryError: The gallery cannot be opened; see
            :meth:`fprnet.gallery.gallery.Gallery.open`.

    Examples:
        The five most similar images of the gallery::

            searcher = fprnet.open_searcher("people.db")
            with searcher.gallery:
                answer = searcher.search(["night/0001.jpg"], "infrared", top=5)
    """
    gallery = Gallery.open(uri, name=name, writable=writable)
    try:
        embedder, source = load_gallery_model(gallery, model, scale)
        found = find_calibration(source, embedder) if calibration is None else None
        if calibration is not None:
            found = read_calibration(calibration)
        return Searcher(embedder, gallery, found)
    except BaseException:
        gallery.close()
        raise


def load_gallery_model(
    gallery: Gallery, model: str | None = None, scale: Scale = "full"
) -> tuple[Embedder, str]:
    """Load the model of a gallery, and check that it is that.

    Returns:
        The model, and where it was found.
    """
    source = model or gallery.model.path
    if not source:
        raise UsageError(f"gallery {gallery.uri} does not say where its model lies; give --model")
    try:
        of_model = scale if model is not None else gallery.model.scale
        embedder = load_model(source, scale=of_model, precision="auto")
    except CheckpointError as error:
        if model is not None:
            raise
        raise CheckpointError(
            f"{error}; gallery {gallery.uri} remembers its model there, --model says where it is"
        ) from error
    same = ModelIdentity.of(embedder).checkpoint_sha256 == gallery.model.checkpoint_sha256
    if same and gallery.model.projection_sha256:
        embedder = embedder.compact(gallery.projection())
    gallery.require(ModelIdentity.of(embedder))
    return embedder, source


def gallery_calibration(
    gallery: Gallery, model: str | None = None, calibration: Path | None = None
) -> Calibration:
    """Return the calibration of a gallery's model, without loading the model.

    Args:
        gallery: Open.
        model: Where the model lies now; None is where the gallery remembers it.
        calibration: File; None is the one beside the model.

    Raises:
        UsageError: Neither says where it is.
        GalleryModelError: It is of other embeddings.
        GalleryError: There is none.
    """
    if calibration is None:
        source = model or gallery.model.path
        if not source:
            raise UsageError(
                f"gallery {gallery.uri} does not say where its model lies; give --model"
            )
        calibration = calibration_path(weights_file(source))
    found = read_calibration(calibration)
    identity = gallery.model
    if (found.checkpoint_sha256, found.projection_sha256) != (
        identity.checkpoint_sha256,
        identity.projection_sha256,
    ):
        raise GalleryModelError(
            f"{calibration} is not of the embeddings that gallery {gallery.uri} holds; make one "
            "with 'fprnet calibrate', or a new gallery"
        )
    return found


def find_calibration(source: str | Path, embedder: Embedder) -> Calibration | None:
    """Return the calibration beside a checkpoint; None without one, or where it is of another.

    A checkpoint that a continued run has written anew leaves its old calibration behind, and a
    gallery that was made before the model was calibrated anew has embeddings of another projection.
    """
    path = calibration_path(weights_file(source))
    if not embedder.about["trained"] or not path.is_file():
        return None
    calibration = read_calibration(path)
    of = (calibration.checkpoint_sha256, calibration.projection_sha256)
    model = ModelIdentity.of(embedder)
    return calibration if of == (model.checkpoint_sha256, model.projection_sha256) else None
