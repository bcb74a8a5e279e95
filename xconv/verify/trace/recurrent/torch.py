"""torch's recurrent layers taken apart: one step for each level and direction, joined as torch joins them.

A Keras port has one layer for each level, and often one for each direction with flips of its own; so only the parts
can be paired, compared and blamed.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from ..recorder import Recorder, plain

_RUN = {"LSTM": "lstm", "GRU": "gru"}


class Cell:
    """One level and direction of a recurrent layer, with the names that weights of a single one have."""

    def __init__(self, module: nn.RNNBase, level: int, reverse: bool):
        self.module, self.suffix = module, f"l{level}" + ("_reverse" if reverse else "")
        names = [n for n, _ in module.named_parameters(recurse=False) if n.endswith(f"_{self.suffix}")]
        self.weights: Mapping[str, torch.Tensor] = {
            n.removesuffix(self.suffix) + "l0": getattr(module, n) for n in names
        }

    def __call__(self, x: torch.Tensor, *state: torch.Tensor) -> tuple[torch.Tensor, ...]:
        module = self.module
        if not state:
            rows = x.shape[0 if module.batch_first else 1]
            state = (x.new_zeros(1, rows, module.hidden_size),) * (2 if module.mode == "LSTM" else 1)
        run = getattr(torch._VF, _RUN.get(module.mode, module.mode.lower()))
        given = state if module.mode == "LSTM" else state[0]
        flat = [
            self.weights[n] for n in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0") if n in self.weights
        ]
        return tuple(run(x, given, flat, module.bias, 1, 0.0, False, False, module.batch_first))


def several(module: Any, args: tuple) -> bool:
    """Has a recurrent layer parts, and can they be run one by one?"""
    if not isinstance(module, nn.LSTM | nn.GRU | nn.RNN) or (module.num_layers == 1 and not module.bidirectional):
        return False
    drops = module.training and module.dropout > 0
    return (
        not module.proj_size and not drops and bool(args) and isinstance(args[0], torch.Tensor) and args[0].dim() == 3
    )


def unrolled(
    tape: Recorder, cells: dict, module: nn.RNNBase, kind: str, path: str, settings: dict, args: tuple, kwargs: dict
) -> Any:
    """Run the parts of a layer, each as a step; flips, joins and states of the layer are steps of torch's own."""
    x, state = args[0], args[1] if len(args) > 1 else kwargs.get("hx")
    given = () if state is None else state if isinstance(state, tuple | list) else (state,)
    time, ways = (1 if module.batch_first else 0), (2 if module.bidirectional else 1)
    states: list[list[torch.Tensor]] = []
    tape.paths.append(path)
    try:
        for level in range(module.num_layers):
            outs = []
            for way in range(ways):
                place = level * ways + way
                cell = cells.setdefault((id(module), place), Cell(module, level, way == 1))
                fed = (x.flip(time) if way else x, *(h[place : place + 1] for h in given))
                template = tape.template((fed, {}))
                tape.deep += 1
                try:
                    y, *last = cell(*fed)
                finally:
                    tape.deep -= 1
                own = {**{n: v for n, v in settings.items() if plain(v)}, "num_layers": 1, "bidirectional": False,
                       "module": path}  # fmt: skip
                tape.step(
                    kind, fed, {}, [y, *last], lambda *a, _cell=cell: list(_cell(*a)), own, f"{path}.{cell.suffix}",
                    cell, template, made=getattr(module, "_xconv_made", ("", "")),
                )  # fmt: skip
                outs.append(y.flip(time) if way else y)
                states.append(last)
            x = torch.cat(outs, -1) if ways > 1 else outs[0]
        ends = tuple(torch.cat(list(column), 0) for column in zip(*states, strict=True))
    finally:
        tape.paths.pop()
    return x, (ends if module.mode == "LSTM" else ends[0])
