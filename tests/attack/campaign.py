"""Repeat the attack with a seed and print one table; see README.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from files import attack_files, attack_images  # noqa: E402 - the tests' folder is no package
from outcomes import Row, table  # noqa: E402
from service import attack_service, end_under_load  # noqa: E402

from fprnet.embeddings.embedder import load_model  # noqa: E402
from fprnet.gallery.gallery import Gallery  # noqa: E402
from fprnet.serving.keys import add_key, revoke_key  # noqa: E402
from fprnet.serving.roles import ROLES  # noqa: E402
from service_cases import MODEL, make_stock, process_of  # noqa: E402

IMAGES, FILES, REQUESTS = 6000, 400, 1000  # tries of each kind, at share 1


def main() -> int:
    """Run the campaign; the exit status is 1 where anything failed or hung."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="seed of everything that is tried")
    parser.add_argument("--share", type=float, default=1.0, help="share of all tries")
    parser.add_argument("--out", type=Path, help="file for the table, beside stdout")
    parser.add_argument("--only", choices=("files", "service"), help="half of the campaign")
    args = parser.parse_args()
    rows = []
    for row in _rows(args.seed, args.share, args.only):
        rows.append(row)
        print(" | ".join(row.cells()), *row.examples, sep="\n  ", file=sys.stderr, flush=True)
    text = table(rows)
    print(text)
    if args.out is not None:
        args.out.write_text(text + "\n", encoding="utf-8")
    return int(any(row.counts["faults"] or row.counts["hung"] for row in rows))


def _rows(seed: int, share: float, only: str | None) -> Iterator[Row]:
    if only != "service":
        yield attack_images(seed, round(IMAGES * share))
        yield from attack_files(seed, round(FILES * share))
    if only != "files":
        yield from _service(seed, round(REQUESTS * share))


def _service(seed: int, tries: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        model = load_model("fprnet", scale="tiny", device="cpu")
        make_stock(folder, model)
        with Gallery.open(str(folder / "people.db"), writable=True) as gallery:
            keys = {role: add_key(gallery.database, role, role) for role in ROLES}
            keys["gone"] = add_key(gallery.database, "gone", "admin")
            revoke_key(gallery.database, "gone")
        words = ("--gallery", folder / "people.db", *MODEL, "--images", folder / "day")
        with process_of(*words, "--keys", "--rate", 0) as process:
            yield from attack_service(
                process, keys, seed, tries, embedding_size=model.embedding_size
            )
            yield end_under_load(process, keys["search"])
            log = process.log.read_text()
            row = Row("log of the service")
            row.counts["taken"] += 1
            row.counts["faults"] += log.count("Traceback")
            row.examples += [log[log.index("Traceback") :][:3000]] if "Traceback" in log else []
            yield row


if __name__ == "__main__":
    sys.exit(main())
