"""Captions under the images of an answer: whose they are, and in whose letters."""

import numpy as np
import pytest

from fprnet.gallery import pictures
from fprnet.gallery.answers import Answer, RankedMatch
from fprnet.gallery.records import Filters


def answer(*cameras):
    facts = {"path": "a.png", "modality": "visible", "similarity": 0.5, "probability": None}
    matches = [
        RankedMatch(id=f"{rank:064x}", rank=rank, camera=camera, accepted=False, **facts)
        for rank, camera in enumerate(cameras, 1)
    ]
    about = {"decision": None, "reranked": False, "people": [], "warnings": []}
    return Answer(queries=1, candidates=2, filters=Filters(), matches=matches, **about)


@pytest.mark.parametrize(
    "camera", ["3", "Einfahrt Süd, Schranke 2 hinten links", "WWWWWWWWWWWWWWWW"]
)
def test_a_caption_is_no_wider_than_its_image(camera):
    shown = np.asarray(pictures.draw_answer(answer(camera, camera), [], [None, None]))
    height, width = pictures.TILE
    row = height + pictures.LINES * pictures.LINE + pictures.GAP
    under = 2 * pictures.GAP + pictures.LINE + row + height
    for column in (1, 2):
        right = column * (width + pictures.GAP)
        gap = shown[
            under : under + pictures.LINES * pictures.LINE, right + 1 : right + pictures.GAP
        ]
        assert (gap == pictures.PAGE).all()
