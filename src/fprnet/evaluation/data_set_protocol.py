"""A data set and what a user chose become the protocol by which its features are scored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

from fprnet.data.data_set import DataSet, Layout
from fprnet.data.llcm import LlcmSplit
from fprnet.data.manifest import ManifestSplit
from fprnet.data.regdb import RegdbSplit
from fprnet.data.sysu_mm01 import SysuSplit
from fprnet.embeddings.store import Features
from fprnet.errors import UsageError
from fprnet.evaluation.llcm import llcm_protocol
from fprnet.evaluation.manifest import manifest_protocol
from fprnet.evaluation.protocols import Direction, Protocol
from fprnet.evaluation.regdb import regdb_protocol
from fprnet.evaluation.sysu_mm01 import GalleryDraw, Mode, sysu_mm01_protocol

__all__ = ["ProtocolOptions", "make_protocol"]

OPTIONS: dict[Layout, frozenset[str]] = {
    "sysu-mm01": frozenset({"direction", "mode", "shots", "trials", "gallery"}),
    "regdb": frozenset({"direction"}),
    "llcm": frozenset({"direction", "trials", "llcm_swapped"}),
    "manifest": frozenset({"direction"}),
}


@dataclass(frozen=True)
class ProtocolOptions:
    """What may be chosen; None is the protocol's own default.

    Attributes:
        direction: Which modality queries which; infrared to visible.
        mode: SYSU-MM01: all-search or indoor-search; all.
        shots: SYSU-MM01: gallery images per identity and camera; 1.
        trials: SYSU-MM01 and LLCM: how many galleries are drawn; 10.
        gallery: SYSU-MM01: how they are drawn; "official".
        llcm_swapped: LLCM, visible to infrared: as the released code computes it; False.
    """

    direction: Direction | None = None
    mode: Mode | None = None
    shots: int | None = None
    trials: int | None = None
    gallery: GalleryDraw | None = None
    llcm_swapped: bool | None = None


def make_protocol(
    features: Features,
    data_set: DataSet,
    options: ProtocolOptions | None = None,
    *,
    identities: Sequence[int] | None = None,
) -> Protocol:
    """Return the protocol of the data set's layout.

    Args:
        features: Rows of other identities are left alone.
        data_set: Says who is tested.
        options: What was chosen.
        identities: Who is tested instead.

    Raises:
        UsageError: An option has no meaning for this layout.
        FeaturesError: Images that the protocol needs are missing or mislabelled.
    """
    options = options or ProtocolOptions()
    chosen = {field.name: getattr(options, field.name) for field in fields(options)}
    chosen = {name: value for name, value in chosen.items() if value is not None}
    layout = data_set.layout
    for name, value in chosen.items():
        if name not in OPTIONS[layout]:
            allowed = ", ".join(sorted(OPTIONS[layout])).replace("_", "-")
            raise UsageError(
                f"{name.replace('_', '-')} {value} has no meaning for {layout}, which takes "
                f"{allowed}; leave it out"
            )
    match data_set.split:
        case SysuSplit() as split:
            if chosen.pop("direction", None) == "visible-to-infrared":
                raise UsageError(
                    "direction visible-to-infrared is not defined for sysu-mm01, whose galleries "
                    "are drawn from visible images only; leave it out"
                )
            return sysu_mm01_protocol(features, split, identities=identities, **chosen)
        case RegdbSplit() as split:
            return regdb_protocol(features, split, identities=identities, **chosen)
        case LlcmSplit() as split:
            if "llcm_swapped" in chosen:
                chosen["swapped"] = chosen.pop("llcm_swapped")
            return llcm_protocol(features, split, identities=identities, **chosen)
        case ManifestSplit() as split:
            return manifest_protocol(features, split, identities=identities, **chosen)
