"""Nothing slow at the door: help, completion and mistakes do not wait for large packages."""

import subprocess
import sys

import pytest

from conftest import environment

HEAVY = {
    *("fastapi", "matplotlib", "nncf", "numpy", "onnx", "onnxscript", "openvino", "pandas"),
    *("pydantic", "scipy", "sqlalchemy", "torch", "tensorboard", "uvicorn"),
}

PACKAGE = "import fprnet"
HELP = """
import fprnet.cli.main
try:
    fprnet.cli.main.main(["--help"])
except SystemExit as ended:
    assert ended.code == 0
"""
MODULES = """
import importlib, pkgutil, fprnet.cli
names = [module.name for module in pkgutil.iter_modules(fprnet.cli.__path__)]
assert len(names) > 15, names
for name in names:
    importlib.import_module(f"fprnet.cli.{name}")
"""
MISTAKE = """
import fprnet.cli.main
assert fprnet.cli.main.main(["evaluate", "--unknown"]) == 2
"""


@pytest.mark.parametrize(
    "code", [PACKAGE, HELP, MODULES, MISTAKE], ids=["package", "help", "modules", "mistake"]
)
def test_large_packages_are_not_imported(code):
    program = f"{code}\nimport sys\nprint(*sorted(sys.modules), sep='\\n', file=sys.stderr)"
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        env=environment(),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    imported = set(done.stderr.split())
    assert "fprnet" in imported
    assert not imported & HEAVY
