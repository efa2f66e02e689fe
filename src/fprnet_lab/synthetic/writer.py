"""Options become a folder in the layout of a public data set: images, lists, and a marker.

``layouts`` say which pictures and lists there are; ``generator.json`` stands beside the lists once
all else is there.
"""

from __future__ import annotations

import dataclasses
import io
import json
import multiprocessing
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from fprnet.errors import DataError
from fprnet.files import write_text
from fprnet_lab.synthetic.cameras import CAMERAS
from fprnet_lab.synthetic.drawing import draw
from fprnet_lab.synthetic.layouts import llcm, manifest, regdb, sysu_mm01
from fprnet_lab.synthetic.layouts.picture import Picture
from fprnet_lab.synthetic.options import GeneratorOptions

__all__ = ["FORMAT", "encoded", "generate"]

FORMAT = 1  # of the pictures and of generator.json; a change of any picture's bytes raises it
_QUALITY = 8  # stream of random numbers, see also drawing and layouts


@dataclass(frozen=True)
class _Writer:
    """A layout: the files of an identity, the lists of the whole, and where the lists stand."""

    pictures: Callable[[GeneratorOptions, int], list[Picture]]
    write_lists: Callable[[Path, GeneratorOptions], None]
    lists: str


WRITERS: dict[str, _Writer] = {
    "sysu-mm01": _Writer(sysu_mm01.pictures, sysu_mm01.write_lists, "exp"),
    "regdb": _Writer(regdb.pictures, regdb.write_lists, "idx"),
    "llcm": _Writer(llcm.pictures, llcm.write_lists, "idx"),
    "manifest": _Writer(manifest.pictures, manifest.write_lists, "."),
}


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
        WRITERS[options.layout].write_lists(root, options)
        _unfinished(root, options).replace(_finished(root, options))
    except OSError as error:
        raise DataError(
            f"cannot write {error.filename or root} ({error.strerror}); mend that and run the same "
            "command again, which keeps the finished images"
        ) from error


def _finished(root: Path, options: GeneratorOptions) -> Path:
    return root / WRITERS[options.layout].lists / "generator.json"


def _unfinished(root: Path, options: GeneratorOptions) -> Path:
    return root / WRITERS[options.layout].lists / "generator.unfinished.json"


def _claim(root: Path, options: GeneratorOptions) -> bool:
    """Mark the folder as this run's; return False where the set is complete already."""
    wanted = {"format": FORMAT, "options": dataclasses.asdict(options)}
    text = json.dumps(wanted, indent=1) + "\n"
    if root.exists() and not root.is_dir():
        raise DataError(f"{root} is a file; give a folder")
    if root.is_dir() and any(root.iterdir()):
        for marker in (_finished(root, options), _unfinished(root, options)):
            if marker.is_file() and _same(marker, text):
                return marker == _unfinished(root, options)
        raise DataError(
            f"{root} is not empty and holds no generated set of these options; "
            "choose another folder or delete this one"
        )
    try:
        write_text(_unfinished(root, options), text)
    except OSError as error:
        raise DataError(
            f"cannot write to {root} ({error.strerror}); choose another folder"
        ) from error
    return True


def _same(marker: Path, text: str) -> bool:
    try:
        return bool(json.loads(marker.read_text()) == json.loads(text))
    except ValueError:  # a damaged marker is no marker of this run
        return False


def _write_image(path: Path, content: bytes) -> None:
    """Write an image whole or not at all.

    Unlike ``files.replacing`` it does not wait for the disk, which would take longer than drawing.
    """
    temporary = path.with_name(f".{path.name}.part")
    temporary.write_bytes(content)
    temporary.replace(path)


def _write_images(root: Path, options: GeneratorOptions, workers: int, progress: bool) -> None:
    identities = range(1, options.total + 1)
    of_identity = WRITERS[options.layout].pictures
    total = sum(len(of_identity(options, identity)) for identity in identities)
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
    pictures = WRITERS[options.layout].pictures(options, identity)
    for picture in pictures:
        path = root / picture.path
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            camera, frame = picture.camera, picture.frame
            suffix = path.suffix
            _write_image(
                path, encoded(options.seed, identity, camera, frame, options.size, suffix=suffix)
            )
    return len(pictures)


def encoded(
    seed: int,
    identity: int,
    camera: int,
    frame: int,
    size: tuple[int, int],
    *,
    suffix: str = ".jpg",
) -> bytes:
    """Return the file of one picture: a JPEG in a quality of its camera, or a BMP."""
    picture = Image.fromarray(draw(seed, identity, camera, frame, size))
    content = io.BytesIO()
    if suffix == ".bmp":
        picture.save(content, "BMP")
        return content.getvalue()
    rng = np.random.default_rng([seed, _QUALITY, identity, camera, frame])
    low, high = CAMERAS[camera].quality
    picture.save(content, "JPEG", quality=int(rng.integers(low, high + 1)))
    return content.getvalue()
