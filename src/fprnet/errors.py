"""Mistakes a user can make; each message is one sentence: the rule, the value, the next step."""

from __future__ import annotations

__all__ = [
    "AccessKeyError",
    "CheckpointError",
    "ConfigError",
    "DataError",
    "ExportError",
    "FeaturesError",
    "FilterError",
    "FprnetError",
    "GalleryError",
    "GalleryExistsError",
    "GalleryLockedError",
    "GalleryMissingError",
    "GalleryModelError",
    "GalleryUnavailableError",
    "ImageFileError",
    "TrainingError",
    "UsageError",
]


class FprnetError(Exception):
    """A mistake that its user can mend; the command line prints it as one line, exit status 2.

    Examples:
        A script that goes on with its next data set::

            try:
                fprnet.train("agw", folder, f"runs/{folder}")
            except fprnet.FprnetError as error:
                print(folder, error)
    """


class UsageError(FprnetError):
    """A command was called with arguments that do not fit together."""


class ConfigError(FprnetError):
    """A config value, key or combination is not allowed."""


class DataError(FprnetError):
    """A data set's folder, split file or image is missing or not what it should be."""


class ImageFileError(DataError):
    """An image cannot be used.

    Args:
        message: What, which file, what to do.
        reason: "missing", "empty", "format" (no image of a known format), "pixels" (too many),
            "bits" (32 for each pixel) or "damaged"; a service answers them differently.
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class FeaturesError(FprnetError):
    """A features file, or the features in it, cannot be scored."""


class CheckpointError(FprnetError):
    """A checkpoint or weights file is missing, damaged, or belongs to something else."""


class ExportError(FprnetError):
    """Exported graphs do not give what their model gives; none are kept."""


class AccessKeyError(FprnetError):
    """A key of the service cannot be made or revoked: its name does not fit."""


class TrainingError(FprnetError):
    """A run cannot go on: the loss is not a number, constant, or the disk is full."""


class GalleryError(FprnetError):
    """A gallery cannot do what was asked of it; its subclasses say why."""


class GalleryMissingError(GalleryError):
    """There is no gallery at this address, or no such record in it."""


class GalleryExistsError(GalleryError):
    """A gallery is to be created where one is already."""


class GalleryLockedError(GalleryError):
    """Another process has been writing to the gallery for too long."""


class GalleryModelError(GalleryError):
    """Embeddings or a calibration come from another model than the gallery's."""


class GalleryUnavailableError(GalleryError):
    """The server or disk that holds the gallery does not answer, or refuses."""


class FilterError(GalleryError):
    """A filter can match nothing: a window upside down, or a camera that the gallery lacks."""
