"""Where a run was measured. Only runs of one machine are compared."""

import os
import platform
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..copying import processors
from ..errors import XconvError
from ..machine import machine as basics

SAME = ("processor", "cores", "threads", "platform")  # what two runs must have in common


def machine(threads: int, gpu: str) -> dict[str, Any]:
    """Processor, cores, GPU, threads used, load at the start, and the versions of what ran."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {**basics(), "processor": processor(), "threads": threads, "gpu": gpu, "load": load, "cores": processors()}


def processor() -> str:
    """The processor's name with its family and model, since a virtual machine may give a name that many share."""
    try:
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    facts = {key.strip(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    if "model name" not in facts:
        return platform.processor() or platform.machine()
    return f"{facts['model name']} (family {facts.get('cpu family')}, model {facts.get('model')})"


def on_this_node(rows: list) -> list:
    """The rows, each with this machine's name and processor, as they come from a cluster."""
    return [replace(row, node=f"{platform.node()}: {processor()}") for row in rows]


def same(old: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    """Refuse to compare with another machine.

    Raises:
        XconvError: naming what differs.
    """
    if differences := unlike(old, here):
        raise XconvError(f"the old run is of another machine ({'; '.join(differences)}): times do not compare")


def unlike(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """What differs between two machines, in words; GPUs only if both runs looked at theirs."""
    what = (*SAME, "gpu") if one.get("gpu") and other.get("gpu") else SAME
    return [f"{key} {one.get(key)!r} against {other.get(key)!r}" for key in what if one.get(key) != other.get(key)]


def versions_changed(one: Mapping[str, Any], other: Mapping[str, Any]) -> list[str]:
    """Libraries whose version changed."""
    a, b = one.get("versions", {}), other.get("versions", {})
    return [f"{name} {a.get(name, 'absent')} -> {b.get(name, 'absent')}"
            for name in sorted({*a, *b}) if a.get(name) != b.get(name)]  # fmt: skip
