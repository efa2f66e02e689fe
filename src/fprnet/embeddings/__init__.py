"""A model and images become a features file."""

import sys

# OpenVINO and NNCF report to their makers that and how they are used, from their import on, unless
# this module cannot be found. Software that looks for people calls nobody.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
