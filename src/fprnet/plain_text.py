"""YAML and JSON texts become plain values; whatever is wrong with a text is one kind of error.

The parsers raise a dozen kinds: for a date of month 99, ``!!int abc``, an alias to itself, a number
of ten thousand digits, lists in lists in lists.
"""

from __future__ import annotations

import json

import yaml

__all__ = ["parse_json", "parse_yaml"]

MAX_VALUES = 1_000_000
MAX_REASON = 200  # letters of what a parser says
FAULTS = (yaml.YAMLError, ValueError, OverflowError, RecursionError, TypeError, KeyError)


def parse_yaml(text: str) -> object:
    """Return the values of a YAML text.

    Raises:
        ValueError: It is no YAML, or refers to itself; the message is one line.
    """
    try:
        values = yaml.safe_load(text)
        _check_size(values)
    except FAULTS as error:
        raise ValueError(_one_line(error)) from error
    return values


def parse_json(text: str | bytes) -> object:
    """Return the values of a JSON text.

    Raises:
        ValueError: It is no JSON; the message is one line.
    """
    try:
        return json.loads(text)
    except FAULTS as error:
        raise ValueError(_one_line(error)) from error


def _check_size(values: object) -> None:
    """Refuse values that aliases have made endless, or larger than any config."""
    left, count = [values], 0
    while left:
        count += 1
        if count > MAX_VALUES:
            raise ValueError("its aliases make it endless, or larger than any config")
        value = left.pop()
        if isinstance(value, dict):
            left += value.values()
        elif isinstance(value, list):
            left += value


def _one_line(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "too many lists or objects inside each other"
    return " ".join(str(error).split())[:MAX_REASON] or type(error).__name__
