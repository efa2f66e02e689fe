"""A gallery of embeddings on Milvus: add, hide, erase, search; a file or a server.

Shapes: n records, q queries, D numbers per embedding.
"""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fprnet.errors import (
    FilterError,
    GalleryError,
    GalleryExistsError,
    GalleryMissingError,
    GalleryModelError,
)
from fprnet.gallery.connection import Connection, connect
from fprnet.gallery.records import (
    UNKNOWN,
    Added,
    Filters,
    GalleryInfo,
    GalleryRecord,
    Match,
    ModelIdentity,
    check_id,
)
from fprnet.gallery.rows import FIELDS, NO_TIME, expression, id_expression, record_of, row_of

__all__ = ["Gallery"]

FORMAT = 1
BATCH = 1000  # rows in one call
UNIT_TOLERANCE = 1e-3  # how far an embedding's length may be from 1
NO_FILTERS = Filters()


class Gallery:
    """Records and embeddings of one model. Use it in a ``with`` block, or close it.

    Thread-safe: any thread may call any method at any time. Searches and other reading calls run
    side by side; ``add``, ``remove``, ``restore`` and ``erase`` follow one another.
    An embedded gallery belongs to one process at a time, whether it reads or writes; a server takes
    any number of processes. What a writing call has returned from is kept, even if the process is
    killed in the next moment.

    Made by :meth:`create` and :meth:`open`.

    Attributes:
        uri: Address.
        name: Of the gallery at that address.
        model: Whose embeddings it holds.
        writable: Whether it may be changed.
    """

    def __init__(
        self, connection: Connection, name: str, model: ModelIdentity, *, writable: bool
    ) -> None:
        self._connection = connection
        self._client = connection.client
        self._writing = threading.RLock()
        self.uri = connection.uri
        self.name = name
        self.model = model
        self.writable = writable

    @classmethod
    def create(
        cls, uri: str, model: ModelIdentity, *, token: str | None = None, name: str = "gallery"
    ) -> Self:
        """Make an empty gallery, and open it for writing.

        Args:
            uri: Folder that ends in ``.db``, or ``http://HOST:PORT`` of a Milvus server.
            model: Whose embeddings it will hold, and refuse all others.
            token: Of a server, ``user:password`` or an API key.
            name: A server may hold several.

        Raises:
            GalleryExistsError: There is one already.
            GalleryLockedError: Another process has the folder open.
            GalleryUnavailableError: The server does not answer.
            UsageError: The address is none, or pymilvus is not installed.
        """
        connection = connect(uri, token, create=True)
        try:
            if _has_gallery(connection, name):
                raise GalleryExistsError(
                    f"there is a gallery at {uri} already; add to it, or give another address"
                )
            _make(connection, name, model)
        except BaseException:
            connection.close()
            raise
        return cls(connection, name, model, writable=True)

    @classmethod
    def open(
        cls,
        uri: str,
        *,
        token: str | None = None,
        name: str = "gallery",
        writable: bool = False,
    ) -> Self:
        """Open a gallery.

        Args:
            uri: Folder that ends in ``.db``, or ``http://HOST:PORT`` of a Milvus server.
            token: Of a server.
            name: Of the gallery there.
            writable: Allow ``add``, ``remove``, ``restore`` and ``erase``.

        Raises:
            GalleryMissingError: There is none.
            GalleryLockedError: Another process has the folder open.
            GalleryUnavailableError: The server does not answer.
        """
        connection = connect(uri, token)
        try:
            if not _has_gallery(connection, name):
                raise GalleryMissingError(
                    f"there is no gallery {name!r} at {uri}; make it with 'fprnet gallery create'"
                )
            for collection in (f"{name}_about", f"{name}_records"):
                connection.call(connection.client.load_collection, collection)
            model = _read_model(connection, name)
        except BaseException:
            connection.close()
            raise
        return cls(connection, name, model, writable=writable)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the address go; twice is allowed."""
        with self._writing:
            self._connection.close()

    def __len__(self) -> int:
        """Records that a search can find."""
        return self.count()

    def count(self, filters: Filters = NO_FILTERS) -> int:
        """Return how many records pass some filters."""
        return self._count(expression(filters))

    def require(self, model: ModelIdentity) -> None:
        """Refuse a model whose embeddings cannot be compared with those of the gallery.

        Raises:
            GalleryModelError: It is another one.
        """
        if not self.model.same_as(model):
            raise GalleryModelError(
                f"gallery {self.uri} holds embeddings of {_words(self.model)}, but these come from "
                f"{_words(model)}; give the gallery's model, or make a gallery for this one"
            )

    def add(self, embeddings: NDArray[np.float32], records: Sequence[GalleryRecord]) -> Added:
        """Add images that are not there yet; those that are there stay as they are.

        Args:
            embeddings: ``(n, D)`` float32, rows of unit length.
            records: n of them.

        Raises:
            GalleryModelError: The embeddings have another size than the gallery's model.
            GalleryError: Another number of embeddings than of records, a row is not of unit length,
                or the gallery was opened for reading.
        """
        self._check_writable()
        vectors = self._checked(embeddings)
        if len(vectors) != len(records):
            raise GalleryError(f"{len(vectors)} embeddings do not fit {len(records)} records")
        new = already = hidden = 0
        with self._writing:
            for start in range(0, len(records), BATCH):
                part = records[start : start + BATCH]
                there = self._hidden_by_id(record.id for record in part)
                rows = {
                    record.id: row_of(record, vector, hidden=False)
                    for record, vector in zip(part, vectors[start : start + BATCH], strict=True)
                    if record.id not in there
                }
                if rows:
                    self._upsert(list(rows.values()))
                new += len(rows)
                already += len(part) - len(rows)
                hidden += sum(there.get(record.id, False) for record in part)
        return Added(new, already, hidden)

    def remove(self, ids: Sequence[str]) -> int:
        """Hide records from every search; ``restore`` brings them back, ``add`` does not.

        Returns:
            How many were visible before.

        Raises:
            GalleryMissingError: One of them is not in the gallery; nothing was hidden then.
        """
        return self._set_hidden(ids, hidden=True)

    def restore(self, ids: Sequence[str]) -> int:
        """Bring hidden records back; returns how many were hidden.

        Raises:
            GalleryMissingError: One of them is not in the gallery; nothing was changed then.
        """
        return self._set_hidden(ids, hidden=False)

    def erase(self, ids: Sequence[str]) -> int:
        """Erase records for good, visible or hidden: afterwards no file holds their embeddings.

        Milvus keeps what is deleted in its files, so everything else is copied into a new
        collection and the old one dropped; searches go on meanwhile. A process that is killed in
        between has erased nothing; call it again. On a server the old files go when its garbage
        collection next runs.

        Returns:
            How many were there.

        Raises:
            GalleryMissingError: One of them is not in the gallery; nothing was erased then.
        """
        self._check_writable()
        with self._writing:
            there = self._required(ids)
            for start in range(0, len(there), BATCH):
                some = list(there)[start : start + BATCH]
                self._connection.call(
                    self._client.delete, self._records, filter=id_expression(some)
                )
            return len(there)

    def known(self, ids: Iterable[str]) -> set[str]:
        """Return those of the ids that are in the gallery, hidden or not."""
        return set(self._hidden_by_id(ids))

    def get(self, ids: Sequence[str]) -> list[GalleryRecord]:
        """Return records by their ids, hidden ones, too, in that order.

        Raises:
            GalleryMissingError: One of them is not in the gallery.
        """
        rows = self._rows(ids, FIELDS)
        return [record_of(rows[id]) for id in ids]

    def embeddings(self, ids: Sequence[str]) -> NDArray[np.float32]:
        """Return ``(n, D)`` float32 embeddings of records, in that order.

        Raises:
            GalleryMissingError: One of them is not in the gallery.
        """
        rows = self._rows(ids, ("id", "embedding"))
        vectors = np.empty((len(ids), self.model.embedding_size), dtype=np.float32)
        for place, id in enumerate(ids):
            vectors[place] = rows[id]["embedding"]
        return vectors

    def search(
        self, vectors: NDArray[np.float32], *, filters: Filters = NO_FILTERS, top: int = 20
    ) -> list[list[Match]]:
        """Find the records whose embeddings are most alike to each query's.

        Args:
            vectors: ``(q, D)`` float32, rows of unit length. Several queries in one call cost
                little more than one.
            filters: Which records may be found.
            top: At most so many, 1 to 1000.

        Returns:
            For each query up to ``top`` matches, most alike first.

        Raises:
            GalleryModelError: The vectors have another size than the gallery's model.
            FilterError: A camera or location is in no record, so that nothing could be found.
        """
        if not 1 <= top <= 1000:
            raise GalleryError(f"top is {top}; give 1 to 1000")
        found = self._connection.call(
            self._client.search,
            self._records,
            data=list(self._checked(vectors)),
            anns_field="embedding",
            filter=expression(filters),
            limit=top,
            output_fields=list(FIELDS),
            search_params={"metric_type": "IP", "params": {}},
        )
        return [
            [
                Match(record_of({**hit["entity"], "id": hit["id"]}), float(hit["distance"]))
                for hit in hits
            ]
            for hits in found
        ]

    def check_filters(self, filters: Filters) -> None:
        """Refuse filters that name a camera or location of which there is no record.

        Raises:
            FilterError: There is one.
        """
        info = self.info()
        for name, asked, there in (
            ("camera", filters.cameras, info.cameras),
            ("location", filters.locations, info.locations),
        ):
            for value in asked:
                if value not in there:
                    known = ", ".join(str(key) for key in there) or "none"
                    raise FilterError(
                        f"{name} {value} is in no record of gallery {self.uri}; it has {known}"
                    )

    def info(self) -> GalleryInfo:
        """Count what is in the gallery."""
        columns: dict[str, Counter[Any]] = {
            name: Counter() for name in ("camera", "location", "modality", "identity")
        }
        first = last = None
        records = hidden = 0
        for row in self._all_rows(("hidden", *FIELDS)):
            if row["hidden"]:
                hidden += 1
                continue
            records += 1
            for name, counter in columns.items():
                counter[row[name]] += 1
            if row["timestamp"] != NO_TIME:
                when = record_of(row).timestamp
                assert when is not None
                first = when if first is None else min(first, when)
                last = when if last is None else max(last, when)
        folder = self._connection.folder
        return GalleryInfo(
            uri=self.uri,
            name=self.name,
            model=self.model,
            records=records,
            hidden=hidden,
            cameras=dict(sorted(columns["camera"].items())),
            locations=dict(sorted(columns["location"].items())),
            modalities=dict(sorted(columns["modality"].items())),
            known_identities=len(set(columns["identity"]) - {UNKNOWN}),
            first=first,
            last=last,
            index="FLAT",
            index_settings={},
            recall=1.0,
            size_bytes=None
            if folder is None
            else sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()),
        )

    @property
    def _records(self) -> str:
        """Name of the collection with the records."""
        return f"{self.name}_records"

    def _check_writable(self) -> None:
        if not self.writable:
            raise GalleryError(f"gallery {self.uri} was opened for reading; open it writable")

    def _checked(self, vectors: NDArray[np.float32]) -> NDArray[np.float32]:
        matrix = np.asarray(vectors, dtype=np.float32)
        size = self.model.embedding_size
        if matrix.ndim != 2 or matrix.shape[1] != size:
            raise GalleryModelError(
                f"embeddings have shape {matrix.shape}, but gallery {self.uri} holds {size} "
                f"numbers each, of {_words(self.model)}"
            )
        lengths = np.linalg.norm(matrix, axis=1)
        if not (np.abs(lengths - 1) < UNIT_TOLERANCE).all():
            raise GalleryError("embeddings must have unit length; divide each by its length")
        return matrix

    def _set_hidden(self, ids: Sequence[str], *, hidden: bool) -> int:
        self._check_writable()
        with self._writing:
            rows = self._rows(ids, ("hidden", "embedding", *FIELDS))
            changed = [row | {"hidden": hidden} for row in rows.values() if row["hidden"] != hidden]
            for start in range(0, len(changed), BATCH):
                self._upsert(changed[start : start + BATCH])
            return len(changed)

    def _upsert(self, rows: list[dict[str, Any]]) -> None:
        self._connection.call(self._client.upsert, self._records, rows)

    def _count(self, filter: str) -> int:
        rows = self._connection.call(
            self._client.query, self._records, filter=filter, output_fields=["count(*)"]
        )
        return int(rows[0]["count(*)"])

    def _hidden_by_id(self, ids: Iterable[str]) -> dict[str, bool]:
        """Return whether each of the ids that are there is hidden."""
        return {id: row["hidden"] for id, row in self._found(ids, ("id", "hidden")).items()}

    def _required(self, ids: Iterable[str]) -> dict[str, bool]:
        return {id: row["hidden"] for id, row in self._rows(ids, ("id", "hidden")).items()}

    def _rows(self, ids: Iterable[str], fields: Sequence[str]) -> dict[str, dict[str, Any]]:
        wanted = list(ids)
        rows = self._found(wanted, fields)
        for id in wanted:
            if id not in rows:
                raise GalleryMissingError(f"there is no record {id} in gallery {self.uri}")
        return rows

    def _found(self, ids: Iterable[str], fields: Sequence[str]) -> dict[str, dict[str, Any]]:
        unique = list(dict.fromkeys(ids))
        for id in unique:
            check_id(id)
        rows: dict[str, dict[str, Any]] = {}
        for start in range(0, len(unique), BATCH):
            found = self._connection.call(
                self._client.query,
                self._records,
                filter=id_expression(unique[start : start + BATCH]),
                output_fields=list(fields),
            )
            rows |= {row["id"]: dict(row) for row in found}
        return rows

    def _all_rows(self, fields: Sequence[str]) -> Iterable[dict[str, Any]]:
        iterator = self._client.query_iterator(
            self._records, batch_size=BATCH, filter="", output_fields=list(fields)
        )
        try:
            while rows := iterator.next():
                yield from rows
        finally:
            iterator.close()


def _has_gallery(connection: Connection, name: str) -> bool:
    return bool(connection.call(connection.client.has_collection, f"{name}_about"))


def _make(connection: Connection, name: str, model: ModelIdentity) -> None:
    """Make the collections; the one that says what the gallery is comes last."""
    from pymilvus import DataType, MilvusClient

    schema = MilvusClient.create_schema(auto_id=False)
    schema.add_field("id", DataType.VARCHAR, max_length=64, is_primary=True)
    schema.add_field("embedding", DataType.FLOAT_VECTOR, dim=model.embedding_size)
    schema.add_field("path", DataType.VARCHAR, max_length=4096)
    schema.add_field("modality", DataType.VARCHAR, max_length=16)
    for field in ("camera", "location", "timestamp", "identity"):
        schema.add_field(field, DataType.INT64)
    schema.add_field("hidden", DataType.BOOL)
    index = MilvusClient.prepare_index_params()
    index.add_index("embedding", index_type="FLAT", metric_type="IP")
    connection.call(
        connection.client.create_collection,
        f"{name}_records",
        schema=schema,
        index_params=index,
        consistency_level="Strong",
    )
    about = MilvusClient.create_schema(auto_id=False)
    about.add_field("key", DataType.VARCHAR, max_length=64, is_primary=True)
    about.add_field("value", DataType.VARCHAR, max_length=65535)
    about.add_field("unused", DataType.FLOAT_VECTOR, dim=2)  # Milvus wants one
    index = MilvusClient.prepare_index_params()
    index.add_index("unused", index_type="FLAT", metric_type="L2")
    connection.call(
        connection.client.create_collection,
        f"{name}_about",
        schema=about,
        index_params=index,
        consistency_level="Strong",
    )
    content = json.dumps({"format": FORMAT, "model": asdict(model)})
    row = {"key": "gallery", "value": content, "unused": [0.0, 0.0]}
    connection.call(connection.client.upsert, f"{name}_about", [row])


def _read_model(connection: Connection, name: str) -> ModelIdentity:
    rows = connection.call(
        connection.client.query,
        f"{name}_about",
        filter='key == "gallery"',
        output_fields=["value"],
    )
    return ModelIdentity(**json.loads(rows[0]["value"])["model"])


def _words(model: ModelIdentity) -> str:
    return (
        f"{model.preset} {model.checkpoint_sha256[:12]} ({model.embedding_size} numbers per image)"
    )
