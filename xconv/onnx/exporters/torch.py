"""torch.onnx, by torch.export and by the older tracer."""

from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from .quiet import silence

Write = Callable[[Path], None]


def exporters(
    model: torch.nn.Module, shapes: Sequence[Sequence[int]], opset: int, whole: Sequence[bool] = ()
) -> dict[str, Write]:
    """Ways to write `model`, in eval mode, with open batch and spatial sizes, to a path; of integers where `whole`."""
    kind = next((p.dtype for p in model.parameters()), torch.float32)
    kinds = [torch.int64 if integer else kind for integer in whole or [False] * len(shapes)]
    xs = tuple(torch.zeros(tuple(shape), dtype=kind) for shape, kind in zip(shapes, kinds, strict=True))
    names = ["x"] if len(shapes) == 1 else [f"x{k}" for k in range(len(shapes))]
    open_axes = [[a for a in range(len(s)) if a != 1] for s in shapes]

    def dynamo(path: Path) -> None:
        auto = torch.export.Dim.AUTO
        with silence():
            torch.onnx.export(
                model, xs, path, dynamo=True, verbose=False, external_data=False, input_names=names,
                opset_version=opset, dynamic_shapes=tuple(dict.fromkeys(axes, auto) for axes in open_axes),
            )  # fmt: skip

    def tracer(path: Path) -> None:
        with silence():
            torch.onnx.export(
                model, xs, str(path), dynamo=False, input_names=names, output_names=["y"], opset_version=opset,
                dynamic_axes={n: {a: f"{n}{a}" for a in axes} for n, axes in zip(names, open_axes, strict=True)},
            )  # fmt: skip

    return {"torch.onnx": dynamo, "torch.onnx (tracer)": tracer}
