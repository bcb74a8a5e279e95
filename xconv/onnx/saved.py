"""Weights of a block from a saved file, in torch layout, without importing the framework that saved them.

safetensors and npz hold torch's state dict by name. Keras's .keras and .weights.h5 hold the attribute path of every
layer, its variables in order and their shapes, but not its kind: whether a kernel is a convolution's, a depthwise or
a transposed one's is settled by the block's own graph, and what the graph leaves open is refused. A .pt file needs
torch, whose weights_only reader executes nothing.
"""

import io
import zipfile
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

import numpy as np
import onnx
from einops import rearrange

from ..block import Block, Case
from ..carry import Leaf, moved
from ..errors import XconvError, need
from ..rules import COUNTERS, Slot

READERS = (".safetensors", ".npz", ".pt", ".pth", ".keras", ".h5")
NORMS = ("weight", "bias", "running_mean", "running_var")  # gamma, beta, moving_mean, moving_variance
# A kernel of Keras as torch has it, and the operators whose weights lie so.
LAYOUTS = {
    "conv": ("... i o -> o i ...", {"Conv"}),
    "depthwise": ("... c m -> (c m) 1 ...", {"Conv"}),
    "transposed": ("... o i -> i o ...", {"ConvTranspose"}),
    "dense": ("i o -> o i", {"Gemm", "MatMul"}),
    "table": ("v e -> v e", {"Gather"}),
}


def read(path: str | Path, block: Block, case: Case) -> dict[str, Leaf]:
    """A block's weights in torch layout, by path.

    Raises:
        XconvError: if the file cannot be read, is of an unknown kind, or does not hold the block's weights.
    """
    path = Path(path)
    if not path.is_file():
        raise XconvError(f"{path} is not a file")
    if path.suffix not in READERS:
        raise XconvError(f"{path}: weights are read from {', '.join(READERS)} files")
    try:
        found = grouped(state_dict(path)) if path.suffix not in (".keras", ".h5") else from_keras(path, block, case)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise XconvError(f"{path} cannot be read: {str(error).splitlines()[0][:200]}") from error
    held = sum(a.size for leaf in found.values() for n, a in leaf.weights.items() if not n.startswith("running_"))
    wanted = block.cost(case).parameters
    if held != wanted:
        raise XconvError(f"{path} holds {held:,} numbers to train, {block.name} ({case.name}) has {wanted:,}")
    return found


def state_dict(path: Path) -> dict[str, np.ndarray]:
    """Arrays by torch's names."""
    if path.suffix == ".safetensors":
        load = need("safetensors.numpy", "onnx").load_file
        try:
            return load(path)
        except need("safetensors", "onnx").SafetensorError as error:
            raise XconvError(f"{path} cannot be read as safetensors: {error}") from error
    if path.suffix == ".npz":
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)
    from importlib import import_module

    torch = need("torch", "torch")
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle's, zip's and torch's own errors
        raise XconvError(f"{path} is not a state dict that torch reads with weights_only: save one") from error
    if not isinstance(tensors, Mapping) or not all(hasattr(t, "numpy") for t in tensors.values()):
        raise XconvError(f"{path} is not a state dict: save model.state_dict()")
    to_numpy = import_module("xconv.frameworks.torch").to_numpy
    return {name: to_numpy(tensor) for name, tensor in tensors.items()}


def grouped(arrays: Mapping[str, np.ndarray]) -> dict[str, Leaf]:
    """Leaves of a state dict; their kinds do not matter to ONNX, whose layout is torch's."""
    found: dict[str, dict[str, np.ndarray]] = {}
    for name, array in arrays.items():
        path, _, weight = name.rpartition(".")
        if weight not in COUNTERS:
            found.setdefault(path, {})[weight] = np.asarray(array)
    return {path: Leaf(path, "", weights) for path, weights in found.items()}


def from_keras(path: Path, block: Block, case: Case) -> dict[str, Leaf]:
    """Leaves of the one layer that a Keras file holds, laid out as the block's graph needs them.

    Raises:
        XconvError: if no layout, or more than one, makes a graph.
    """
    arrays = variables(path)
    kernels = [p for p, held in arrays.items() if held[0].ndim > 1 and p not in block.rules(case.config)]
    names = sorted({p.rpartition(".")[2] for p in kernels})
    choices = [[k for k in LAYOUTS if _possible(k, [arrays[p][0] for p in kernels if p.endswith(n)])] for n in names]
    fitting: list[dict[str, Leaf]] = []
    for layouts in product(*choices):
        chosen = dict(zip(names, layouts, strict=True))
        leaves = {p: _leaf(p, held, chosen.get(p.rpartition(".")[2], ""), block, case) for p, held in arrays.items()}
        if _consistent(leaves, chosen, kernels, block, case) and not any(_same(leaves, other) for other in fitting):
            fitting.append(leaves)
    if len(fitting) != 1:
        what = "more than one way" if fitting else "no way"
        raise XconvError(f"{path} can be read in {what} as {block.name} ({case.name}): give an instance of the layer")
    return fitting[0]


def variables(path: Path) -> dict[str, list[np.ndarray]]:
    """Variables in order by the attribute path of the layer that holds them.

    Raises:
        XconvError: if the file holds several models' worth of layers at its top.
    """
    h5py = need("h5py", "keras")
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as archive:
            raw = io.BytesIO(archive.read("model.weights.h5"))
    else:
        raw = io.BytesIO(path.read_bytes())

    def walk(group, prefix: str) -> Iterator[tuple[str, list[np.ndarray]]]:
        if len(held := group.get("vars", {})):
            yield prefix, [np.asarray(held[str(i)]) for i in range(len(held))]
        for name in group:
            if name != "vars" and hasattr(group[name], "keys"):
                yield from walk(group[name], f"{prefix}.{name}" if prefix else name)

    with h5py.File(raw, "r") as file:
        top = file
        while "layers" in top and not len(top.get("vars", {})):  # the models around the layer
            inner = [name for name in top["layers"] if _holds(top["layers"][name])]
            if len(inner) != 1:
                break
            top = top["layers"][inner[0]]
        return dict(walk(top, ""))


def _holds(group) -> bool:
    found = []
    group.visititems(lambda name, item: found.append(name) if hasattr(item, "shape") else None)
    return bool(found)


def _possible(layout: str, arrays: list[np.ndarray]) -> bool:
    ranks = {a.ndim for a in arrays}
    return ranks == {2} if layout in ("dense", "table") else min(ranks) > 2


def _leaf(path: str, held: list[np.ndarray], layout: str, block: Block, case: Case) -> Leaf:
    if rule := block.rules(case.config).get(path):
        slots: list[Slot] = list(rule)
        shape = (held[0].shape[-1], held[0].size // held[0].shape[-1])
        arrays = {str(slots[0].torch): moved(held[0], slots[0], "keras", shape)}
        return Leaf(path, "", arrays | {str(s.torch): a for s, a in zip(slots[1:], held[1:], strict=False)})
    if held[0].ndim > 1:
        held = [np.ascontiguousarray(rearrange(held[0], LAYOUTS[layout][0])), *held[1:]]
    return Leaf(path, "", dict(zip(NORMS, held, strict=False)))


def _consistent(
    leaves: dict[str, Leaf], chosen: Mapping[str, str], kernels: list[str], block: Block, case: Case
) -> bool:
    """Does the block's graph exist with these arrays, and does it use each as its layout says?"""
    from .export import block_model

    try:
        model = block_model(block, case.config, leaves, case.shape)
        onnx.checker.check_model(model, full_check=True)
    except (XconvError, ValueError, IndexError, onnx.checker.ValidationError, onnx.shape_inference.InferenceError):
        return False
    users = {name: node.op_type for node in model.graph.node for name in node.input}
    for path in kernels:
        ops = {op for name, op in users.items() if name == f"{path}.weight" or name.startswith(f"{path}+")}
        if ops and not ops <= LAYOUTS[chosen[path.rpartition(".")[2]]][1]:
            return False
    return True


def _same(a: dict[str, Leaf], b: dict[str, Leaf]) -> bool:
    return all(np.array_equal(w, b[p].weights[n]) for p, leaf in a.items() for n, w in leaf.weights.items())
