"""Options become a folder in the layout of SYSU-MM01: images, identity lists, gallery permutations.

``cam1`` ... ``cam6`` hold ``0001/0001.jpg``; ``exp`` holds ``train_id.txt``, ``val_id.txt``,
``test_id.txt``, ``rand_perm_cam.mat`` and, once all else is there, ``generator.json``.
"""

from __future__ import annotations

import dataclasses
import io
import json
import multiprocessing
import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import scipy.io
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from fprnet.data.generator.cameras import CAMERAS
from fprnet.data.generator.drawing import draw
from fprnet.data.generator.options import GeneratorOptions
from fprnet.errors import DataError

__all__ = ["FORMAT", "gallery_permutations", "generate", "images_of"]

FORMAT = 1  # of the pictures and of generator.json; a change of any picture's bytes raises it
TRIALS = 10  # gallery permutations per identity and camera
_PRESENCE, _COUNT, _ORDER, _QUALITY = 5, 6, 7, 8  # streams of random numbers, see also drawing
_INDOOR_VISIBLE = (1, 2)


def generate(
    root: Path, options: GeneratorOptions, *, workers: int = 1, progress: bool = True
) -> None:
    """Write a generated set; go on where an interrupted run of the same options stopped.

    The bytes of an image depend on the seed, its identity, camera and number alone: neither on
    ``workers`` nor on the other options, image size and presence aside.

    Args:
        root: A new or empty folder, or one that an interrupted run of these options left.
        options: What to write.
        workers: Processes.
        progress: Show a progress bar on stderr.

    Raises:
        DataError: The folder holds something else, or a file cannot be written.
    """
    if workers < 1:
        raise DataError(f"workers is {workers}; give 1 or more")
    root = Path(root)
    if not _claim(root, options):
        print(f"{root} is complete; nothing to do", file=sys.stderr)
        return
    try:
        _write_images(root, options, workers, progress)
        _write_splits(root, options)
        os.replace(_unfinished(root), _finished(root))
    except OSError as error:
        raise DataError(
            f"cannot write {error.filename or root} ({error.strerror}); mend that and run the same "
            "command again, which keeps the finished images"
        ) from error


def images_of(options: GeneratorOptions, identity: int) -> dict[int, int]:
    """Return the number of images of an identity in each camera that sees it.

    Every identity keeps at least one visible and one infrared camera of those in the options.
    """
    rng = np.random.default_rng([options.seed, _PRESENCE, identity])
    outdoors = rng.random() < options.outdoor_share
    missed = rng.random(6) < options.missed_share
    seen = {
        camera
        for camera in options.cameras
        if not missed[camera - 1] and not (outdoors and camera in _INDOOR_VISIBLE)
    }
    for infrared in (False, True):
        kin = [camera for camera in options.cameras if CAMERAS[camera].infrared == infrared]
        if kin and not seen & set(kin):
            seen.add(max(kin))
    mean = options.images_per_camera
    return {camera: _count(options.seed, identity, camera, mean) for camera in sorted(seen)}


def gallery_permutations(options: GeneratorOptions) -> NDArray[np.object_]:
    """Return ``rand_perm_cam`` in the official structure.

    Returns:
        Cell ``(6, 1)`` of cells ``(identities, 1)`` of ``(10, n)`` uint8: row t is a permutation
        of 1..n for trial t; ``(10, 0)`` where the identity is not in that camera.
    """
    cameras = np.empty((6, 1), dtype=object)
    images = {identity: images_of(options, identity) for identity in range(1, options.total + 1)}
    for camera in range(1, 7):
        cell = np.empty((options.total, 1), dtype=object)
        for identity in range(1, options.total + 1):
            count = images[identity].get(camera, 0)
            rng = np.random.default_rng([options.seed, _ORDER, identity, camera])
            rows = [rng.permutation(count) + 1 for _ in range(TRIALS)]
            cell[identity - 1, 0] = np.array(rows, dtype=np.uint8).reshape(TRIALS, count)
        cameras[camera - 1, 0] = cell
    return cameras


def _count(seed: int, identity: int, camera: int, mean: int) -> int:
    """Draw the number of images from mean - 1, mean, mean + 1; one image stays one."""
    if mean == 1:
        return 1
    rng = np.random.default_rng([seed, _COUNT, identity, camera])
    return mean + int(rng.integers(-1, 2))


def _finished(root: Path) -> Path:
    return root / "exp" / "generator.json"


def _unfinished(root: Path) -> Path:
    return root / "exp" / "generator.unfinished.json"


def _claim(root: Path, options: GeneratorOptions) -> bool:
    """Mark the folder as this run's; return False where the set is complete already."""
    wanted = {"format": FORMAT, "options": dataclasses.asdict(options)}
    text = json.dumps(wanted, indent=1) + "\n"
    if root.exists() and not root.is_dir():
        raise DataError(f"{root} is a file; give a folder")
    if root.is_dir() and any(root.iterdir()):
        for marker in (_finished(root), _unfinished(root)):
            if marker.is_file() and _same(marker, text):
                return marker == _unfinished(root)
        raise DataError(
            f"{root} is not empty and holds no generated set of these options; "
            "choose another folder or delete this one"
        )
    try:
        _unfinished(root).parent.mkdir(parents=True, exist_ok=True)
        _replace(_unfinished(root), text.encode())
    except OSError as error:
        raise DataError(f"cannot write to {root} ({error.strerror}); choose another folder") from error
    return True


def _same(marker: Path, text: str) -> bool:
    try:
        return bool(json.loads(marker.read_text()) == json.loads(text))
    except ValueError:  # a damaged marker is no marker of this run
        return False


def _replace(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def _write_images(root: Path, options: GeneratorOptions, workers: int, progress: bool) -> None:
    identities = range(1, options.total + 1)
    total = sum(sum(images_of(options, identity).values()) for identity in identities)
    with tqdm(
        total=total, unit="image", desc=f"generate {root.name}", disable=not progress
    ) as progress_bar:
        for written in _in_turn(root, options, workers):
            progress_bar.update(written)


def _in_turn(root: Path, options: GeneratorOptions, workers: int) -> Iterator[int]:
    """Write identity by identity, in this process or in several; yield the images of each."""
    identities = range(1, options.total + 1)
    if workers == 1:
        for identity in identities:
            yield _write_identity(root, options, identity)
        return
    # Fresh processes: copies of this one could inherit its locks.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        jobs = [pool.submit(_write_identity, root, options, identity) for identity in identities]
        try:
            for job in as_completed(jobs):
                yield job.result()
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _write_identity(root: Path, options: GeneratorOptions, identity: int) -> int:
    """Write the images of an identity that are not there yet; return how many it has."""
    images = images_of(options, identity)
    for camera, count in images.items():
        folder = root / f"cam{camera}" / f"{identity:04d}"
        folder.mkdir(parents=True, exist_ok=True)
        for frame in range(1, count + 1):
            path = folder / f"{frame:04d}.jpg"
            if not path.exists():
                _replace(path, encoded(options.seed, identity, camera, frame, options.size))
    return sum(images.values())


def encoded(seed: int, identity: int, camera: int, frame: int, size: tuple[int, int]) -> bytes:
    """Return the JPEG file of one picture, in a quality of its camera."""
    picture = draw(seed, identity, camera, frame, size)
    rng = np.random.default_rng([seed, _QUALITY, identity, camera, frame])
    low, high = CAMERAS[camera].quality
    content = io.BytesIO()
    Image.fromarray(picture).save(content, "JPEG", quality=int(rng.integers(low, high + 1)))
    return content.getvalue()


def _write_splits(root: Path, options: GeneratorOptions) -> None:
    folder = root / "exp"
    for name, identities in options.splits.items():
        line = ",".join(map(str, identities)) + "\n"
        _replace(folder / f"{name}_id.txt", line.encode())
    content = io.BytesIO()
    cells: dict[str, Any] = {"rand_perm_cam": gallery_permutations(options)}
    scipy.io.savemat(content, cells)
    _replace(folder / "rand_perm_cam.mat", content.getvalue())
