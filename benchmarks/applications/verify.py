"""The verifier on real nets: keras.applications against torch implementations, at 224 x 224, batch 1.

    python benchmarks/applications/verify.py [NET...] [--turns 2] [--fresh] [--json F]

For each net, in processes of their own and in turns: the baseline (import both frameworks, make both models, one
float64 forward on each side), `xconv.verify` of the right port, and `xconv.verify` with three planted faults. To be
reached: 5 times the baseline's seconds, 1.5 times its peak memory, the right verdicts, each fault listed once.
"""

import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from statistics import median
from typing import Annotated, Any

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

SHAPE = (1, 3, 224, 224)
SECONDS, MEMORY = 5.0, 1.5  # allowed, in baselines
RUNS = ("baseline", "right", "planted")


@dataclass(frozen=True)
class Fault:
    """A change of the torch model: an attribute of a submodule gets another value."""

    path: str
    name: str
    value: Callable[[Any], Any]  # from the value it had
    cause: str  # how the verifier's slug begins

    @property
    def at(self) -> str:
        """The torch path of its divergence: the submodule, or the one that was put in it."""
        return self.path if self.name in ("eps", "padding_mode") else f"{self.path}.{self.name}".lstrip(".")


def eps(path: str, value: float = 1e-2) -> Fault:
    return Fault(path, "eps", lambda _: value, "norm.epsilon")


def act(path: str, name: str, kind: str, *given: Any) -> Fault:
    return Fault(path, name, lambda _: getattr(import_module("torch").nn, kind)(*given), "activation")


def mode(path: str, value: str) -> Fault:
    return Fault(path, "padding_mode", lambda _: value, "padding")


def same(path: str, name: str, kernel: int) -> Fault:
    """torch's symmetric padding where the net pads as TensorFlow does at stride 2."""

    def symmetric(conv: Any) -> Any:
        from torch import nn

        plain = nn.Conv2d(conv.in_channels, conv.out_channels, kernel, 2, kernel // 2, groups=conv.groups, bias=False)
        plain.weight = conv.weight
        return plain

    return Fault(path, name, symmetric, "padding")


@dataclass(frozen=True)
class Net:
    torch: str  # "file:name" of the torch implementation
    faults: tuple[Fault, Fault, Fault]


NETS = {
    "ResNet50": Net("resnet:resnet50", (
        act("", "relu", "LeakyReLU", 0.1), mode("layer2.3.conv2", "reflect"), eps("layer4.0.downsample.1"),
    )),
    "MobileNetV2": Net("mobilenet:MobileNetV2", (
        same("features", "0", 3), act("features", "2", "ReLU"), eps("features.7.conv.4", 1e-5),
    )),
    "DenseNet121": Net("densenet:DenseNet", (
        eps("features.norm0"), act("features.denseblock2.denselayer5", "relu2", "SiLU"),
        mode("features.denseblock4.denselayer9.conv2", "replicate"),
    )),
    "EfficientNetB0": Net("efficientnet:EfficientNetB0", (
        same("blocks.1.block.1", "0", 3), act("blocks.8.block.2", "activation", "ReLU"), eps("head.1", 1e-5),
    )),
    "ConvNeXtTiny": Net("convnext:ConvNeXt", (
        eps("downsample_layers.0.1"), act("stages.2.4", "act", "GELU", "tanh"),
        mode("stages.3.1.dwconv", "circular"),
    )),
    "InceptionV3": Net("inception:InceptionV3", (
        eps("stem.1.bn", 1e-5), act("mixed.4.branch7x7.1", "relu", "SiLU"),
        mode("mixed.9.branch3x3dbl.1.conv", "reflect"),
    )),
    "Xception": Net("xception:Xception", (
        act("", "act1", "SiLU"), mode("blocks.6.rep.4.conv1", "replicate"), eps("bn4", 1e-5),
    )),
    "VGG16": Net("vgg:VGG", (
        mode("features.5", "reflect"), act("features", "18", "LeakyReLU", 0.2), act("classifier", "4", "SiLU"),
    )),
}  # fmt: skip


def settle(model: Any) -> None:
    """Let each batch normalisation's statistics be those of what it is given, as training would."""
    import torch

    norms = [module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    with torch.no_grad():
        model(torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(0)))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.eval()
        norm.momentum = momentum


def torch_side(net: Net, planted: bool, fresh: bool) -> Any:
    """The torch model with random statistics, biases and scales, as a trained one has; `fresh` leaves them neutral."""
    import torch

    from xconv.verify.probes import constant, lively

    torch.manual_seed(0)
    file, _, name = net.torch.partition(":")
    model = getattr(import_module(file), name)().eval()
    rng = np.random.default_rng(0)
    for path, tensor in model.state_dict().items() if not fresh else ():
        unscaled = "inception" in file and path.endswith("bn.weight")  # Keras's has none
        if tensor.is_floating_point() and constant(tensor.numpy()) and not unscaled:
            tensor.copy_(torch.from_numpy(lively(path, tensor.numpy(), rng)))
    if "efficientnet" in file and not fresh:  # else nothing of the input arrives at its end
        settle(model)
    for fault in net.faults if planted else ():
        owner = model.get_submodule(fault.path)
        setattr(owner, fault.name, fault.value(getattr(owner, fault.name)))
    return model


def keras_side(name: str) -> Any:
    import keras

    model = getattr(keras.applications, name)(weights=None, classifier_activation=None, input_shape=(224, 224, 3))
    for layer in model.layers:
        if isinstance(layer, keras.layers.Normalization) and layer.input_mean is None:  # filled as from a data set
            from efficientnet import MEAN, STD

            layer.adapt_mean.assign(MEAN)
            layer.adapt_variance.assign(np.square(STD))
            layer.finalize_state()
    return model


def baseline(name: str) -> dict[str, Any]:
    """Both frameworks imported, both models made, one float64 forward each."""
    import keras
    import torch

    x = np.random.default_rng(0).normal(size=SHAPE)
    ours = torch_side(NETS[name], False, False).double()
    keras.config.set_floatx("float64")
    theirs = keras_side(name)
    with torch.no_grad():
        a = ours(torch.from_numpy(x))
    b = theirs(np.moveaxis(x, 1, -1), training=False)
    return {"outputs": [list(a.shape), list(b.shape)]}


def located(fault: Fault, divergence: dict) -> bool:
    return divergence["cause"].startswith(fault.cause) and (divergence["torch"] or {}).get("path") == fault.at


def judged(name: str, planted: bool, fresh: bool) -> dict[str, Any]:
    """The verifier's answer."""
    import xconv.verify

    net = NETS[name]
    report = xconv.verify(torch_side(net, planted, fresh), keras_side(name), SHAPE).to_json()
    found = report["divergences"]
    listed = [sum(located(fault, d) for d in found) for fault in net.faults if planted]
    return {
        "verdict": report["verdict"],
        "good": report["verdict"] == "equivalent" if not planted else listed == [1, 1, 1] and len(found) == 3,
        "divergences": [
            {"cause": d["cause"], "confirmed": d["confirmed"], "probe": d["probe"],
             **{s: (d[s] or {}).get("path") for s in ("torch", "keras")}} for d in found
        ],
        "stages": report["seconds"], "notes": report["notes"], "unmatched": report["unmatched"],
        "refused": report["refused"],
    }  # fmt: skip


def work(run: str, name: str, fresh: bool) -> None:
    """One process: what it did, its CPU seconds and its peak memory, as JSON on its last line."""
    done = baseline(name) if run == "baseline" else judged(name, run == "planted", fresh)
    used = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"cpu": used.ru_utime + used.ru_stime, "mib": used.ru_maxrss / 1024, **done}))


def process(run: str, name: str, fresh: bool) -> dict[str, Any]:
    command = [sys.executable, __file__, name, "--run", run, *(["--fresh"] if fresh else [])]
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        return {"seconds": float("nan"), "cpu": float("nan"), "mib": float("nan"), "good": False, "verdict": "error",
                "error": done.stderr.strip().splitlines()[-1:], "divergences": []}  # fmt: skip
    return {"seconds": time.perf_counter() - begin, **json.loads(done.stdout.splitlines()[-1])}


def measured(name: str, runs: list[str], turns: int, fresh: bool) -> dict[str, dict[str, Any]]:
    """Medians over turns."""
    found: dict[str, list[dict[str, Any]]] = {run: [] for run in runs}
    for _ in range(turns):
        for run in runs:
            found[run].append(process(run, name, fresh))
    return {
        run: {**them[-1], **{n: median(r[n] for r in them) for n in ("seconds", "cpu", "mib")}}
        for run, them in found.items()
    }


def table(rows: dict[str, dict[str, dict[str, Any]]]) -> Table:
    made = Table("net", "run", title=f"{SHAPE}: seconds and memory in baselines; at most {SECONDS:g} and {MEMORY:g}")
    for column in ("s", "ratio", "CPU s", "ratio", "MiB", "ratio"):
        made.add_column(column, justify="right")
    made.add_column("verdict")
    for name, runs in rows.items():
        base = runs["baseline"]
        for run, row in runs.items():
            cells = []
            for n, digits, most in (("seconds", 1, SECONDS), ("cpu", 1, SECONDS), ("mib", 0, MEMORY)):
                ratio = row[n] / base[n]
                colour = "red" if not ratio <= most else "green"
                cells += [f"{row[n]:.{digits}f}", "" if run == "baseline" else f"[{colour}]{ratio:.2f}[/]"]
            said = row.get("verdict", "")
            if run != "baseline":
                causes = ", ".join(f"{d['cause']}{'' if d['confirmed'] else '?'}" for d in row["divergences"])
                said = f"[{'green' if row['good'] else 'red'}]{said}[/] {causes}"
            made.add_row(name if run == "baseline" else "", run, *cells, said)
        made.add_section()
    return made


def main(
    nets: Annotated[list[str] | None, typer.Argument(help="Of keras.applications; all if none.")] = None,
    turns: Annotated[int, typer.Option(help="Processes of each kind.")] = 1,
    fresh: Annotated[bool, typer.Option(help="Leave neutral weights neutral.")] = False,
    file: Annotated[Path | None, typer.Option("--json", help="Write all figures here.")] = None,
    only: Annotated[list[str] | None, typer.Option(help="right or planted, beside the baseline.")] = None,
    run: Annotated[str, typer.Option(hidden=True)] = "",
) -> None:
    if unknown := set(nets or ()) - set(NETS):
        raise typer.BadParameter(f"{', '.join(sorted(unknown))}; valid: {', '.join(NETS)}")
    if run:
        work(run, (nets or [""])[0], fresh)
        return
    rows = {}
    for name in nets or NETS:
        rows[name] = measured(name, [r for r in RUNS if not only or r in ("baseline", *only)], turns, fresh)
        print(json.dumps({name: rows[name]}), file=sys.stderr, flush=True)
    Console(width=None if sys.stdout.isatty() else 170).print(table(rows))
    if file:
        machine = {"platform": platform.platform(), "cores": os.cpu_count()}
        file.write_text(json.dumps({"machine": machine, "shape": SHAPE, "turns": turns, "nets": rows}, indent=1) + "\n")
    held = [
        row["good"] and row["seconds"] <= SECONDS * runs["baseline"]["seconds"]
        and row["mib"] <= MEMORY * runs["baseline"]["mib"]
        for runs in rows.values() for run, row in runs.items() if run != "baseline"
    ]  # fmt: skip
    raise typer.Exit(0 if all(held) else 1)


if __name__ == "__main__":
    typer.run(main)
