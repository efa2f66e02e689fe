"""The protocols that results are published under, by name.

A name is LAYOUT/CHOICES@VERSION. What a name stands for never changes; another reading of a
protocol is another version.
"""

from __future__ import annotations

from itertools import product

from fprnet.data.protocols.protocol import DIRECTIONS, NamedProtocol

__all__ = ["PROTOCOLS"]

SYSU = "Wu et al., ICCV 2017; evaluation/*.m of wuancong/SYSU-MM01"
SEEDED = "random draw of widely copied Python evaluators (Ye et al., TPAMI 2021, and its family)"
REGDB = "Nguyen et al., Sensors 2017; ten halves of Ye et al., AAAI 2018"
LLCM = "Zhang and Wang, CVPR 2023; DEEN of ZYK100/LLCM"
VCM = "Lin et al., CVPR 2022; VCM-project233/MITML, with the mean embedding of 6 images"
BUPT = "Du et al., TIFS 2023; dyhBUPT/BUPTCampus, with the mean embedding of 10 images"
SWAPPED = f"{LLCM}, whose released code swaps query and gallery"

PROTOCOLS: dict[str, NamedProtocol] = {
    **{
        f"sysu-mm01/{mode}/{shots}-shot{suffix}@1": NamedProtocol(
            "sysu-mm01",
            {"mode": mode, "shots": shots, "trials": 10, "gallery": gallery},
            reference,
        )
        for (gallery, suffix, reference), mode, shots in product(
            (("official", "", SYSU), ("seeded", "/seeded", SEEDED)), ("all", "indoor"), (1, 10)
        )
    },
    **{
        f"regdb/{direction}@1": NamedProtocol("regdb", {"direction": direction}, REGDB)
        for direction in DIRECTIONS
    },
    **{
        f"llcm/{direction}@1": NamedProtocol(
            "llcm", {"direction": direction, "trials": 10, "swapped": False}, LLCM
        )
        for direction in DIRECTIONS
    },
    **{
        f"{layout}/{direction}@1": NamedProtocol(
            layout, {"direction": direction, "sequences": "mean", "images": images}, reference
        )
        for (layout, images, reference), direction in product(
            (("hitsz-vcm", 6, VCM), ("buptcampus", 10, BUPT)), DIRECTIONS
        )
    },
    "llcm/visible-to-infrared/swapped@1": NamedProtocol(
        "llcm", {"direction": "visible-to-infrared", "trials": 10, "swapped": True}, SWAPPED
    ),
}
"""Name -> the layout, and every option that the name stands for."""
