"""keras.Model.export: through tf2onnx on TensorFlow, through torch.onnx or jax2onnx on the other backends."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras

from .quiet import silence

Write = Callable[[Path], None]


@contextmanager
def _no_nested_functions() -> Iterator[None]:
    """Keras wraps grouped convolutions in tf.function(jit_compile=True), which tf2onnx writes as an invalid node."""
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    before = tf.function

    def plain(function: Any = None, **settings: Any) -> Any:
        if settings.get("jit_compile"):
            return function if function is not None else (lambda f: f)
        return before(function, **settings)

    tf.function = plain
    try:
        yield
    finally:
        tf.function = before


def exporters(model: Any, shapes: Sequence[Sequence[int | None]], opset: int, mended: bool = False) -> dict[str, Write]:
    """Ways to write `model` to a path; shapes are in Keras's layout, None where a size is open."""

    def write(path: Path) -> None:
        whole = model
        if not isinstance(model, keras.Model):  # only models can be exported
            x = keras.Input(batch_shape=tuple(shapes[0]))
            whole = keras.Model(x, model(x))
        signature = [keras.InputSpec(shape=tuple(s), dtype=whole.inputs[k].dtype if whole.inputs else "float32")
                     for k, s in enumerate(shapes)]  # fmt: skip
        given = [signature] if len(signature) > 1 else signature
        with silence():
            if mended:
                with _no_nested_functions():
                    whole.export(path, format="onnx", input_signature=given, opset_version=opset, verbose=False)
            else:
                whole.export(path, format="onnx", input_signature=given, opset_version=opset, verbose=False)

    return {f"keras.export ({keras.backend.backend()})": write}
