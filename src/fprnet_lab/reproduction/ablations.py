"""Tables 3 to 6: the parts of the paper's model changed one at a time, on one base model.

The base is the preset ``paper`` or ``released``: the fusion block, the game, the hybrid loss and
the SVD layers that these tables change exist only there. Published values: SYSU-MM01, percent.
"""

from __future__ import annotations

from collections.abc import Mapping

from fprnet.methods.paper.fusion import FusionSpec
from fprnet_lab.reproduction.comparison import Comparison
from fprnet_lab.reproduction.experiment import Base, Request
from fprnet_lab.reproduction.rows import Row
from fprnet_lab.reproduction.runs import Variant

__all__ = ["TABLE_3", "TABLE_4", "TABLE_5", "TABLE_6"]

FPRNET = {"rank-1": 29.28, "rank-5": 55.35, "rank-20": 81.01, "mAP": 31.43}

# Table 3: lambda 1, 2, 3 of Eq. 8, and the mAP.
WEIGHTS = (
    (1.0, 1.0, 1.0, 31.43),
    (1.5, 1.5, 1.5, 28.78),
    (1.2, 1.2, 1.2, 29.97),
    (0.8, 0.8, 0.8, 30.05),
    (1.0, 0.5, 0.5, 26.53),
    (1.0, 0.3, 0.3, 27.46),
    (1.5, 1.2, 1.2, 29.29),
    (0.5, 0.2, 0.3, 30.11),
    (0.8, 0.15, 0.05, 30.14),
    (0.4, 0.35, 0.25, 28.17),
)

# Table 4: features -> way of concatenating them -> rank-1, rank-5, mAP.
FUSIONS: dict[str, dict[str, tuple[float, float, float]]] = {
    "r5 r2 r5 r2": {
        "horizontal": (27.79, 53.98, 30.05),
        "vertical": (26.37, 52.27, 29.05),
        "hybrid T=1": (27.61, 53.23, 29.90),
        "hybrid T=3": (27.02, 52.26, 29.06),
    },
    "i4 i3 i4 i3": {
        "horizontal": (27.89, 53.58, 30.10),
        "vertical": (27.13, 51.87, 28.96),
        "hybrid T=1": (28.18, 53.21, 30.23),
        "hybrid T=2": (27.40, 51.79, 29.42),
    },
    "r5 r3": {"horizontal": (28.42, 53.84, 29.87), "vertical": (26.31, 53.71, 29.31)},
    "i3 r3": {"horizontal": (27.96, 53.79, 30.15), "vertical": (26.10, 52.22, 28.64)},
    "r5 r5 i5 i5": {"horizontal": (26.82, 51.71, 29.06), "vertical": (25.29, 50.69, 27.32)},
    "r5 r2 i5 i2": {
        "horizontal": (28.03, 54.31, 30.28),
        "vertical": (26.80, 53.24, 29.62),
        "hybrid T=1": (27.18, 53.35, 29.72),
        "hybrid T=3": (26.83, 52.59, 29.30),
    },
    "r4 r3 i4 i3": {
        "horizontal": (28.05, 54.48, 30.39),
        "vertical": (26.81, 52.83, 29.93),
        "hybrid T=1": (27.97, 53.40, 29.84),
        "hybrid T=2": (24.89, 50.92, 26.79),
    },
    "r5 i5 i4 r4 r5 i5 i2 r2": {
        "horizontal": (29.28, 55.35, 31.43),
        "vertical": (26.84, 53.12, 29.65),
    },
}

METRICS_5_AND_6 = ("rank-1", "rank-5", "rank-20", "mAP")

# Table 5: component -> rank-1, rank-5, rank-20, mAP without it.
REMOVED = {
    "RGB and IR domain": (24.30, 49.61, 75.62, 27.51),
    "IR-RGB block": (25.40, 50.41, 76.81, 28.79),
    "fusion block": (26.08, 51.69, 76.73, 28.78),
    "upsample 2x": (26.91, 52.66, 77.96, 29.55),
}

# Table 6: what the prediction module is changed into.
HEADS = {
    "single SVD": (26.33, 51.76, 78.95, 29.35),
    "double SVD": (26.93, 53.27, 78.86, 29.40),
    "LeakyReLU": (26.96, 52.74, 77.67, 29.42),
    "ReLU": (26.34, 51.96, 78.70, 28.94),
}
HEAD_CHANGES = {
    "single SVD": ("--model.cross_modality.fusion_layers", "[64]"),
    "double SVD": ("--model.cross_modality.main_layers", "[512, 512]"),
    "LeakyReLU": ("--model.cross_modality.fusion_activation", "leaky-relu"),
    "ReLU": ("--model.cross_modality.main_activation", "relu"),
}


def weightings(request: Request) -> list[Row]:
    """Return Table 3: ten weightings of the hybrid loss."""
    rows = []
    for number, (joint, visible, infrared, published) in enumerate(WEIGHTS, start=1):
        overrides = {
            "--loss.joint_weight": joint,
            "--loss.visible_weight": visible,
            "--loss.infrared_weight": infrared,
        }
        words = tuple(str(word) for pair in overrides.items() for word in pair)
        rows.append(
            Row(
                f"{number}: {joint:g}, {visible:g}, {infrared:g}",
                (Variant(request.base, words),),
                {"mAP": published},
            )
        )
    return rows


def fusions(request: Request) -> list[Row]:
    """Return Table 4: what is selected and how it is concatenated."""
    return [
        Row(
            f"{features}, {way}",
            (Variant(request.base, ("--model.cross_modality.fusion", str(_form(features, way)))),),
            dict(zip(("rank-1", "rank-5", "mAP"), published, strict=True)),
        )
        for features, ways in FUSIONS.items()
        for way, published in ways.items()
    ]


def _form(features: str, way: str) -> FusionSpec:
    spec = FusionSpec.parse(features)
    match way:
        case "horizontal":
            return spec
        case "vertical":
            return spec.vertical()
        case "hybrid T=1":
            return spec.hybrid(1)
        case "hybrid T=2":
            return spec.hybrid(2)
        case "hybrid T=3":
            return spec.hybrid(3)
    raise ValueError(f"way of concatenating {way!r} is unknown")


def removals(request: Request) -> list[Row]:
    """Return Table 5: a component removed at a time, and the whole."""
    changes = _removal_changes(request.base)
    rows = [
        Row(
            f"without {component}",
            (Variant(request.base, changes[component]),),
            dict(zip(METRICS_5_AND_6, published, strict=True)),
        )
        for component, published in REMOVED.items()
        if component in changes
    ]
    return [*rows, Row("whole", (Variant(request.base),), FPRNET)]


def _removal_changes(base: Base) -> Mapping[str, tuple[str, ...]]:
    cross = "--model.cross_modality"
    without_main: tuple[str, ...] = (f"{cross}.main", "false")
    changes = {
        # d of Eq. 6 compares the joint loss with those of the two domains: it goes with them.
        "RGB and IR domain": (f"{cross}.modality_blocks", "none", "--loss.discrepancy", "none"),
        "fusion block": (f"{cross}.fusion", "none", "--model.pyramid.order", "none"),
    }
    if base == "released":
        # Its domains pass through the main head, so without that one they need their own; and its
        # enlargement, of 1x1 to 1x1, does nothing that could be removed.
        return changes | {"IR-RGB block": (*without_main, f"{cross}.modality_blocks", "own")}
    return changes | {
        "IR-RGB block": without_main,
        "upsample 2x": (f"{cross}.modality_blocks", "own"),
    }


def heads(request: Request) -> list[Row]:
    """Return Table 6: the prediction module changed, and as it is."""
    rows = [
        Row(
            f"changed to {change}",
            (Variant(request.base, HEAD_CHANGES[change]),),
            dict(zip(METRICS_5_AND_6, published, strict=True)),
        )
        for change, published in HEADS.items()
    ]
    return [*rows, Row("unchanged", (Variant(request.base),), FPRNET)]


BASE_NOTE = (
    "In the base model the fusion block wins hardly a batch of the game after the first epochs "
    "('wins' in metrics.jsonl): where the loser learns nothing, what is in it hardly matters."
)

TABLE_3 = Comparison(
    name="table3",
    title="Table 3: weights of the hybrid loss",
    summary="ten weightings of the hybrid loss",
    about=lambda request: (
        f"The preset {request.base} with ten weightings l1, l2, l3 of the joint loss and of those "
        "of the RGB and the IR block (Eq. 8)."
    ),
    first="l1, l2, l3",
    metrics=("mAP",),
    rows=weightings,
    notes=(
        "Larger weights are a larger learning rate as well; the rate itself is the preset's in "
        "every row.",
    ),
)
TABLE_4 = Comparison(
    name="table4",
    title="Table 4: selection and concatenation",
    summary="24 fusion blocks: which pyramid features, joined which way",
    about=lambda request: (
        f"The preset {request.base} with 24 fusion blocks. Horizontal: more rows in the batch; "
        "vertical: longer vectors; hybrid: a matrix of both."
    ),
    first="features",
    metrics=("rank-1", "rank-5", "mAP"),
    rows=fusions,
    notes=(BASE_NOTE,),
)
TABLE_5 = Comparison(
    name="table5",
    title="Table 5: components removed",
    summary="four components removed, one at a time",
    about=lambda request: (
        f"The preset {request.base} with one component removed at a time. Without the RGB and IR "
        "domain e^|d| goes, too; without the IR-RGB block the test embedding is the pooled C(5); "
        "without the fusion block there is no pyramid."
    ),
    first="",
    metrics=METRICS_5_AND_6,
    rows=removals,
    notes=(BASE_NOTE,),
)
TABLE_6 = Comparison(
    name="table6",
    title="Table 6: prediction module changed",
    summary="four changes of the prediction module",
    about=lambda request: (
        f"The preset {request.base} with other heads. Single SVD: one layer (64) for the fusion "
        "block; double SVD: two layers (512, 512) for the IR-RGB block; LeakyReLU, ReLU: that "
        "activation on both blocks."
    ),
    first="",
    metrics=METRICS_5_AND_6,
    rows=heads,
    notes=(BASE_NOTE,),
)
