"""``POST /v1/explanations``: why a record matches, by parts, stripes and heat maps."""

from __future__ import annotations

import base64

import numpy as np
from fastapi import APIRouter, Request
from numpy.typing import NDArray
from PIL import Image

from fprnet.data.images import decode_image
from fprnet.data.records import Modality
from fprnet.gallery.pictures import overlay, png
from fprnet.serving.access import CallerOf, ServiceOf, allowed, errors
from fprnet.serving.answers import Explanation, HeatMaps, Part
from fprnet.serving.bodies import json_body
from fprnet.serving.problems import ProblemError
from fprnet.serving.requests import RECORD_ID, SEARCH_ID, ExplanationRequest
from fprnet.serving.service import Service
from fprnet.serving.sessions import RecentSearch

__all__ = ["router"]

router = APIRouter(tags=["search"])

BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"$ref": "#/components/schemas/ExplanationRequest"},
            "example": {"search": SEARCH_ID, "match": RECORD_ID, "query": 0},
        }
    },
}


@router.post(
    "/v1/explanations",
    dependencies=[allowed("search")],
    responses=errors(400, 404, 408, 409, 413, 415, 422),
    openapi_extra={"requestBody": BODY},
)
async def explain(request: Request, service: ServiceOf, caller: CallerOf) -> Explanation:
    """Say what a record has in common with an image of an earlier search."""
    asked = await json_body(request, ExplanationRequest)
    recent = await service.ask(lambda: service.searches.find(asked.search, caller.name))
    if not recent.uploads:
        raise ProblemError(
            409,
            "no_image",
            f"search {recent.id} was made by embeddings",
            "search with images to get explanations",
        )
    if asked.query >= len(recent.uploads):
        raise ProblemError(
            422,
            "invalid",
            f"query is {asked.query}, but the search has {len(recent.uploads)} image(s)",
            "count from 0",
        )
    async with service.audited(caller, "explain") as entry:
        entry.images["ids"] = [asked.match]
        entry.images["queries"] = [recent.uploads[asked.query].sha256]
        [record] = await service.ask(lambda: service.searcher.gallery.get([asked.match]))
        content = await service.ask(lambda: service.pictures.content(record))
        pixels, _ = await service.ask(
            lambda: decode_image(
                content,
                service.searcher.embedder.size,
                name="the match",
                max_pixels=service.settings.image_pixels,
                depth_range=service.searcher.embedder.depth_range,
            )
        )
        return await _explanation(service, recent, asked, pixels, record.modality)


async def _explanation(
    service: Service,
    recent: RecentSearch,
    asked: ExplanationRequest,
    pixels: NDArray[np.uint8],
    modality: Modality,
) -> Explanation:
    query = recent.uploads[asked.query].pixels
    found = await service.with_model(
        lambda: service.searcher.explain(
            query, pixels, query_modality=recent.modality, match_modality=modality
        )
    )
    return Explanation(
        match=asked.match,
        query=asked.query,
        similarity=found.similarity,
        parts=[
            Part(
                name=part.name,
                cosine=part.cosine,
                share=part.share,
                query_stripes=list(part.query_stripes),
                match_stripes=list(part.gallery_stripes),
            )
            for part in found.parts
        ],
        heat_maps=HeatMaps(
            query=_address(query, found.query_map), match=_address(pixels, found.gallery_map)
        ),
    )


def _address(pixels: NDArray[np.uint8], heat: NDArray[np.float32]) -> str:
    """Return a picture as an address that holds it."""
    content = png(overlay(Image.fromarray(pixels), heat))
    return f"data:image/png;base64,{base64.b64encode(content).decode()}"
