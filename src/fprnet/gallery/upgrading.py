"""A gallery of one model's embeddings becomes one of another's, from the pictures of its records.

New embeddings wait in a table of their own, ``upgrade``, which is on the disk after every part: a
run that was stopped goes on there, and searches find the old ones meanwhile. Only when every record
has a new one do they take the place of the old, in one transaction, with the model's name. Records,
their numbers, verdicts, keys and the audit log stay as they are.

Shapes: n records, D numbers per embedding.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    ForeignKey,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    func,
    insert,
    inspect,
    select,
    update,
)
from tqdm import tqdm

from fprnet.data.images import decode_image
from fprnet.data.records import MODALITIES
from fprnet.embeddings.embedder import Embedder
from fprnet.errors import GalleryError, ImageFileError
from fprnet.gallery.audit import AuditEntry, write_entries
from fprnet.gallery.gallery import Gallery
from fprnet.gallery.records import GalleryRecord, ModelIdentity
from fprnet.gallery.rows import ASKED_ROWS, FIELDS, record_of
from fprnet.gallery.schema import Tables
from fprnet.gallery.tracklets import stored_image

__all__ = ["Picture", "Upgraded", "picture_of", "upgrade_gallery"]

CHUNK = 200  # records that are embedded, and therefore safe, together
NAMED = 3  # records that a message names before it only counts

Picture = Callable[[GalleryRecord], bytes | None]


@dataclass(frozen=True)
class Upgraded:
    """What became of a gallery.

    Attributes:
        records: That have new embeddings, hidden ones among them.
        embedded: How many of them this call embedded; the others an earlier one had.
        changed: Whether the gallery was another model's before.
    """

    records: int
    embedded: int
    changed: bool


def upgrade_gallery(
    gallery: Gallery,
    embedder: Embedder,
    path: str,
    *,
    picture: Picture | None = None,
    by: str | None = None,
    progress: bool = True,
) -> Upgraded:
    """Embed the pictures of all records with another model, and make the gallery that model's.

    Other processes that have the gallery open go on with the old model until then; afterwards every
    search of theirs is refused until they open it again.

    Args:
        gallery: Writable; it must be opened again afterwards.
        embedder: The new model, compact if the gallery is to be.
        path: How the gallery remembers it.
        picture: Bytes of a record's picture, or None where it is not there; None looks at its path.
        by: Who upgrades, for the audit log; None writes no entry.
        progress: Show a bar on stderr.

    Raises:
        GalleryError: Pictures are not where they were, or damaged; the gallery is as it was, and
            what was embedded is kept for the next call.
    """
    model = ModelIdentity.of(embedder, path)
    database = gallery.database
    if gallery.model.same_as(model):
        return Upgraded(len(gallery.select()), 0, changed=False)
    staged = _table(database.schema)
    with database.writing() as connection:
        _prepare(connection, staged, model)
    embedded = 0

    def find(record: GalleryRecord) -> bytes | None:
        return stored_image(gallery, record.id) or (picture or picture_of)(record)

    while True:
        missing = _missing(gallery, staged)
        embedded += _embed(gallery, staged, embedder, missing, find, progress=progress)
        with database.writing() as connection:
            if _count(connection, gallery, staged) == 0:
                records = _take_over(connection, gallery, staged, embedder, model)
                if by is not None:
                    details = {"records": records, "model": model.checkpoint_sha256[:12]}
                    entry = AuditEntry("upgrade", by, "command line", details=details)
                    write_entries(connection, database.tables, [entry])
                break
    database.shred()
    return Upgraded(records, embedded, changed=True)


def picture_of(record: GalleryRecord) -> bytes | None:
    """Return the bytes of the file at a record's path; None where it is unread or was changed."""
    try:
        content = Path(record.path).read_bytes()
    except (OSError, ValueError):  # a folder, a name too long, a zero byte
        return None
    return content if sha256(content).hexdigest() == record.id else None


def _table(schema: str | None) -> Table:
    """Return the table of new embeddings; one goes when its record is erased."""
    metadata = MetaData(schema=schema)
    number = Column("number", BigInteger, primary_key=True)
    of_record = ForeignKey(Table("record", metadata, number).c.number, ondelete="CASCADE")
    return Table(
        "upgrade",
        metadata,
        Column("record", BigInteger, of_record, primary_key=True, autoincrement=False),
        Column("model", Text, nullable=False),
        Column("embedding", LargeBinary, nullable=False),  # (D,) float16
    )


def _prepare(connection: Connection, staged: Table, model: ModelIdentity) -> None:
    """Make the table, and empty it of what another model has left there."""
    if not inspect(connection).has_table(staged.name, schema=staged.schema):
        staged.create(connection)
    connection.execute(delete(staged).where(staged.c.model != _key(model)))


def _key(model: ModelIdentity) -> str:
    return f"{model.checkpoint_sha256} {model.projection_sha256}"


def _missing(gallery: Gallery, staged: Table) -> list[int]:
    """Return the numbers of the records without a new embedding, ascending."""
    record = gallery.database.tables.record
    done = select(staged.c.record)
    with gallery.database.reading() as connection:
        rows = connection.scalars(
            select(record.c.number).where(record.c.number.not_in(done)).order_by(record.c.number)
        )
        return list(rows)


def _count(connection: Connection, gallery: Gallery, staged: Table) -> int:
    record = gallery.database.tables.record
    done = select(staged.c.record)
    query = select(func.count()).select_from(record).where(record.c.number.not_in(done))
    return connection.scalar(query) or 0


def _embed(
    gallery: Gallery,
    staged: Table,
    embedder: Embedder,
    numbers: Sequence[int],
    find: Picture,
    *,
    progress: bool,
) -> int:
    """Embed the records of these numbers, and keep what was embedded part by part.

    Raises:
        GalleryError: A picture is not there, or cannot be read; the others are embedded.
    """
    table = gallery.database.tables.record
    columns = [table.c[name] for name in ("number", *FIELDS)]
    absent: list[str] = []
    count = 0
    with tqdm(total=len(numbers), desc="upgrade", unit=" images", disable=not progress) as bar:
        for start in range(0, len(numbers), CHUNK):
            some = numbers[start : start + CHUNK]
            with gallery.database.reading() as connection:
                rows = connection.execute(select(*columns).where(table.c.number.in_(some))).all()
            ready: list[tuple[int, str, NDArray[np.uint8]]] = []
            for row in rows:
                record = record_of(row)
                content = find(record)
                try:
                    if content is None:
                        raise ImageFileError(record.path, "it is not there")
                    pixels, _ = decode_image(
                        content, embedder.size, depth_range=embedder.depth_range
                    )
                except ImageFileError:
                    absent.append(record.path or record.id[:12])
                    continue
                ready.append((row.number, record.modality, pixels))
            if ready:
                _keep(gallery, staged, embedder, ready)
            count += len(ready)
            bar.update(len(some))
    if absent:
        named = ", ".join(absent[:NAMED]) + (", ..." if len(absent) > NAMED else "")
        raise GalleryError(
            f"{len(absent)} of the {len(numbers)} pictures of gallery {gallery.uri} are not where "
            f"they were, were changed, or cannot be read ({named}); bring them back, say where "
            "they are now with 'fprnet gallery add --update' (those that a service keeps: with "
            "--folder), or erase their records with 'fprnet gallery erase', and give the same "
            "command again"
        )
    return count


def _keep(
    gallery: Gallery,
    staged: Table,
    embedder: Embedder,
    ready: Sequence[tuple[int, str, NDArray[np.uint8]]],
) -> None:
    """Embed pictures and write their embeddings to the table."""
    key = _key(ModelIdentity.of(embedder))
    rows = []
    for modality in MODALITIES:
        own = [(number, pixels) for number, of, pixels in ready if of == modality]
        if own:
            vectors = embedder.embed(np.stack([pixels for _, pixels in own]), modality)
            rows += [
                {"record": number, "model": key, "embedding": vector.astype("<f2").tobytes()}
                for (number, _), vector in zip(own, vectors, strict=True)
            ]
    with gallery.database.writing() as connection:
        connection.execute(insert(staged), rows)


def _take_over(
    connection: Connection,
    gallery: Gallery,
    staged: Table,
    embedder: Embedder,
    model: ModelIdentity,
) -> int:
    """Let the new embeddings take the place of the old; returns how many there are."""
    tables = Tables(model.embedding_size, gallery.database.schema)
    if gallery.database.server:
        from fprnet.gallery.postgres import change_size

        change_size(connection, gallery.name, model.embedding_size)
    record = tables.record
    numbers = list(connection.scalars(select(record.c.number)))
    for start in range(0, len(numbers), ASKED_ROWS):
        some = numbers[start : start + ASKED_ROWS]
        for row in connection.execute(select(staged).where(staged.c.record.in_(some))).all():
            vector = np.frombuffer(row.embedding, dtype="<f2")
            where = record.c.number == row.record
            connection.execute(update(record).where(where).values(embedding=vector))
    if gallery.database.server:
        from fprnet.gallery.postgres import index_embeddings

        index_embeddings(connection, gallery.name, model.embedding_size)
    connection.execute(
        update(tables.gallery).values(
            checkpoint_sha256=model.checkpoint_sha256,
            projection_sha256=model.projection_sha256,
            preset=model.preset,
            embedding_size=model.embedding_size,
            path=model.path,
        )
    )
    connection.execute(delete(tables.projection))
    if model.projection_sha256:
        projection = embedder.projection
        assert projection is not None
        values = {
            "checkpoint_sha256": projection.checkpoint_sha256,
            "size": projection.size,
            "matrix": projection.matrix.astype("<f4").tobytes(),
        }
        connection.execute(insert(tables.projection).values(values))
    staged.drop(connection)
    return len(numbers)
