"""The Milvus collections behind a gallery: how they are made, filled, read and replaced.

A gallery NAME is a small collection ``NAME_about`` (which model, what was measured) and the
records, in ``NAME_records_1``, then ``_2``, ...; the alias ``NAME_records`` stands for the one in
use. A new one is filled beside the old one and takes the alias in one step, so searches go on, and
a killed process leaves either the old or the new one in use.

Shapes: n records, D numbers per embedding.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from fprnet.errors import GalleryError
from fprnet.gallery.connection import LONG, Connection
from fprnet.gallery.records import ModelIdentity
from fprnet.gallery.rows import FIELDS

__all__ = [
    "EXACT",
    "GRAPH",
    "LARGEST_EXACT",
    "PAGE_ROWS",
    "WRITE_ROWS",
    "Collections",
    "Index",
    "page_size",
]

FORMAT = 1
LARGEST_EXACT = 50_000  # records that are searched exactly; more get a graph index
PAGE_BYTES = 32 * 2**20  # of embeddings in one answer of the server
PAGE_ROWS = 10_000  # rows in one answer, whatever their size
WRITE_ROWS = 1000  # rows that are written, or asked for by their ids, in one call
LONGEST_PATH = 4096  # bytes of UTF-8


@dataclass(frozen=True)
class Index:
    """How Milvus finds neighbours.

    Attributes:
        kind: Milvus's name.
        build: Parameters of its making.
        search: Parameters of each search.
    """

    kind: str
    build: dict[str, int] = field(default_factory=dict)
    search: dict[str, int] = field(default_factory=dict)


EXACT = Index("FLAT")
GRAPH = Index("HNSW", {"M": 16, "efConstruction": 200}, {"ef": 256})


def page_size(embedding_size: int) -> int:
    """Return how many embeddings of D numbers go into one answer."""
    return max(1, min(PAGE_ROWS, PAGE_BYTES // (4 * embedding_size)))


class Collections:
    """The collections of one gallery.

    Args:
        connection: Where they are.
        name: Of the gallery.

    Raises:
        GalleryError: The name is none that Milvus takes.
    """

    def __init__(self, connection: Connection, name: str) -> None:
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,99}", name):
            raise GalleryError(
                f"{name!r} is no name for a gallery; use letters, digits and _, no digit first"
            )
        self._call: Callable[..., Any] = connection.call
        self._client = connection.client
        self._name = name
        self.about = f"{name}_about"
        self.records = f"{name}_records"  # an alias

    def exist(self) -> bool:
        """Whether there is such a gallery; the collection that is made last decides."""
        return bool(self._call(self._client.has_collection, self.about))

    def make(self, model: ModelIdentity) -> None:
        """Make an empty gallery; what a killed process left of one is removed first."""
        self._drop_all_but(None)
        first = self._numbered(1)
        self.make_records(first, model.embedding_size, EXACT)
        self._call(self._client.create_alias, first, self.records)
        schema = self._client.create_schema(auto_id=False)
        kinds = _kinds()
        schema.add_field("key", kinds.VARCHAR, max_length=64, is_primary=True)
        schema.add_field("value", kinds.VARCHAR, max_length=65535)
        schema.add_field("unused", kinds.FLOAT_VECTOR, dim=2)  # Milvus wants a vector
        self._make(self.about, schema, "unused", EXACT, "L2")
        self.write("gallery", {"format": FORMAT, "model": asdict(model)})

    def load(self) -> None:
        """Make searches possible after opening; Milvus reads or builds indexes now."""
        for collection in (self.about, self.records):
            self._call(self._client.load_collection, collection, timeout=LONG)

    def model(self) -> ModelIdentity:
        """Return whose embeddings the gallery holds.

        Raises:
            GalleryError: Another version of fprnet, or another program, made it.
        """
        content = self.read("gallery")
        if content is None or content.get("format") != FORMAT:
            found = None if content is None else content.get("format")
            raise GalleryError(
                f"gallery {self._name!r} has format {found}, this version reads {FORMAT}; "
                "make it again"
            )
        return ModelIdentity(**content["model"])

    def read(self, key: str) -> dict[str, Any] | None:
        """Return a note that was written about the gallery; None where there is none."""
        rows = self._call(
            self._client.query, self.about, filter=f'key == "{key}"', output_fields=["value"]
        )
        content: dict[str, Any] | None = json.loads(rows[0]["value"]) if rows else None
        return content

    def write(self, key: str, content: dict[str, Any]) -> None:
        """Write a note about the gallery."""
        row = {"key": key, "value": json.dumps(content), "unused": [0.0, 0.0]}
        self._call(self._client.upsert, self.about, [row])
        self._call(self._client.flush, self.about, timeout=LONG)

    def index(self) -> Index:
        """Return the index in use."""
        names = self._call(self._client.list_indexes, self.records)
        described = self._call(self._client.describe_index, self.records, names[0])
        return GRAPH if described["index_type"] == GRAPH.kind else EXACT

    def current(self) -> str:
        """Return the collection that the alias stands for."""
        described = self._call(self._client.describe_collection, self.records)
        return str(described["collection_name"])

    def next_name(self) -> str:
        """Return the name for the collection after the current one."""
        return self._numbered(int(self.current().rsplit("_", 1)[1]) + 1)

    def make_records(self, collection: str, embedding_size: int, index: Index) -> None:
        """Make an empty collection of records, in place of what a killed process left."""
        self._call(self._client.drop_collection, collection)
        schema = self._client.create_schema(auto_id=False)
        kinds = _kinds()
        schema.add_field("id", kinds.VARCHAR, max_length=64, is_primary=True)
        schema.add_field("embedding", kinds.FLOAT_VECTOR, dim=embedding_size)
        schema.add_field("path", kinds.VARCHAR, max_length=LONGEST_PATH)
        schema.add_field("modality", kinds.VARCHAR, max_length=16)
        for name in ("camera", "location", "timestamp", "identity"):
            schema.add_field(name, kinds.INT64)
        schema.add_field("hidden", kinds.BOOL)
        self._make(collection, schema, "embedding", index, "IP")

    def upsert(self, rows: Sequence[dict[str, Any]], collection: str | None = None) -> None:
        """Write rows; a server has them safe when this returns, and so has a folder."""
        for start in range(0, len(rows), WRITE_ROWS):
            part = list(rows[start : start + WRITE_ROWS])
            self._call(self._client.upsert, collection or self.records, part, timeout=LONG)

    def seal(self, collection: str | None = None) -> None:
        """Have everything written that Milvus still holds in memory (and in its journal)."""
        self._call(self._client.flush, collection or self.records, timeout=LONG)

    def swap(self, collection: str) -> None:
        """Put a filled collection in the place of the current one, and drop that one."""
        self._call(self._client.load_collection, collection, timeout=LONG)
        self._call(self._client.alter_alias, collection, self.records)
        self._drop_all_but(collection)

    def remove_leftovers(self) -> None:
        """Drop what a process left that was killed while it replaced a collection."""
        self._drop_all_but(self.current())

    def pages(self, fields: Sequence[str], size: int) -> Iterator[list[dict[str, Any]]]:
        """Yield all rows, hidden ones, too, some at a time, in no particular order."""
        iterator = self._call(
            self._client.query_iterator,
            self.records,
            batch_size=size,
            filter="",
            output_fields=list(fields),
        )
        try:
            while rows := self._call(lambda timeout: iterator.next()):
                yield [dict(row) for row in rows]
        finally:
            iterator.close()

    def whole_pages(self, embedding_size: int) -> Iterator[list[dict[str, Any]]]:
        """Yield all rows with everything in them."""
        return self.pages((*FIELDS, "hidden", "embedding"), page_size(embedding_size))

    def _numbered(self, number: int) -> str:
        return f"{self.records}_{number}"

    def _drop_all_but(self, kept: str | None) -> None:
        pattern = re.compile(re.escape(self.records) + r"_[0-9]+")
        for collection in self._call(self._client.list_collections):
            if pattern.fullmatch(collection) and collection != kept:
                if kept is None:  # an alias keeps a collection from being dropped
                    self._call(self._client.drop_alias, self.records)
                self._call(self._client.drop_collection, collection)

    def _make(self, collection: str, schema: Any, vector: str, index: Index, metric: str) -> None:  # noqa: ANN401
        indexes = self._client.prepare_index_params()
        indexes.add_index(
            vector, index_type=index.kind, metric_type=metric, params=dict(index.build)
        )
        self._call(
            self._client.create_collection,
            collection,
            schema=schema,
            index_params=indexes,
            consistency_level="Strong",
            timeout=LONG,
        )


def _kinds() -> Any:  # noqa: ANN401 - an enumeration of pymilvus
    from pymilvus import DataType

    return DataType
