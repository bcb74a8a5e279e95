"""The guide's CNN: two convolutions with ReLU and max pooling, a wide dense layer, and a softmax over the classes.

    p = softmax(dense(relu(dense(flatten(pool(relu(conv(pool(relu(conv(x))))))))))

The published size takes 28x28 digits through 32 and 64 filters of 5x5 and 1000 hidden units. Smaller pictures need
padding="same", or nothing is left for the second convolution to see.
"""

from dataclasses import dataclass

from xconv.block import Case, Cost
from xconv.geometry import conv_cost, dense_cost, out_sizes
from xconv.rules import flattened

SOURCE = (
    "Keras tutorial: build a convolutional neural network in 11 lines, "
    "https://adventuresinmachinelearning.com/keras-tutorial-cnn-11-lines/"
)


@dataclass(frozen=True)
class Config:
    cin: int = 1
    sizes: tuple[int, ...] = (28, 28)
    widths: tuple[int, int] = (32, 64)
    hidden: int = 1000
    classes: int = 10
    kernel: int = 5
    padding: str = "valid"
    softmax: bool = True  # False: logits, as losses prefer them

    def __post_init__(self):
        if self.padding not in ("valid", "same"):
            raise ValueError(f"padding={self.padding!r} must be valid or same")
        if not all(self.seen):
            raise ValueError(f"sizes={self.sizes} leave nothing to see after two poolings; try padding='same'")

    @property
    def stages(self) -> tuple[tuple[int, ...], ...]:
        """Sizes after each convolution."""
        first = self._convolved(self.sizes)
        return first, self._convolved(tuple(s // 2 for s in first))

    @property
    def seen(self) -> tuple[int, ...]:
        """Sizes that the flatten sees."""
        return tuple(s // 2 for s in self.stages[1])

    def _convolved(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        return out_sizes(sizes, (self.kernel,) * 2, (1, 1), (1, 1), self.padding)


def cost(c: Config, sizes: tuple[int, ...]) -> Cost:
    """Parameters and multiply-adds; `sizes` must be the configuration's own.

    Raises:
        ValueError: for other sizes, which the dense layer cannot take.
    """
    if tuple(sizes) != c.sizes:
        raise ValueError(f"sizes={tuple(sizes)} must be {c.sizes}, for which the dense layer is made")
    kernel, (first, second) = (c.kernel,) * 2, c.stages
    return (
        Cost(*conv_cost(c.cin, c.widths[0], kernel, first))
        + Cost(*conv_cost(*c.widths, kernel, second))
        + Cost(*dense_cost(c.widths[1] * c.seen[0] * c.seen[1], c.hidden))
        + Cost(*dense_cost(c.hidden, c.classes))
    )


def rules(c: Config) -> dict:
    return {"hidden": flattened(c.widths[1], c.seen)}


CASES = (
    Case("digits", Config(1, (8, 8), (4, 6), 20, 10, padding="same"), (3, 1, 8, 8), 11),
    Case("valid-rectangular", Config(3, (16, 17), (3, 5), 9, 7, softmax=False), (1, 3, 16, 17), 10),
    Case("3x3-odd-size", Config(2, (9, 11), (4, 6), 12, 5, kernel=3, padding="same"), (2, 2, 9, 11), 11),
)
