"""The ``fprnet`` command as a module, for ``torchrun -m fprnet train ...``."""

from fprnet.cli.main import run

run()
