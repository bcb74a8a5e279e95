"""Inception net: a 3x3 stem, stages of inception modules with max pooling between, mean over space, dense, softmax.

    p = softmax(dense(drop(mean(stage(maxpool(stage(relu(conv(x)))))))))

The default takes modules 3a, 3b and 4a of GoogLeNet for 32x32 pictures.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.blocks._nets.spec import head_cost
from xconv.blocks.inception_v1 import spec as inception
from xconv.geometry import conv_cost, out_sizes

SOURCE = "Szegedy et al., Going deeper with convolutions, arXiv:1409.4842, table 1"
Module = tuple[int, int, int, int, int, int]  # branch1, reduce3, branch3, reduce5, branch5, project


@dataclass(frozen=True)
class Config:
    cin: int = 3
    stem: int = 64
    stages: tuple[tuple[Module, ...], ...] = (
        ((64, 96, 128, 16, 32, 32), (128, 128, 192, 32, 96, 64)),
        ((192, 96, 208, 16, 48, 64),),
    )
    classes: int = 10
    dropout: float = 0.4

    def __post_init__(self):
        if not all(self.stages) or min(self.cin, self.stem, self.classes) < 1:
            raise ValueError(f"{self} must have modules in every stage, and numbers of at least 1")

    @property
    def modules(self) -> dict[str, inception.Config]:
        """Every module by name."""
        found, cin = {}, self.stem
        for s, stage in enumerate(self.stages, 1):
            for k, widths in enumerate(stage, 1):
                found[f"inception{s}_{k}"] = inception.Config(cin, *widths)
                cin = outputs(widths)
        return found

    @property
    def seen(self) -> int:
        """Channels that the head sees."""
        return outputs(self.stages[-1][-1])


def outputs(widths: Module) -> int:
    """Channels that a module gives.

    >>> outputs((64, 96, 128, 16, 32, 32))
    256
    """
    branch1, _, branch3, _, branch5, project = widths
    return branch1 + branch3 + branch5 + project


def pooled(name: str) -> bool:
    """Does max pooling stand before this module? Before the first of every stage but the first."""
    return name.endswith("_1") and name != "inception1_1"


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds at spatial input sizes."""
    total = Cost(*conv_cost(c.cin, c.stem, (3, 3), sizes)) + head_cost(c.seen, c.classes)
    for name, module in c.modules.items():
        if pooled(name):
            sizes = out_sizes(sizes, (3, 3), (2, 2), (1, 1), "valid")
        total += inception.cost(module, sizes)
    return total


CASES = (
    Case("small", Config(3, 5, (((2, 3, 4, 2, 3, 2),), ((3, 2, 3, 2, 2, 3),)), 7), (2, 3, 9, 8), 29),
    Case("two-in-a-stage", Config(2, 4, (((2, 2, 3, 1, 2, 2), (3, 2, 2, 2, 2, 1)),), 5), (1, 2, 8, 7), 28),
)
