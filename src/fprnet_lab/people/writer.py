"""Options become a folder in the layout of a public data set: images, lists, and a marker.

An interrupted run goes on where it stopped; several machines can share the work by shards.
"""

from __future__ import annotations

import dataclasses
import io
import json
import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image as PillowImage
from tqdm import tqdm

from fprnet.errors import DataError
from fprnet.files import remove_leftovers_of, write_text
from fprnet_lab.people.layouts import hitsz_vcm, llcm, manifest, regdb, sysu_mm01
from fprnet_lab.people.layouts.shot import Shot
from fprnet_lab.people.options import PeopleOptions
from fprnet_lab.people.render import rendered

__all__ = ["FINISHED", "UNFINISHED", "WRITERS", "generate"]

FINISHED, UNFINISHED = "generator.json", "generator.unfinished.json"


@dataclass(frozen=True)
class _Layout:
    """A layout: the files of an identity, the lists of the whole, and the lists' folder."""

    shots: Callable[[PeopleOptions, int], list[Shot]]
    write_lists: Callable[[Path, PeopleOptions], None]
    lists: str


WRITERS: dict[str, _Layout] = {
    "sysu-mm01": _Layout(sysu_mm01.shots, sysu_mm01.write_lists, sysu_mm01.LISTS),
    "regdb": _Layout(regdb.shots, regdb.write_lists, regdb.LISTS),
    "llcm": _Layout(llcm.shots, llcm.write_lists, llcm.LISTS),
    "hitsz-vcm": _Layout(hitsz_vcm.shots, hitsz_vcm.write_lists, hitsz_vcm.LISTS),
    "manifest": _Layout(manifest.shots, manifest.write_lists, manifest.LISTS),
}


def generate(
    root: Path,
    options: PeopleOptions,
    *,
    workers: int = 1,
    shard: tuple[int, int] = (1, 1),
    progress: bool = True,
) -> bool:
    """Write a rendered set; go on where an interrupted run of the same options stopped.

    The bytes of an image depend on seed, worlds, identity, camera, number and size alone.

    Args:
        root: A new or empty folder, or one that a run of these options left or shares.
        options: What to write.
        workers: Processes.
        shard: Which part of the identities to write, of how many: (1, 1) for all.
        progress: Show a progress bar on stderr.

    Returns:
        True where the set is complete; False where other shards are missing.

    Raises:
        DataError: The folder holds something else, or a file cannot be written.
    """
    part, parts = shard
    if workers < 1:
        raise DataError(f"workers is {workers}; give 1 or more")
    if not 1 <= part <= parts:
        raise DataError(f"shard is {part}/{parts}; give I/N with I from 1 to N")
    root = Path(root)
    if not _claim(root, options):
        print(f"{root} is complete; nothing to do", file=sys.stderr)
        return True
    lists = root / WRITERS[options.layout].lists
    try:
        _write_images(root, options, workers, shard, progress)
        write_text(lists / f"shard-{part}-of-{parts}.done", "")
        done = [lists / f"shard-{number}-of-{parts}.done" for number in range(1, parts + 1)]
        if not all(file.exists() for file in done):
            return False
        WRITERS[options.layout].write_lists(root, options)
        (lists / UNFINISHED).replace(lists / FINISHED)
        for file in done:
            file.unlink(missing_ok=True)
        remove_leftovers_of(lists / UNFINISHED)
    except OSError as error:
        raise DataError(
            f"cannot write {error.filename or root} ({error.strerror}); fix this and run the same "
            "command again, which keeps the finished images"
        ) from error
    return True


def _description(options: PeopleOptions) -> dict[str, Any]:
    values = dataclasses.asdict(options)
    if not options.without:
        del values["without"]  # as in the sets that were made before it could be said
    return {"generator": "people", "version": values.pop("version"), "options": values}


def _claim(root: Path, options: PeopleOptions) -> bool:
    """Mark the folder as this run's; return False where the set is complete already."""
    text = json.dumps(_description(options), indent=1) + "\n"
    lists = root / WRITERS[options.layout].lists
    if root.exists() and not root.is_dir():
        raise DataError(f"{root} is a file; give a folder")
    # Folders alone, and a hidden file, are what a full disk or a kill leaves of the marker.
    if any(file.is_file() and file.name[0] != "." for file in root.rglob("*")):
        for name in (FINISHED, UNFINISHED):
            if _same(lists / name, text):
                return name == UNFINISHED
        raise DataError(
            f"{root} is not empty and holds no rendered set of these options; "
            "choose another folder or delete this one"
        )
    try:
        write_text(lists / UNFINISHED, text)
    except OSError as error:
        raise DataError(
            f"cannot write to {root} ({error.strerror}); choose another folder"
        ) from error
    return True


def _same(marker: Path, text: str) -> bool:
    try:
        return bool(json.loads(marker.read_text()) == json.loads(text))
    except (OSError, ValueError):  # a missing or damaged marker is no marker of this run
        return False


def _write_images(
    root: Path, options: PeopleOptions, workers: int, shard: tuple[int, int], progress: bool
) -> None:
    part, parts = shard
    identities = [n for n in range(1, options.total + 1) if n % parts == part % parts]
    shots_of = WRITERS[options.layout].shots
    total = sum(len(shots_of(options, identity)) for identity in identities)
    with tqdm(
        total=total, unit="image", desc=f"render {root.name}", disable=not progress
    ) as progress_bar:
        for written in _in_turn(root, options, workers, identities):
            progress_bar.update(written)


def _in_turn(
    root: Path, options: PeopleOptions, workers: int, identities: list[int]
) -> Iterator[int]:
    """Write identity by identity, in this process or in several; yield the images of each."""
    if workers == 1:
        for identity in identities:
            yield _write_identity(root, options, identity)
        return
    # Fresh processes: copies of this one could inherit its locks.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context, initializer=_end_with_parent) as pool:
        jobs = [pool.submit(_write_identity, root, options, identity) for identity in identities]
        try:
            for job in as_completed(jobs):
                yield job.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _end_with_parent() -> None:
    """Let this process end when the one that started it has been killed; it would wait forever."""
    parent = multiprocessing.parent_process()
    assert parent is not None  # this is a worker

    def wait_for_end() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait_for_end, daemon=True).start()


def _write_identity(root: Path, options: PeopleOptions, identity: int) -> int:
    """Write the images of an identity that are not there yet; return how many it has."""
    shots = WRITERS[options.layout].shots(options, identity)
    setting = options.setting
    for shot in shots:
        path = root / shot.path
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        image = rendered(setting, identity, shot.camera, shot.number, options.size, time=shot.time)
        if path.suffix == ".bmp":
            content = io.BytesIO()
            PillowImage.fromarray(image.pixels).save(content, "BMP")
            _write_image(path, content.getvalue())
        else:
            _write_image(path, image.jpeg())
    return len(shots)


def _write_image(path: Path, content: bytes) -> None:
    """Write an image whole or not at all.

    Unlike ``files.replacing`` it does not wait for the disk, which would take longer than to
    render.
    """
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(content)
    temporary.replace(path)


def main(words: list[str]) -> int:
    """Write a set as ``fprnet data generate`` does."""
    from fprnet.cli.main import main as command

    return command(["data", "generate", *words])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
