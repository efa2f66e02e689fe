"""Visible-infrared person re-identification: models, training, and exact evaluation.

>>> import fprnet
>>> model = fprnet.load_model("run/checkpoints/best.pt")  # doctest: +SKIP
>>> features = model.embed(images, modality="infrared")  # doctest: +SKIP
"""

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

__version__ = version("fprnet")
__all__ = ["__version__", "evaluate", "load_model"]

if TYPE_CHECKING:
    from fprnet.api import evaluate, load_model


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the name stands for
    """Import what needs torch only when it is asked for."""
    if name in ("evaluate", "load_model"):
        from fprnet import api

        return getattr(api, name)
    raise AttributeError(f"module 'fprnet' has no attribute {name!r}")
