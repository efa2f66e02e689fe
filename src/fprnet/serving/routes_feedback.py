"""``/v1/feedback``: right or wrong is stored, and given out as labels."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request, Response

from fprnet.gallery.verdicts import Feedback
from fprnet.serving.access import CallerOf, ServiceOf, allowed, errors
from fprnet.serving.answers import FeedbackAnswer, FeedbackEntry
from fprnet.serving.bodies import json_body
from fprnet.serving.labels import as_csv, as_data_set
from fprnet.serving.problems import ProblemError
from fprnet.serving.requests import RECORD_ID, SEARCH_ID, FeedbackRequest
from fprnet.serving.service import Noted

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
    recent = await service.ask(lambda: service.searches.find(asked.search, caller.name))
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
    feedback = Feedback(
        time=datetime.now(UTC).replace(microsecond=0),
        by=caller.name,
        query_sha256=tuple(upload.sha256 for upload in uploads),
        query_files=tuple(upload.file_name for upload in uploads),
        query_modality=recent.modality,
        match=asked.match,
        verdict=asked.verdict,
        similarity=recent.similarities[asked.match],
        note=asked.note,
    )
    noted = Noted(
        details={"verdict": asked.verdict},
        images={"ids": [asked.match], "queries": feedback.query_sha256},
    )
    contents = [upload.content for upload in uploads]
    await service.change(
        caller,
        "mark",
        noted,
        lambda audit: service.feedback.add(feedback, contents, since=recent.change, audit=audit),
    )
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
    """Give out the verdicts that count: as a list, a table, or a data set to train with.

    The data set holds ``manifest.csv`` and the images: whatever was marked right belongs to one
    person.
    """
    async with service.audited(caller, "export") as entry:
        given = await service.ask(service.feedback.all)
        entry.details |= {"format": format, "verdicts": len(given)}
        if format == "json":
            return [
                FeedbackEntry(
                    time=feedback.time,
                    by=feedback.by,
                    query_sha256=list(feedback.query_sha256),
                    query_modality=feedback.query_modality,
                    match=feedback.match,
                    verdict=feedback.verdict,
                    similarity=feedback.similarity,
                    note=feedback.note,
                )
                for feedback in given
                if feedback.verdict != "none"
            ]
        if format == "csv":
            return _file(as_csv(given).encode(), "text/csv; charset=utf-8", "feedback.csv")
        content = await service.in_thread(lambda: as_data_set(service, given))
        return _file(content, "application/zip", "feedback.zip")


def _file(content: bytes, media_type: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(content, media_type=media_type, headers=headers)
