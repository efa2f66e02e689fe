"""Pictures that the generator draws and encodes per second on one core.

    python benchmarks/generator.py [--identities 8]

Prints one JSON object: images per second of this process's processor time for each size, with the
places and people drawn afresh as in a real run, and the share of the time that JPEG takes.
Targets: 150 at 128x64, about 100 at 288x144.
"""

from __future__ import annotations

import argparse
import io
import json
import time

from PIL import Image

from fprnet_lab.synthetic.drawing import draw
from fprnet_lab.synthetic.layouts.sysu_mm01 import images_of
from fprnet_lab.synthetic.options import GeneratorOptions
from fprnet_lab.synthetic.writer import encoded

SIZES = ((96, 48), (128, 64), (288, 144))


def rate(size: tuple[int, int], identities: int) -> dict[str, float]:
    """Draw and encode all images of some identities."""
    options = GeneratorOptions(size=size)
    keys = [
        (identity, camera, frame)
        for identity in range(1, identities + 1)
        for camera, count in images_of(options, identity).items()
        for frame in range(1, count + 1)
    ]
    start = time.process_time()
    for key in keys:
        encoded(options.seed, *key, size)
    seconds = time.process_time() - start
    picture = Image.fromarray(draw(options.seed, *keys[0], size))
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
    args = parser.parse_args()
    results = {f"{h}x{w}": rate((h, w), args.identities) for h, w in SIZES}
    print(json.dumps(results))


if __name__ == "__main__":
    main()
