"""``python -m fprnet`` is the ``fprnet`` command; ``torchrun -m fprnet train ...`` spreads a run."""

from fprnet.cli.main import run

run()
