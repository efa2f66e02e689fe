"""``/v1/feedback``: right or wrong is stored, and given out as labels."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from fprnet.serving.access import CallerOf, ServiceOf, allowed, errors
from fprnet.serving.answers import FeedbackAnswer, FeedbackEntry
from fprnet.serving.bodies import json_body
from fprnet.serving.feedback import Judgement
from fprnet.serving.labels import as_csv, as_data_set
from fprnet.serving.problems import ProblemError
from fprnet.serving.requests import RECORD_ID, SEARCH_ID, FeedbackRequest

__all__ = ["router"]

router = APIRouter(prefix="/v1/feedback", tags=["feedback"])

BODY = {
    "required": True,
    "content": {
        "application/json": {
            "schema": {"$ref": "#/components/schemas/FeedbackRequest"},
            "example": {"search": SEARCH_ID, "match": RECORD_ID, "verdict": "right"},
        }
    },
}


@router.post(
    "",
    dependencies=[allowed("mark")],
    responses=errors(400, 404, 408, 409, 413, 415, 422),
    openapi_extra={"requestBody": BODY},
)
async def mark(request: Request, service: ServiceOf, caller: CallerOf) -> FeedbackAnswer:
    """Say whether a match of an earlier search shows the same person.

    The query images of such a search are kept from then on, because labels without images train
    nothing.
    """
    asked = await json_body(request, FeedbackRequest)
    recent = service.searches.find(asked.search, caller.name)
    if not recent.uploads:
        raise ProblemError(
            409,
            "no_image",
            f"search {recent.id} was made by embeddings",
            "search with images to give feedback",
        )
    if asked.match not in recent.similarities:
        raise ProblemError(
            404,
            "record_unknown",
            f"record {asked.match[:12]} is not among the matches of this search",
            "give the id of one of its matches",
        )
    uploads = sorted(recent.uploads, key=lambda upload: upload.sha256)
    judgement = Judgement(
        time=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        by=caller.name,
        query_sha256=tuple(upload.sha256 for upload in uploads),
        query_files=tuple(upload.file_name for upload in uploads),
        query_modality=recent.modality,
        match=asked.match,
        verdict=asked.verdict,
        similarity=recent.similarities[asked.match],
        note=asked.note,
    )
    async with service.audited(caller, "mark") as entry:
        entry |= {
            "ids": [asked.match],
            "queries": list(judgement.query_sha256),
            "verdict": asked.verdict,
        }
        contents = [upload.content for upload in uploads]
        await service.in_thread(lambda: service.feedback.add(judgement, contents))
    return FeedbackAnswer(match=asked.match, verdict=asked.verdict)


@router.get(
    "",
    dependencies=[allowed("export")],
    response_model=list[FeedbackEntry],
    responses={
        200: {
            "content": {
                "text/csv": {"schema": {"type": "string"}},
                "application/zip": {"schema": {"type": "string", "format": "binary"}},
            }
        },
        **errors(422),
    },
)
async def export(
    service: ServiceOf,
    caller: CallerOf,
    format: Annotated[
        Literal["json", "csv", "zip"],
        Query(description="csv: one row for each query image and match; zip: a data set to train"),
    ] = "json",
) -> list[FeedbackEntry] | Response:
    """Give out the judgements that count: as a list, a table, or a data set to train with.

    The data set holds ``manifest.csv`` and the images: whatever was marked right belongs to one
    person.
    """
    async with service.audited(caller, "export") as entry:
        judgements = service.feedback.all()
        entry |= {"format": format, "judgements": len(judgements)}
        if format == "json":
            return [
                FeedbackEntry(
                    time=datetime.fromisoformat(judgement.time),
                    by=judgement.by,
                    query_sha256=list(judgement.query_sha256),
                    query_modality=judgement.query_modality,
                    match=judgement.match,
                    verdict=judgement.verdict,
                    similarity=judgement.similarity,
                    note=judgement.note,
                )
                for judgement in judgements
                if judgement.verdict != "none"
            ]
        if format == "csv":
            return _file(as_csv(judgements).encode(), "text/csv; charset=utf-8", "feedback.csv")
        content = await service.in_thread(lambda: as_data_set(service, judgements))
        return _file(content, "application/zip", "feedback.zip")


def _file(content: bytes, media_type: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers=headers)
