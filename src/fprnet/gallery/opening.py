"""An address becomes a searcher: the gallery there, its model, its calibration."""

from __future__ import annotations

from fprnet.config.schema import Scale
from fprnet.embeddings.embedder import load_model
from fprnet.errors import UsageError
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.searcher import Searcher

__all__ = ["open_searcher"]


def open_searcher(
    uri: str,
    *,
    token: str | None = None,
    name: str = "gallery",
    model: str | None = None,
    scale: Scale = "full",
    writable: bool = False,
) -> Searcher:
    """Open a gallery with its model; whoever calls it closes ``searcher.gallery``."""
    gallery = Gallery.open(uri, token=token, name=name, writable=writable)
    try:
        source = model or gallery.model.path
        if not source:
            raise UsageError(f"gallery {uri} does not say where its model is; give --model")
        return Searcher(load_model(source, scale=scale), gallery)
    except BaseException:
        gallery.close()
        raise
