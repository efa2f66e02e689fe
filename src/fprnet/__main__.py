"""The ``fprnet`` command as ``python -m fprnet``; ``torchrun -m fprnet train ...`` spreads a run."""

from fprnet.cli.main import run

run()
