"""Plain values of YAML and of the command line become values of a type, or say what is wrong."""

from __future__ import annotations

import contextlib
import types
import typing
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic.errors import PydanticUserError

from fprnet.plain_text import parse_yaml

__all__ = ["choices_of", "from_text", "json_schema", "shown", "typed_value", "without_marks"]

LONGEST = 80  # characters of a value that a message shows
RULES = {  # by what pydantic's types of errors begin with
    "int": "expected a whole number",
    "float": "expected a number",
    "bool": "expected true or false",
    "string": "expected a text",
    "tuple": "expected several values, such as [1, 2]",
    "list": "expected several values, such as [1, 2]",
    "mapping": "expected values by name, such as {5: 1, 4: 2}",
    "dict": "expected values by name, such as {5: 1, 4: 2}",
    "too_short": "expected at least one value",
    "is_instance": "expected several values, such as [1, 2]",
    "sequence": "expected several values, such as [1, 2]",
}


def typed_value(hint: Any, value: Any) -> tuple[Any, str]:
    """Return a value in the type that is wanted, and "" or the rule that it breaks.

    Args:
        hint: Type, with its range; anything that pydantic checks.
        value: Plain value. A text may be YAML, as on the command line.
    """
    tries = [value]
    if isinstance(value, str) and not _is_text(hint):
        tries = [from_text(value), value]
    rule = ""
    for attempt in tries:
        if isinstance(attempt, bool) and not _takes_bool(hint):
            rule = rule or _rule_of_type(hint)
            continue
        try:
            checked = _adapter(hint).validate_python(attempt)
        except ValidationError as error:
            rule = rule or _rule(hint, error)
        else:
            # Equal configs compare equal, whether a sequence was a default or read from YAML.
            is_sequence = isinstance(checked, list) and get_origin(without_marks(hint)) is Sequence
            return (tuple(checked) if is_sequence else checked), ""
    return None, rule


def from_text(text: str) -> Any:
    """Return what a text is as YAML; itself where it is none, e.g. for "!!int abc"."""
    with contextlib.suppress(ValueError):
        return parse_yaml(text)
    return text


def shown(value: Any) -> str:
    """Return a value as a message shows it: in one line, and not too long a one."""
    text = " ".join(str(value).split())
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def choices_of(hint: Any) -> list[str]:
    """Return the words of a ``Literal`` or of a union of them; none for other types."""
    if get_origin(hint) is typing.Literal:
        return [str(choice) for choice in get_args(hint)]
    if get_origin(hint) in (Union, types.UnionType):
        parts = [choices_of(part) for part in get_args(hint) if part is not types.NoneType]
        if all(parts):
            return [*(choice for part in parts for choice in part), "null"]
    return []


def json_schema(hint: Any) -> Mapping[str, Any]:
    """Return the JSON schema of a type, in which its range stands."""
    return _adapter(hint).json_schema()


def without_marks(hint: Any) -> Any:
    """Return the type inside ``Annotated``, or the type itself."""
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


@cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    try:
        return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))
    except PydanticUserError:  # a type with a config of its own
        return TypeAdapter(hint)


def _rule(hint: Any, error: ValidationError) -> str:
    choices = choices_of(without_marks(hint))
    if choices:
        return f"expected one of {', '.join(choices)}"
    first = error.errors()[0]
    for kind, rule in RULES.items():
        if first["type"].startswith(kind):
            takes_null = types.NoneType in get_args(hint)
            return f"{rule} or null" if takes_null else rule
    return first["msg"].lower().replace("input should be", "it must be")


def _rule_of_type(hint: Any) -> str:
    """Return what a type expects of a value that it never takes."""
    try:
        _adapter(hint).validate_python(object())
    except ValidationError as error:
        return _rule(hint, error)
    return "true and false are no value of it"


def _is_text(hint: Any) -> bool:
    base = without_marks(hint)
    return base is str or (
        get_origin(base) is typing.Literal and all(isinstance(c, str) for c in get_args(base))
    )


def _takes_bool(hint: Any) -> bool:
    if hint in (bool, Any, object):
        return True
    return any(
        _takes_bool(part) for part in get_args(hint) if isinstance(part, type) or part is Any
    )
