"""Is this port right, and if not, where, why, and what mends it?

    >>> import xconv
    >>> report = xconv.verify(torch_model, keras_model, (2, 3, 32, 32))  # doctest: +SKIP
    >>> print(report.text())                                             # doctest: +SKIP

The package itself may be called; the stages are in its files: load, trace, align, transfer, compare, diagnose, report.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..callable import callable_module
from .model import Report, Verdict

__all__ = ["Report", "Verdict", "verify"]


def verify(
    torch_model: Any,
    keras_model: Any,
    input_shape: Sequence[int] | Sequence[Sequence[int]] | None = None,
    *,
    inputs: Any = None,
    weights: str = "auto",
    training: tuple[Callable, Callable] | None = None,
    steps: int = 3,
    gradients: bool = False,
    layout: str = "auto",
    names: Mapping[str, str] | None = None,
    probes: bool = True,
    seed: int = 0,
) -> Report:
    """Judge whether a torch model and a Keras model compute the same function.

    Args:
        torch_model: an `nn.Module`, a function without arguments that makes one, or the path of a `.pt2` or `.onnx`
            file. It is left as it was.
        keras_model: a built `keras.Model` or layer, a function that makes one, or the path of a `.keras`, `.h5` or
            `.onnx` file. It is left as it was. Of a model that a function makes, the report also tells the lines that
            made its layers; of one that is given ready made, it cannot know them.
        input_shape: (N, C, *spatial) with batch in torch layout; a tuple of such for several inputs.
        inputs: arrays in torch layout instead of random ones: an array, a sequence of them, or name to array.
        weights: "from-torch" and "from-keras" carry the weights that way (into copies), "as-is" judges the user's own;
            "auto" is "from-torch", and "as-is" for an ONNX file. Where the file and the other side have no weights in
            common, the file's are carried over: that compares the structure, and is unproven at best.
        training: two functions, from a model to its {"optimizer": ..., "loss": ...}, to compare training steps too.
        steps: how many training steps.
        gradients: compare the gradients of all weights and inputs too.
        layout: of the Keras side's tensors: "channels_last", "same" (as torch's) or "auto".
        names: torch path to Keras path of layers with weights, where the user knows better.
        probes: also try other magnitudes, sizes and batches (one sample, one more), random weights, and how running
            statistics and dropout differ in training.
        seed: of inputs and probes.

    Returns:
        The report: `verdict`, `divergences`, `text()`, `html()`, `to_json()`, `save(path)`; notebooks show the page.

    Raises:
        XconvError: if a model cannot be run, has no weights yet or holds NaN, or the arguments make no sense.
    """
    from .run import verify as run

    return run(
        torch_model, keras_model, input_shape, inputs=inputs, weights=weights, training=training, steps=steps,
        gradients=gradients, layout=layout, names=names, probes=probes, seed=seed,
    )  # fmt: skip


callable_module(__name__, verify)
