"""Repeat the attack with a seed and print one table; see README.md."""

from __future__ import annotations

import argparse
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import torch  # noqa: E402 - the tests' folder is no package
from files import attack_files, attack_images  # noqa: E402
from forking import command, ended  # noqa: E402
from full_disk import fill_disks  # noqa: E402
from killed_galleries import kill_adding, kill_erasing, kill_writers  # noqa: E402
from killed_runs import (  # noqa: E402
    TRAIN,
    kill_export,
    kill_extraction,
    kill_saving,
    kill_training,
)
from killed_service import kill_service  # noqa: E402
from outcomes import Row, table  # noqa: E402
from service import attack_service, end_under_load  # noqa: E402

from fprnet import __version__  # noqa: E402
from fprnet.embeddings.loading import load_model  # noqa: E402
from fprnet.gallery.gallery import Gallery  # noqa: E402
from fprnet.serving.keys import add_key, revoke_key  # noqa: E402
from fprnet.serving.roles import ROLES  # noqa: E402
from fprnet_lab.people.options import PeopleOptions  # noqa: E402
from fprnet_lab.people.writer import generate  # noqa: E402
from service_cases import MODEL, make_stock, process_of  # noqa: E402

# Tries of each kind, at share 1.
KILLS = {
    "writers": 250, "server": 50, "adding": 150, "erasing": 75, "training": 150, "extraction": 100,
    "export": 60, "saving": 60, "service": 130,
}  # fmt: skip
FULL_DISKS, IMAGES, FILES, REQUESTS = 40, 6000, 400, 1000


def main() -> int:
    """Run the campaign; the exit status is 1 where anything failed or hung."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="seed of everything that is tried")
    parser.add_argument("--share", type=float, default=1.0, help="share of all tries")
    parser.add_argument("--out", type=Path, help="file for the table, beside stdout")
    parser.add_argument(
        "--only",
        choices=tuple(PARTS),
        action="append",
        help="a part of the campaign (repeatable; all of them where it is not given)",
    )
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for part in args.only or PARTS:
        with tempfile.TemporaryDirectory(prefix="fprnet-attack-") as place:
            os.environ["FPRNET_CACHE"] = str(Path(place) / "cache")
            began = time.perf_counter()
            for row in PARTS[part](Path(place), args.seed, args.share):
                rows.append(row)
                seconds = time.perf_counter() - began
                print(f"{seconds:.0f} s: {' | '.join(row.cells())}", file=sys.stderr)
                print(*row.examples, sep="\n  ", file=sys.stderr, flush=True)
    text = f"{_what(args)}\n\n{table(rows)}"
    print(text)
    if args.out is not None:
        args.out.write_text(text + "\n", encoding="utf-8")
    return int(any(row.counts["faults"] or row.counts["hung"] for row in rows))


def _what(args: argparse.Namespace) -> str:
    """Return what the table is of: version, parts, seed, share, day and machine."""
    machine = f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores"
    return (
        f"fprnet {__version__}, {', '.join(args.only or PARTS)}, seed {args.seed}, "
        f"share {args.share:g}, {date.today()}, {machine}"
    )


def _killed_galleries(folder: Path, seed: int, share: float) -> Iterator[Row]:
    kills = _kills(share)
    data, runs = _trained(folder)
    yield kill_writers(folder, seed, kills["writers"])
    yield kill_writers(folder, seed, kills["server"], server=True)
    yield kill_adding(folder, runs[0], data, seed, kills["adding"])
    yield from kill_erasing(folder, seed, kills["erasing"])


def _killed_service(folder: Path, seed: int, share: float) -> Iterator[Row]:
    yield kill_service(folder, seed, _kills(share)["service"])


def _killed_runs(folder: Path, seed: int, share: float) -> Iterator[Row]:
    kills = _kills(share)
    data, runs = _trained(folder)
    yield kill_training(folder, data, seed, kills["training"])
    yield kill_extraction(folder, runs[0], data, seed, kills["extraction"])
    yield from kill_export(folder, runs[0], seed, kills["export"])
    yield kill_saving(folder, runs, seed, kills["saving"])


def _kills(share: float) -> dict[str, int]:
    return {name: max(1, round(count * share)) for name, count in KILLS.items()}


def _trained(folder: Path) -> tuple[Path, tuple[Path, Path]]:
    """A small data set, and two runs of one shape."""
    data = folder / "data"
    options = PeopleOptions(
        identities=8, validation_identities=4, test_identities=4, images_per_camera=2,
        size=(64, 32), outdoor_share=0, missed_share=0,
    )  # fmt: skip
    generate(data, options, progress=False)
    runs = folder / "one", folder / "other"
    for seed, run in enumerate(runs):
        words = ("train", *TRAIN, "--seed", seed, "--data", data, "--out", run)
        ended(command(*words), folder / "trained.log")
    return data, runs


def _full_disks(folder: Path, seed: int, share: float) -> Iterator[Row]:
    data, runs = _trained(folder)
    yield from fill_disks(folder, data, runs[0], seed, max(1, round(FULL_DISKS * share)))


def _files(folder: Path, seed: int, share: float) -> Iterator[Row]:
    yield attack_images(seed, round(IMAGES * share))
    yield from attack_files(folder, seed, round(FILES * share))


def _service(folder: Path, seed: int, share: float) -> Iterator[Row]:
    model = load_model("fprnet", scale="tiny", device="cpu")
    make_stock(folder, model)
    with Gallery.open(str(folder / "people.db"), writable=True) as gallery:
        keys = {role: add_key(gallery.database, role, role) for role in ROLES}
        keys["gone"] = add_key(gallery.database, "gone", "admin")
        revoke_key(gallery.database, "gone")
    words = ("--gallery", folder / "people.db", *MODEL, "--images", folder / "day")
    with process_of(*words, "--keys", "--rate", 0) as process:
        yield from attack_service(
            process, keys, seed, round(REQUESTS * share), embedding_size=model.embedding_size
        )
        yield end_under_load(process, keys["search"])
        log = process.log.read_text()
        row = Row("log of the service")
        row.counts["taken"] += 1
        row.counts["faults"] += log.count("Traceback")
        row.examples += [log[log.index("Traceback") :][:3000]] if "Traceback" in log else []
        yield row


# Kills come first: they fork this process, which nothing has given threads by then.
PARTS: dict[str, Callable[[Path, int, float], Iterator[Row]]] = {
    "killed-galleries": _killed_galleries,
    "killed-service": _killed_service,
    "killed-runs": _killed_runs,
    "full-disk": _full_disks,
    "files": _files,
    "service": _service,
}


if __name__ == "__main__":
    sys.exit(main())
