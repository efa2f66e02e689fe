"""Visible-infrared person re-identification: models, training, and exact evaluation.

>>> import fprnet
>>> run = fprnet.train("agw", "SYSU-MM01", "runs/agw")  # doctest: +SKIP
>>> model = fprnet.load_model("runs/agw")  # doctest: +SKIP
>>> features = model.embed(images, modality="infrared")  # doctest: +SKIP

The names below are the Python face, docs/python.md shows them at work. Each is imported when it is
first used, so that ``import fprnet`` itself is light.
"""

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

__version__ = version("fprnet")

if TYPE_CHECKING:
    from fprnet.api import Run, evaluate, extract, presets, read_features, rerank, train
    from fprnet.config import load_config
    from fprnet.data.data_set import open_data_set
    from fprnet.embeddings.loading import from_pretrained, load_model
    from fprnet.embeddings.store import Features
    from fprnet.errors import FprnetError
    from fprnet.evaluation.scores import Scores
    from fprnet.gallery.opening import open_searcher
    from fprnet.gallery.steps import calibrate, create_gallery, fill_gallery
    from fprnet.plugins import allow_plugins

_HOMES = {
    "Features": "fprnet.embeddings.store",
    "FprnetError": "fprnet.errors",
    "Run": "fprnet.api",
    "Scores": "fprnet.evaluation.scores",
    "allow_plugins": "fprnet.plugins",
    "calibrate": "fprnet.gallery.steps",
    "create_gallery": "fprnet.gallery.steps",
    "evaluate": "fprnet.api",
    "extract": "fprnet.api",
    "fill_gallery": "fprnet.gallery.steps",
    "from_pretrained": "fprnet.embeddings.loading",
    "load_config": "fprnet.config",
    "load_model": "fprnet.embeddings.loading",
    "open_data_set": "fprnet.data.data_set",
    "open_searcher": "fprnet.gallery.opening",
    "presets": "fprnet.api",
    "read_features": "fprnet.api",
    "rerank": "fprnet.api",
    "train": "fprnet.api",
}
__all__ = [
    "Features",
    "FprnetError",
    "Run",
    "Scores",
    "__version__",
    "allow_plugins",
    "calibrate",
    "create_gallery",
    "evaluate",
    "extract",
    "fill_gallery",
    "from_pretrained",
    "load_config",
    "load_model",
    "open_data_set",
    "open_searcher",
    "presets",
    "read_features",
    "rerank",
    "train",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    """Import what needs torch only when it is asked for."""
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'fprnet' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
