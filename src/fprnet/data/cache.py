"""Image files become one memory-mapped array of resized images, decoded once and kept on disk.

Shapes: N images, resized to H x W pixels.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from fprnet.data.images import map_with_bar, read_image
from fprnet.data.pixels import DepthRange
from fprnet.data.records import Records
from fprnet.errors import DataError
from fprnet.files import locked, remove_leftovers, replacing

__all__ = ["CACHE_FOLDER", "open_cache"]

FORMAT = 2  # a change of how images are read or resized needs another number
CACHE_FOLDER = ".fprnet-cache"  # inside the data set's folder
NAMED = 5  # unreadable images that a message names before it only counts


def open_cache(
    records: Records,
    size: tuple[int, int],
    *,
    depth_range: DepthRange = "own",
    folder: Path | None = None,
    workers: int = 1,
    progress: bool = True,
) -> NDArray[np.uint8]:
    """Return all images, resized, as a read-only memory map; row i is image i of the records.

    The first call decodes the images and writes them to one ``.npy`` file; later calls, of other
    processes too, map that file. Its name is ``HxW-SET-STATE.npy``: SET is a hash of the relative
    paths, STATE one of the files' sizes and times of change. If an image changes, a new file takes
    the place of the old one. Of several processes that need the same file, one writes it and the
    others wait; a killed writer leaves nothing behind that blocks or is mistaken for a cache.

    Args:
        records: N images.
        size: H, W.
        depth_range: Which values of 16-bit images become black and white.
        folder: Where the file is kept; None is ``ROOT/.fprnet-cache``.
        workers: Threads that decode.
        progress: Show a progress bar on stderr.

    Returns:
        ``(N, H, W, 3)`` uint8.

    Raises:
        DataError: Images are missing or cannot be read (all are counted, the first 5 are named), or
            the folder cannot be written or is full. Nothing that existed before is lost.
    """
    if len(records) == 0:
        raise DataError(f"{records.root} has no images to read; 'fprnet data check' says why")
    folder = records.root / CACHE_FOLDER if folder is None else folder
    set_name, name = _names(records, size, depth_range)
    file, shape = folder / name, (len(records), *size, 3)
    # Looked at before anything is written: a finished cache on a read-only disk is enough.
    cached = _map(file, shape)
    if cached is not None:
        return cached
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with locked(
            folder / "lock", waiting=f"another process is writing to {folder}; waiting for it"
        ):
            cached = _map(file, shape)  # written by the process that held the lock before
            if cached is not None:
                return cached
            remove_leftovers(folder)
            _check_space(folder, shape)
            with replacing(file) as temporary, temporary.open("wb") as output:
                _write(output, records, size, depth_range, workers, progress)
            for outdated in folder.glob(f"{set_name}-*.npy"):
                if outdated != file:
                    outdated.unlink()
            _mention_others(folder, file)
    except OSError as error:
        reason = error.strerror or str(error)
        raise DataError(
            f"the resized images cannot be kept in {folder} ({reason}); "
            "give another folder with --data.cache DIR"
        ) from error
    cached = _map(file, shape)
    if cached is None:
        raise DataError(f"{file} changed while it was opened; start again")
    return cached


def _names(records: Records, size: tuple[int, int], depth_range: DepthRange) -> tuple[str, str]:
    """Return the start of the file's name that all states of this set share, and the whole."""
    files = records.files()
    state = hashlib.sha256()
    missing = []
    for file in files:
        try:
            status = file.stat()
        except OSError:
            missing.append(f"{file} does not exist; correct the path")
        else:
            state.update(f"{status.st_size} {status.st_mtime_ns}\n".encode())
    if missing:
        raise DataError(_all_of(missing, records))
    paths = hashlib.sha256("\n".join([f"{FORMAT} {depth_range}", *records.path]).encode())
    set_name = f"{size[0]}x{size[1]}-{paths.hexdigest()[:12]}"
    return set_name, f"{set_name}-{state.hexdigest()[:16]}.npy"


def _map(file: Path, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
    """Map a finished cache; None if it is not there or not whole."""
    try:
        cached = np.load(file, mmap_mode="r")
    except FileNotFoundError:
        return None
    except (ValueError, EOFError, OSError) as error:
        print(f"{file} is damaged ({error}) and will be written again", file=sys.stderr)
        return None
    if cached.shape != shape or cached.dtype != np.uint8:
        print(f"{file} does not fit its name and will be written again", file=sys.stderr)
        return None
    images: NDArray[np.uint8] = cached
    return images


def _check_space(folder: Path, shape: tuple[int, ...]) -> None:
    needed, free = int(np.prod(shape)), shutil.disk_usage(folder).free
    if needed > free:
        raise DataError(
            f"{folder} has {free / 1e9:.2f} GB left but the resized images need "
            f"{needed / 1e9:.2f} GB; make room or give another folder with --data.cache DIR"
        )


def _write(
    output: BinaryIO,
    records: Records,
    size: tuple[int, int],
    depth_range: DepthRange,
    workers: int,
    progress: bool,
) -> None:
    """Write the array image by image, so that a full disk is an error and not a signal."""
    header = {"descr": "|u1", "fortran_order": False, "shape": (len(records), *size, 3)}
    np.lib.format.write_array_header_1_0(output, header)

    def read(file: Path) -> NDArray[np.uint8] | str:
        try:
            return read_image(file, size, depth_range=depth_range)
        except DataError as error:
            return str(error)

    faults: list[str] = []
    description = f"Resizing to {size[0]}x{size[1]}"
    for image in map_with_bar(read, records.files(), workers, description, progress=progress):
        if isinstance(image, str):
            faults.append(image)
        elif not faults:
            output.write(image.tobytes())
    if faults:
        raise DataError(_all_of(faults, records))


def _all_of(faults: list[str], records: Records) -> str:
    """Return one sentence about all images that cannot be read."""
    named = ", ".join(fault.rpartition(";")[0] for fault in faults[:NAMED])
    more = f" and {len(faults) - NAMED} more" if len(faults) > NAMED else ""
    return (
        f"{len(faults)} of {len(records)} images cannot be read: {named}{more}; replace them, "
        f"'fprnet data check {records.root}' lists all"
    )


def _mention_others(folder: Path, file: Path) -> None:
    """Say how much the caches of other sets and sizes take, so that they do not pile up unseen."""
    others = [other.stat().st_size for other in folder.glob("*.npy") if other != file]
    if others:
        print(
            f"{folder} also keeps {len(others)} caches of other sets or sizes "
            f"({sum(others) / 1e9:.2f} GB); those that no run needs any more may be deleted",
            file=sys.stderr,
        )
