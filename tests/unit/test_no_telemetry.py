"""What we build on reports its use over the network; through us it does not."""

import subprocess
import sys

CODE = """
import sys
import fprnet.embeddings
import openvino
import nncf
from openvino.tools.ovc import telemetry_utils
print(telemetry_utils.tm.__name__)
print(sys.modules["openvino_telemetry"])
print(any(name.startswith("openvino_telemetry.") for name in sys.modules))
"""


def test_openvino_and_nncf_have_no_telemetry():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-3:] == [
        "openvino.tools.ovc.telemetry_stub",
        "None",
        "False",
    ]
