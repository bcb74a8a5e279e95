"""The matrices of torch's separable resizes, found by resizing unit vectors."""

from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from ...model import Step


def settings(step: Step) -> dict[str, Any]:
    """mode, align_corners, antialias of an interpolation step."""
    s = step.settings
    return {
        "mode": s.get("mode", "nearest"),
        "align_corners": s.get("align_corners"),
        "antialias": bool(s.get("antialias", False)),
    }


def matrices(step: Step, here: tuple[int, ...], there: tuple[int, ...]) -> list[np.ndarray]:
    """One (out, in) matrix in float64 for each spatial axis."""
    given = settings(step)
    mode = given["mode"]
    scale = step.settings.get("scale_factor")
    scales = scale if isinstance(scale, list | tuple) else (scale,) * len(here)
    line = {"bilinear": "linear", "trilinear": "linear"}.get(mode, mode)
    found = []
    for n, m, s in zip(here, there, scales, strict=True):
        unit = torch.eye(n, dtype=torch.float64)[None]
        size = {"size": m} if s is None or step.settings.get("recompute_scale_factor") else {"scale_factor": float(s)}
        if line == "linear" and not given["antialias"]:
            out = F.interpolate(unit, **size, mode="linear", align_corners=given["align_corners"])
        elif line in ("bicubic", "linear"):
            both: dict[str, Any] = {k: (v, n) if k == "size" else (v, 1.0) for k, v in size.items()}
            out = F.interpolate(unit[None], **both, mode="bicubic" if line == "bicubic" else "bilinear",
                                align_corners=given["align_corners"], antialias=given["antialias"])[0].mT  # fmt: skip
        else:
            out = F.interpolate(unit, **size, mode=line)
        found.append(out[0].T.numpy())
    return found
