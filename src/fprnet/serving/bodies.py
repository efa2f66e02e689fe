"""The bodies of requests become checked values, or one line that names the field."""

from __future__ import annotations

from typing import Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, ValidationError

from fprnet.serving.problems import ProblemError
from fprnet.serving.requests import MOST_QUERIES, SearchOptions
from fprnet.serving.settings import Settings
from fprnet.serving.uploads import Part, media_type, parts, whole_body

__all__ = ["json_body", "parsed", "search_form", "validation_problem"]

MOST_JSON = 2_000_000  # bytes; eight embeddings of 8192 numbers have 1.5 million
NEXT = "see /openapi.json for what is allowed"
MOST_SHOWN = 80  # letters of a wrong value that a message repeats

Model = TypeVar("Model", bound=BaseModel)


async def json_body(request: Request, model: type[Model]) -> Model:
    """Read a JSON body.

    Raises:
        ProblemError: It is no JSON, too large, or not as the model wants it.
    """
    if (kind := media_type(request)) != "application/json":
        raise ProblemError(
            415,
            "media_type",
            f"the body is {kind or 'of no named type'}",
            "send JSON with Content-Type: application/json",
        )
    return parsed(await whole_body(request, MOST_JSON), model, "the body")


async def search_form(
    request: Request, settings: Settings
) -> tuple[SearchOptions, list[tuple[str, bytes]]]:
    """Read the form of a search: parts ``images``, and at most one part ``options``.

    Returns:
        The options, and each image's name and content.

    Raises:
        ProblemError: There is no image, too many, or something else.
    """
    options: SearchOptions | None = None
    images: list[tuple[str, bytes]] = []
    async for part in parts(request, most=settings.search_bytes, most_by_part=settings.image_bytes):
        if part.name == "images":
            images.append((part.file or f"image {len(images) + 1}", part.content))
            if len(images) > MOST_QUERIES:
                raise ProblemError(
                    422,
                    "too_many_images",
                    f"there are more than {MOST_QUERIES} query images",
                    "choose the best ones of the person",
                )
        elif part.name == "options" and options is None:
            options = parsed(part.content, SearchOptions, "part 'options'")
        else:
            raise unknown_part(part, "'images' (files) and one part 'options' (JSON)")
    if not images:
        raise ProblemError(
            422,
            "image_missing",
            "there is no part 'images'",
            "send a file, e.g. with curl --form images=@night.jpg",
        )
    return options or SearchOptions(), images


def unknown_part(part: Part, wanted: str) -> ProblemError:
    """Return the answer to a part that has no meaning, or comes once too often."""
    return ProblemError(
        422, "invalid", f"part {part.name[:MOST_SHOWN]!r} does not belong here", f"send {wanted}"
    )


def parsed(content: bytes, model: type[Model], what: str) -> Model:
    """Parse JSON.

    Raises:
        ProblemError: It is not as the model wants it.
    """
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        raise validation_problem(error.errors(include_url=False), what) from error


def validation_problem(errors: Any, what: str) -> ProblemError:  # noqa: ANN401 - pydantic's list
    """Return the first complaint as one line, and how many more there are."""
    first = errors[0]
    place = ".".join(str(step) for step in first["loc"])
    value = repr(first.get("input"))
    shown = value if len(value) <= MOST_SHOWN else f"{value[:MOST_SHOWN]}..."
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    if first["type"] == "value_error":  # our own sentence about several fields
        return ProblemError(422, "invalid", str(first["ctx"]["error"]), NEXT)
    damaged = first["type"] == "json_invalid"
    message = (
        f"{what} is no JSON: {first['msg']}"
        if damaged
        else (f"{place or what}: {first['msg'][:200]}, not {shown}{more}")
    )
    return ProblemError(422, "invalid", message, NEXT)
