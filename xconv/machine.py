"""Where and with what something was found: the machine, the date, and the versions of what ran."""

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

LIBRARIES = (
    "xconv", "torch", "keras", "tensorflow-cpu", "tensorflow", "jax", "onnx", "onnxruntime", "onnxruntime-gpu",
    "openvino", "numpy",
)  # fmt: skip


def machine() -> dict[str, Any]:
    """Platform, processor, cores, the versions of what is installed, and the date."""
    versions = {}
    for name in LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return {
        "platform": platform.platform(),
        "processor": platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "versions": versions,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }
