"""Name of a table -> what reproduces it."""

from __future__ import annotations

from fprnet.reproduction import table7, table8
from fprnet.reproduction.experiment import Experiment, Request, Result, write_result

__all__ = ["EXPERIMENTS", "reproduce"]

EXPERIMENTS = {
    "table7": Experiment("SRCNN: its structure, and PSNR and SSIM against bicubic", table7.run),
    "table8": Experiment("comparison of methods: rows FPRnet and FPRnet + SRCNN", table8.run),
}


def reproduce(name: str, request: Request) -> Result:
    """Do what is left of an experiment, and write ``OUT/NAME/NAME.csv`` and ``report.html``.

    Args:
        name: Key of ``EXPERIMENTS``.
        request: Data set, folder, scale, seeds.

    Raises:
        FprnetError: A stage failed.
    """
    result = EXPERIMENTS[name].run(request)
    write_result(result, request.out / name, name)
    return result
