"""Command lines and code blocks of the pages under ``docs``, for tests that run them."""

import re
import shlex
from pathlib import Path

__all__ = ["DOCS", "blocks", "commands"]

DOCS = Path(__file__).parents[1] / "docs"


def blocks(name: str, language: str) -> list[str]:
    """The code blocks of a page in one language."""
    text = (DOCS / name).read_text(encoding="utf-8")
    return re.findall(rf"```{language}\n(.*?)```", text, flags=re.DOTALL)


def commands(name: str) -> list[list[str]]:
    """The words of each command line of a page."""
    return [shlex.split(line) for block in blocks(name, "sh") for line in block.splitlines()]
