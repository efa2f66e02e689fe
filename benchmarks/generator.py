"""Pictures that are rendered and encoded per second on one core.

    python benchmarks/generator.py [--identities 8] [--worlds 1]

Prints one JSON object: images per second of this process's processor time for each size, with the
places and people made afresh as in a real run, and the share of the time that JPEG takes.
Targets: 100 at 128x64, 25 at 288x144.
"""

from __future__ import annotations

import argparse
import io
import json
import time

from PIL import Image

from fprnet_lab.people.layouts.sysu_mm01 import shots
from fprnet_lab.people.options import PeopleOptions
from fprnet_lab.people.render import rendered

SIZES = ((96, 48), (128, 64), (288, 144))


def rate(size: tuple[int, int], identities: int, worlds: int) -> dict[str, float]:
    """Render and encode all images of some identities, after one that compiles what is compiled."""
    options = PeopleOptions(size=size, worlds=tuple(range(worlds)))
    keys = [
        (identity, shot.camera, shot.number)
        for identity in range(1, identities + 1)
        for shot in shots(options, identity)
    ]
    rendered(options.setting, options.total, 1, 1, size)
    start = time.process_time()
    for key in keys:
        image = rendered(options.setting, *key, size)
        image.jpeg()
    seconds = time.process_time() - start
    picture = Image.fromarray(image.pixels)
    start = time.process_time()
    for _ in range(100):
        picture.save(io.BytesIO(), "JPEG", quality=85)
    jpeg = (time.process_time() - start) / 100
    return {
        "images": len(keys),
        "images_per_second": round(len(keys) / seconds, 1),
        "share_of_jpeg": round(jpeg * len(keys) / seconds, 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--identities", type=int, default=8)
    parser.add_argument("--worlds", type=int, default=1)
    args = parser.parse_args()
    results = {f"{h}x{w}": rate((h, w), args.identities, args.worlds) for h, w in SIZES}
    print(json.dumps(results))


if __name__ == "__main__":
    main()
