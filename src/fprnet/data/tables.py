"""CSV and Parquet files become columns of whole numbers and texts; a fault is named by its row.

Messages count rows from 0, as NumPy does; the header is none.
Shapes: N rows.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fprnet.errors import FprnetError

__all__ = ["Table", "TableKind"]

INT64 = (-(2**63), 2**63 - 1)
LONGEST_NAME = 200
SEPARATORS = ",;\t"
HINT = re.compile(r'"?sep=(.)"?\r?\n?', re.IGNORECASE)  # a first line for spreadsheets


@dataclass(frozen=True)
class Table:
    """What a file says, column by column.

    Attributes:
        file: Named in messages.
        columns: (N,) values each, by name.
        length: N.
        fault: Error that a wrong value raises.
        others: Names of columns that nobody asked for.
    """

    file: Path
    columns: Mapping[str, Sequence[Any]]
    length: int
    fault: type[FprnetError]
    others: tuple[str, ...] = ()

    def whole_numbers(
        self, name: str, *, empty: int | None = None, limits: tuple[int, int] | None = None
    ) -> NDArray[np.int64]:
        """Return a column of whole numbers ``(N,)``.

        Args:
            name: Name of the column.
            empty: Stands for values that are missing, and for a column that is; None allows none.
            limits: Smallest and largest number; None is what 64 bits hold.

        Raises:
            FprnetError: A value is none; the class is ``fault``.
        """
        if empty is not None and name not in self.columns:
            return np.full(self.length, empty, dtype=np.int64)
        low, high = limits or INT64
        told = f" from {low} to {high}" if limits else ""
        numbers = []
        for row, value in enumerate(self.columns[name]):
            text = "" if value is None else str(value).strip()
            if empty is not None and not text:
                numbers.append(empty)
            elif re.fullmatch(r"-?[0-9]{1,19}", text) and low <= int(text) <= high:
                numbers.append(int(text))
            else:
                raise self.fault(
                    f"{self.file} row {row} has {name} {text!r}; give a whole number{told}"
                )
        return np.array(numbers, dtype=np.int64)

    def names(self, name: str) -> list[str | None]:
        """Return a column of names, N of them: whole numbers, or any text; None where empty.

        A number is the text that it is written as: 12 of Parquet and "12" of CSV are one name,
        "0012" is another.

        Args:
            name: Name of the column; one that is missing is empty.

        Raises:
            FprnetError: A value is neither; the class is ``fault``.
        """
        found: list[str | None] = []
        for row, value in enumerate(self.columns.get(name, [None] * self.length)):
            if isinstance(value, float) and (value.is_integer() or value != value):
                value = int(value) if value == value else None  # pandas has no missing integers
            text = "" if value is None else str(value).strip()
            if isinstance(value, (bool, float, bytes)) or len(text) > LONGEST_NAME:
                raise self.fault(
                    f"{self.file} row {row} has {name} {value!r:.80}; give a whole number, or a "
                    f"text of at most {LONGEST_NAME} letters"
                )
            found.append(text or None)
        return found

    def paths(self, name: str = "path") -> list[str]:
        """Return a column of paths, N of them, with ``/`` between folders.

        Raises:
            FprnetError: A value is no text, or missing; the class is ``fault``.
        """
        return [text.replace("\\", "/") for text in self.texts(name).tolist()]

    def moments(self, name: str) -> list[str]:
        """Return a column of times, N of them, as ISO 8601 writes them; "" where empty.

        Args:
            name: Name of the column; one that is missing is empty.

        Raises:
            FprnetError: A value is neither a text nor a time; the class is ``fault``.
        """
        found = []
        for row, value in enumerate(self.columns.get(name, [None] * self.length)):
            if value is not None and not isinstance(value, (str, datetime, date)):
                raise self.fault(f"{self.file} row {row} has {name} {value!r:.80}; give a time")
            text = "" if value is None else value if isinstance(value, str) else value.isoformat()
            found.append(text.strip())
        return found

    def words(self, name: str, allowed: Sequence[str], *, empty: bool = False) -> list[str]:
        """Return a column of words in small letters, N of them; "" where empty.

        Args:
            name: Name of the column; one that is missing is empty.
            allowed: Words.
            empty: Whether a value may be missing.

        Raises:
            FprnetError: A value is none of them; the class is ``fault``.
        """
        if empty and name not in self.columns:
            return [""] * self.length
        words = [text.lower() for text in self.texts(name, empty=True).tolist()]
        for row, word in enumerate(words):
            if word not in allowed and not (empty and not word):
                raise self.fault(
                    f"{self.file} row {row} has {name} {word!r}; give {' or '.join(allowed)}"
                    + (" or leave it empty" if empty else "")
                )
        return words

    def texts(self, name: str, *, empty: bool = False) -> NDArray[np.str_]:
        """Return a column of texts ``(N,)`` without the spaces around them.

        Args:
            name: Name of the column.
            empty: Whether a value may be missing; it becomes "".

        Raises:
            FprnetError: A value is no text, or missing; the class is ``fault``.
        """
        texts = []
        for row, value in enumerate(self.columns[name]):
            text = "" if value is None else value
            if not isinstance(text, str) or not (empty or text.strip()):
                raise self.fault(f"{self.file} row {row} has {name} {text!r}; give a text")
            texts.append(text.strip())
        return np.array(texts, dtype=np.str_)


@dataclass(frozen=True)
class TableKind:
    """One sort of table, and how to read it.

    Attributes:
        needed: Columns that every such table has.
        optional: Columns that it may have; others are left alone.
        fault: Error that a wrong file raises.
    """

    needed: tuple[str, ...]
    optional: tuple[str, ...]
    fault: type[FprnetError]

    def read(self, file: Path) -> Table:
        """Read a Parquet file, by its ending, or a CSV file.

        Raises:
            FprnetError: See ``read_csv`` and ``read_parquet``.
        """
        return (self.read_parquet if file.suffix.lower() == ".parquet" else self.read_csv)(file)

    def read_csv(self, file: Path) -> Table:
        """Read a CSV file as spreadsheets save it: a header in letters of any size.

        Commas, semicolons or tabs, or what a first line ``sep=;`` names; UTF-8, or UTF-16 with its
        mark. Rows without any value are left out.

        Raises:
            FprnetError: It cannot be read, a column is missing or there twice, or a row is longer
                or shorter than the header; the class is ``fault``.
        """
        try:
            lines = io.StringIO(_decoded(file.read_bytes()), newline="")
            first = lines.readline()
            if hint := HINT.fullmatch(first):
                separator = hint[1]
            else:
                separator = max(SEPARATORS, key=first.count)
                lines.seek(0)
            reader = csv.reader(lines, strict=True, delimiter=separator)
            header = [name.strip().lower() for name in next(reader, [])]
            rows = [row for row in reader if any(value.strip() for value in row)]
        except (OSError, ValueError, csv.Error) as error:
            raise self.fault(
                f"{file} cannot be read as CSV ({error}); save it as UTF-8 with commas, in a "
                "spreadsheet as 'CSV UTF-8'"
            ) from error
        self._check_columns(file, header)
        for number, row in enumerate(rows):
            if len(row) != len(header):
                raise self.fault(
                    f"{file} row {number} has {len(row)} values but there are {len(header)} "
                    "columns; give every row one value per column"
                )
        columns = {name: [row[place] for row in rows] for place, name in enumerate(header)}
        return Table(file, columns, len(rows), self.fault, self._others(header))

    def read_parquet(self, file: Path) -> Table:
        """Read a Parquet file.

        Raises:
            FprnetError: See ``open_parquet``.
        """
        return self.of_parquet(file, self.open_parquet(file))

    def open_parquet(self, file: Path) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Return the ``pyarrow.Table`` of a file, its columns checked.

        Raises:
            FprnetError: It cannot be read, a column is missing or there twice, or pyarrow is not
                installed; the class is ``fault``.
        """
        try:
            from pyarrow.parquet import read_table
        except ImportError as error:
            raise self.fault(
                f"{file} needs pyarrow; install it with \"pip install 'fprnet[formats]'\", or "
                "write another format"
            ) from error
        try:
            table = read_table(file)
        except Exception as error:  # a damaged file makes the reader raise nearly anything
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise self.fault(f"{file} cannot be read as Parquet ({reason}); write it again") from (
                error
            )
        table = table.rename_columns([name.strip().lower() for name in table.column_names])
        self._check_columns(file, table.column_names)
        return table

    def of_parquet(self, file: Path, table: Any, *, but: str = "") -> Table:  # noqa: ANN401
        """Return the columns of a ``pyarrow.Table`` that this kind knows, all ``but`` one."""
        names = [n for n in (*self.needed, *self.optional) if n in table.column_names and n != but]
        columns = {name: table.column(name).to_pylist() for name in names}
        others = self._others(table.column_names)
        return Table(file, columns, len(table), self.fault, others)

    def mention_others(self, table: Table, *, but: Sequence[str] = ()) -> None:
        """Say on stderr which columns of a table are left alone, all ``but`` some."""
        others = [name for name in table.others if name not in but]
        if others:
            print(
                f"{table.file}: columns that are not known are left alone: {', '.join(others)}; "
                f"known are {', '.join((*self.needed, *self.optional))}",
                file=sys.stderr,
            )

    def _others(self, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in names if name not in (*self.needed, *self.optional))

    def _check_columns(self, file: Path, names: Sequence[str]) -> None:
        absent = [name for name in self.needed if name not in names]
        if absent:
            raise self.fault(
                f"{file} has no column {' and no column '.join(absent)}; it needs "
                f"{', '.join(self.needed)}, and may have {', '.join(self.optional)}"
            )
        known = [name for name in names if name in (*self.needed, *self.optional)]
        twice = sorted({name for name in known if known.count(name) > 1})
        if twice:
            raise self.fault(f"{file} has the column {twice[0]} twice; keep one of them")


def _decoded(content: bytes) -> str:
    """Return the text of a CSV file: UTF-16 where its mark says so, else UTF-8.

    Raises:
        ValueError: It is neither; the message says what it is, or from which line on it is not.
    """
    if content.startswith(b"PK\x03\x04"):
        raise ValueError("it is a workbook, or another ZIP archive")
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        if wide:
            raise ValueError("its UTF-16 is damaged") from error
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(
            f"line {line} holds byte {content[error.start]:#04x}, which is not UTF-8"
        ) from error
    if "\0" in text:
        raise ValueError("it holds zero bytes, as no text does")
    return text
