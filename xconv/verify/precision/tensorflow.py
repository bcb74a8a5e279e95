"""TensorFlow's operators in float64: those that meet a float32 tensor, and those that have no kernel for it.

User code makes tensors without a dtype, which are float32, and multiplies them with what the lifted model gives;
TensorFlow refuses. And on the CPU it has no 3D pooling, no local response normalisation and nothing with channels first
in float64. All are met where every eager operator passes: the narrower tensor is widened, the missing kernel is written
with those that there are, channels are put last and back. What has neither is run in float32, and said.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

MIXED = ("was expected to be a", "must have the same dtype")
MISSING = ("not in the list of allowed values", "Could not find device for node", "Could not find valid device")


@contextmanager
def wide(narrow: set[str]) -> Iterator[None]:
    """Let float64 models run; operators that had to run in float32 are added to `narrow`."""
    import tensorflow as tf
    from tensorflow.python import pywrap_tfe  # every generated operator looks its executors up here
    from tensorflow.python.eager import core
    from tensorflow.python.ops import math_ops

    fast, slow, divide = pywrap_tfe.TFE_Py_FastPathExecute, pywrap_tfe.TFE_Py_Execute, math_ops._truediv_python3

    def cast(tree: Any, old: Any, new: Any) -> Any:
        if isinstance(tree, list | tuple):
            return type(tree)(cast(leaf, old, new) for leaf in tree)
        return tf.cast(tree, new) if isinstance(tree, tf.Tensor) and tree.dtype == old else tree

    def again(
        error: Exception, operator: str, call: Callable[[Any, Any], Any], plain: Callable, inputs: Any, attributes: Any
    ) -> Any:
        """Call once more as the error asks; the error itself if it asks for nothing of ours."""
        text = str(error)
        if "NHWC" in text and str(_attributes(attributes).get("data_format")).startswith(("NC", "b'NC")):
            return channels_last(operator, plain, inputs, attributes)
        if any(words in text for words in MIXED) and "float" in text and "double" in text:
            return call(tf.float32, tf.float64)
        double = any(getattr(x, "dtype", None) == tf.float64 for x in tf.nest.flatten(list(inputs)))
        if not double or "double" not in text.lower() or not any(words in text for words in MISSING):
            raise error
        if operator in KERNELS:
            return KERNELS[operator](*inputs, **_attributes(attributes))
        narrow.add(operator)
        return cast(call(tf.float64, tf.float32), tf.float32, tf.float64)

    def execute(context: Any, operator: str, name: Any, *args: Any) -> Any:
        def call(old: Any, new: Any) -> Any:
            return fast(context, operator, name, *cast(args, old, new))

        def plain(inputs: Any, flat: Any) -> Any:
            return fast(context, operator, name, *inputs, *flat)

        count = next((i for i, a in enumerate(args) if isinstance(a, str)), len(args))
        try:
            return fast(context, operator, name, *args)
        except core._FallbackException:
            if operator not in KERNELS or args[0].dtype != tf.float64:
                return call(tf.float32, tf.float64) if _mixed(args, tf) else fast(context, operator, name, *args)
            return KERNELS[operator](*args[:count], **_attributes(args[count:]))
        except core._NotOkStatusException as error:
            return again(error, operator, call, plain, args[:count], args[count:])

    def quick(handle: Any, device: Any, operator: Any, inputs: Any, attributes: Any, outputs: int) -> Any:
        word = operator.decode() if isinstance(operator, bytes) else operator

        def call(old: Any, new: Any) -> Any:
            kinds = {tf.as_dtype(old).as_datatype_enum: tf.as_dtype(new).as_datatype_enum}
            names, values = attributes[::2], attributes[1::2]
            changed = [kinds.get(v, v) if str(n).startswith("T") else v for n, v in zip(names, values, strict=True)]
            flat = tuple(leaf for pair in zip(names, changed, strict=True) for leaf in pair)
            return slow(handle, device, operator, cast(list(inputs), old, new), flat, outputs)

        def plain(inputs: Any, flat: Any) -> Any:
            return slow(handle, device, operator, list(inputs), flat, outputs)

        try:
            return slow(handle, device, operator, inputs, attributes, outputs)
        except (core._NotOkStatusException, tf.errors.OpError) as error:
            result = again(error, word, call, plain, inputs, attributes)
            return result if isinstance(result, list | tuple) else [result]

    def quotient(x: Any, y: Any, name: Any = None) -> Any:  # it compares dtypes before any operator does
        return divide(*(cast((x, y), tf.float32, tf.float64) if _mixed((x, y), tf) else (x, y)), name)

    pywrap_tfe.TFE_Py_FastPathExecute, pywrap_tfe.TFE_Py_Execute = execute, quick
    math_ops._truediv_python3 = quotient
    try:
        yield
    finally:
        pywrap_tfe.TFE_Py_FastPathExecute, pywrap_tfe.TFE_Py_Execute = fast, slow
        math_ops._truediv_python3 = divide


def _mixed(args: Any, tf: Any) -> bool:
    kinds = {a.dtype for a in tf.nest.flatten(args) if isinstance(a, tf.Tensor)}
    return {tf.float32, tf.float64} <= kinds


def _attributes(flat: Any) -> dict[str, Any]:
    return dict(zip((str(n) for n in flat[::2]), flat[1::2], strict=True))


def channels_last(operator: str, call: Callable[[Any, Any], Any], inputs: Any, attributes: Any) -> Any:
    """An operator with channels first by the same one with channels last."""
    import tensorflow as tf

    at = 2 if operator.startswith("Conv") and "BackpropInput" in operator else 0  # behind the sizes and the filter
    rank = len(inputs[at].shape)
    last, back = (0, *range(2, rank), 1), (0, rank - 1, *range(1, rank - 1))
    names, values = attributes[::2], list(attributes[1::2])
    for i, (name, value) in enumerate(zip(names, values, strict=True)):
        if str(name) == "data_format":
            word = "NHWC" if rank == 4 else "NDHWC"
            values[i] = word if isinstance(value, str) else word.encode()
        elif isinstance(value, list | tuple) and len(value) == rank:
            values[i] = [value[k] for k in last]
        elif isinstance(value, list | tuple) and len(value) == 2 * rank:  # explicit paddings
            values[i] = [value[2 * k + side] for k in last for side in (0, 1)]
    given = list(inputs)
    given[at] = tf.transpose(given[at], last)
    if at:
        given[0] = tf.gather(given[0], last)
    answer = call(given, tuple(leaf for pair in zip(names, values, strict=True) for leaf in pair))
    found = answer[0] if isinstance(answer, list | tuple) else answer
    return tf.transpose(found, back)


def _pool3d(pool: str) -> Callable[..., Any]:
    def run(x: Any, **given: Any) -> Any:
        """A window over three axes is one over two of them and then one over the third: maxima and means alike."""
        import tensorflow as tf

        (_, d, h, w, _), (_, sd, sh, sw, _), padding = given["ksize"], given["strides"], given["padding"]
        planes, apply = tf.shape(x), getattr(tf.nn, pool)
        text = padding.decode() if isinstance(padding, bytes) else padding
        if given.get("data_format", "NDHWC") not in ("NDHWC", b"NDHWC"):
            raise ValueError("pooling with channels first")
        n, depth, height, width, channels = (planes[i] for i in range(5))
        y = apply(tf.reshape(x, (n * depth, height, width, channels)), (h, w), (sh, sw), text)
        high, wide = tf.shape(y)[1], tf.shape(y)[2]
        y = apply(tf.reshape(y, (n, depth, high * wide, channels)), (d, 1), (sd, 1), text)
        return tf.reshape(y, (n, tf.shape(y)[1], high, wide, channels))

    return run


def _local_response(x: Any, **given: Any) -> Any:
    """x / (bias + alpha * sum of squares over neighbouring channels) ^ beta."""
    import tensorflow as tf

    radius, like = given.get("depth_radius", 5), x.dtype
    bias, alpha, beta = (tf.constant(given.get(n, v), like) for n, v in (("bias", 1.0), ("alpha", 1.0), ("beta", 0.5)))
    padded = tf.pad(x * x, [[0, 0]] * 3 + [[radius, radius]])
    near = tf.add_n([padded[..., i : i + x.shape[-1]] for i in range(2 * radius + 1)])
    return x / (bias + alpha * near) ** beta


KERNELS: dict[str, Callable[..., Any]] = {
    "MaxPool3D": _pool3d("max_pool2d"), "AvgPool3D": _pool3d("avg_pool2d"), "LRN": _local_response,
}  # fmt: skip
