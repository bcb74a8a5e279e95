"""The sizes at which blocks are timed.

A spec may name its own in `TIMED`, a tuple of cases. Nets are timed at their published size, the default configuration.
Any other block is timed at its first case with the batch and the spatial sizes of `FULL` or `QUICK`: a new folder in
blocks/ is in the benchmark without another line.
"""

from collections.abc import Sequence
from dataclasses import fields, replace
from typing import Any

from ..block import Block, Case
from ..errors import XconvError

Shape = tuple[int, ...]
FULL = {1: (8, 1024), 2: (8, 56, 56), 3: (2, 16, 28, 28)}  # by number of spatial axes: batch, sizes
QUICK = {1: (2, 256), 2: (2, 28, 28), 3: (1, 8, 14, 14)}
WIDE = 64  # channels, where a configuration has cin and cout and takes any

# Configurations that people use: block, name, words of Config, spatial axes or a whole (N, C, *spatial).
LINES: tuple[tuple[str, str, dict[str, Any], int | Shape], ...] = (
    ("conv", "3x3", {"cin": 64, "cout": 64, "kernel": (3, 3), "padding": "same"}, 2),
    ("conv", "first-layer-7x7-stride-2",
     {"cin": 3, "cout": 64, "kernel": (7, 7), "stride": (2, 2), "padding": "same"}, (1, 3, 224, 224)),
    ("conv", "4-groups", {"cin": 64, "cout": 64, "kernel": (3, 3), "padding": "same", "groups": 4}, 2),
    ("conv", "32-groups", {"cin": 64, "cout": 64, "kernel": (3, 3), "padding": "same", "groups": 32}, 2),
    ("conv", "1d", {"cin": 64, "cout": 64, "kernel": (3,), "padding": "same"}, 1),
    ("conv", "3d", {"cin": 32, "cout": 32, "kernel": (3, 3, 3), "padding": "same"}, 3),
    ("bottleneck", "256-64-256", {"cin": 256, "squeezed": 64, "cout": 256}, 2),
    ("depthwise", "3x3", {"cin": 64, "kernel": (3, 3), "padding": "same"}, 2),
    ("depthwise", "3x3-multiplier-2", {"cin": 64, "kernel": (3, 3), "padding": "same", "multiplier": 2}, 2),
    ("grouped", "32-groups-of-4", {"cin": 128, "cout": 128, "kernel": (3, 3), "padding": "same", "groups": 32}, 2),
    ("separable", "3x3", {"cin": 64, "cout": 64, "kernel": (3, 3), "padding": "same"}, 2),
    ("blueprint_separable", "3x3", {"cin": 64, "cout": 64, "kernel": (3, 3), "padding": "same"}, 2),
    ("transposed", "2x2-stride-2", {"cin": 64, "cout": 32, "kernel": (2, 2), "stride": (2, 2)}, 2),
    ("factorized", "7x7", {"cin": 64, "cout": 64, "kernel": (7, 7), "rank": 64}, 2),
    ("cp", "3x3-rank-32", {"cin": 64, "cout": 64, "kernel": (3, 3), "rank": 32}, 2),
    ("tucker2", "3x3-ranks-24", {"cin": 64, "cout": 64, "kernel": (3, 3), "rank": (24, 24)}, 2),
    ("tensor_train", "3x3-ranks-24", {"cin": 64, "cout": 64, "kernel": (3, 3), "rank": (24, 24, 24)}, 2),
    ("channel_shuffle", "8-groups", {"cin": 128, "width": 64, "cout": 128, "groups": 8}, 2),
    ("inception_v1", "3a", {"cin": 192, "branch1": 64, "reduce3": 96, "branch3": 128, "reduce5": 16, "branch5": 32,
                            "project": 32}, 2),
    ("inverted_residual", "32-192-32", {"cin": 32, "cout": 32}, 2),
    ("mlpconv", "64-64-64", {"cin": 64, "widths": (64, 64, 64)}, 2),
    ("parallel_concat", "3-5-7", {"cin": 64, "width": 32, "cout": 64}, 2),
    ("parallel_pool", "3-5-7", {"cin": 64, "width": 16, "cout": 64}, 2),
    ("residual_bottleneck", "256-64-256", {"cin": 256, "squeezed": 64, "cout": 256}, 2),
    ("resnext", "32x4d", {"cin": 256, "cout": 256, "cardinality": 32, "width": 4}, 2),
    ("squeeze_excite", "64-16", {"cin": 64, "squeezed": 16}, 2),
    ("two_tower", "96", {"cin": 96, "width": 48, "cout": 96}, 2),
    ("wide", "four-as-one", {"cin": 32, "width": 32}, 2),
    ("spectral", "10-bands", {"bands": 10, "filters": 8}, 2),
)  # fmt: skip


GPU_BATCH = 8  # times the batch of a CPU, so that a step's data exceed the GPU's cache


def timed(block: Block, quick: bool = False, device: str = "cpu") -> tuple[Case, ...]:
    """The cases at which a block is timed; on a GPU with a larger batch, unless quick."""
    return tuple(replace(case, shape=grown_batch(case.shape, quick, device)) for case in _timed(block, quick))


def grown_batch(shape: Shape, quick: bool, device: str) -> Shape:
    """A shape as it is timed on a device."""
    return (shape[0] * (1 if quick or device == "cpu" else GPU_BATCH), *shape[1:])


def _timed(block: Block, quick: bool) -> tuple[Case, ...]:
    """The cases at which a block is timed on a CPU.

    Raises:
        XconvError: if a line of the table does not fit the block's configuration.
    """
    own = getattr(block.spec, "TIMED", ())
    lines = [(name, words, shape) for owner, name, words, shape in LINES if owner == block.name]
    if own:
        return tuple(replace(case, shape=(2, *case.shape[1:])) for case in own[:1]) if quick else tuple(own)
    if lines:
        try:
            return tuple(
                Case(name, config, sized(shape, words.get("cin") or words["bands"], quick))
                for name, words, shape in lines
                for config in [block.spec.Config(**words)]
            )
        except (TypeError, ValueError) as error:
            raise XconvError(f"no sizes to time {block.name} at: {error}") from error
    return (published(block, quick) or grown(block, quick),)


def sized(shape: int | Shape, channels: int, quick: bool) -> Shape:
    """A shape as it stands or, for a number of spatial axes, the usual one; halved in quick runs."""
    if not isinstance(shape, int):
        return (shape[0], channels, *(size // 2 for size in shape[2:])) if quick else shape
    batch, *sizes = (QUICK if quick else FULL)[shape]
    return batch, channels, *sizes


def published(block: Block, quick: bool) -> Case | None:
    """The default configuration at its own input size, if it needs no words."""
    try:
        config = block.spec.Config()
    except TypeError:
        return None
    sizes = getattr(config, "sizes", None) or (32, 32)
    return Case("published", config, (1 if quick else 8, config.cin, *sizes))


def grown(block: Block, quick: bool) -> Case:
    """The first case at a usual size; with `WIDE` channels if its configuration takes them."""
    case = block.cases[0]
    rank = len(case.shape) - 2
    config, names = case.config, {f.name for f in fields(case.config)}
    wide = {name: WIDE for name in ("cin", "cout") if name in names}
    if wide:
        try:
            block.spec.cost(replace(config, **wide), case.shape[2:])
            config = replace(config, **wide)
        except ValueError:
            pass
    return replace(case, config=config, shape=sized(rank, getattr(config, "cin", case.shape[1]), quick))


def shape_bytes(shape: Sequence[int], dtype: str) -> int:
    """Bytes of an array.

    >>> shape_bytes((2, 3), "bfloat16")
    12
    """
    total = {"float64": 8, "float32": 4, "tf32": 4}.get(dtype, 2)
    for size in shape:
        total *= size
    return total
