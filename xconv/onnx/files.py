"""ONNX files on disk: read without trusting them, written whole or not at all."""

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import TensorProto, checker, external_data_helper

from ..errors import XconvError
from ..files import replacing, target

PROTOBUF_LIMIT = 1 << 31  # bytes that one protobuf message may have
__all__ = ["external", "read", "replacing", "target", "weight_bytes", "write"]

ONE_FILE = 1_500_000_000  # bytes of weights that still go into the file itself


def write(model: onnx.ModelProto, path: str | Path, force: bool = False) -> Path:
    """Write a model: one file, the same bytes each time; weights above 1.5 GB go to `<name>.data` beside it.

    Raises:
        XconvError: as `target`.
    """
    path = Path(path)
    with replacing(path, force) as folder:
        if weight_bytes(model) > ONE_FILE:
            copy = onnx.ModelProto()
            copy.CopyFrom(model)
            onnx.save_model(copy, folder / path.name, save_as_external_data=True, location=path.name + ".data")
        else:
            (folder / path.name).write_bytes(model.SerializeToString(deterministic=True))
    return path


def weight_bytes(model: onnx.ModelProto) -> int:
    return sum(len(t.raw_data) for t in model.graph.initializer)


def read(path: str | Path, check: bool = True) -> onnx.ModelProto:
    """A model with all its weights, checked.

    Nothing in the file is executed; weights kept outside it must lie in its folder or below.

    Raises:
        XconvError: if the file is missing, too large, not ONNX, invalid, or names data outside its folder.
    """
    path = Path(path)
    if not path.is_file():
        raise XconvError(f"{path} is not a file")
    if path.stat().st_size >= PROTOBUF_LIMIT:
        raise XconvError(f"{path} has {path.stat().st_size:,} bytes; an ONNX file has less than {PROTOBUF_LIMIT:,}, "
                         "larger weights lie beside it")  # fmt: skip
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except DecodeError:
        raise XconvError(f"{path} is not an ONNX file, or is cut short") from None
    if not model.graph.node or not model.opset_import:
        raise XconvError(f"{path} is not an ONNX file, or is cut short: it holds no graph")
    for tensor in external(model):
        _inside(tensor, path)
    try:
        external_data_helper.load_external_data_for_model(model, str(path.parent))
        if check:
            checker.check_model(model, full_check=True)
    except (checker.ValidationError, onnx.shape_inference.InferenceError, ValueError, OSError) as error:
        raise XconvError(f"{path} is not a valid ONNX file: {str(error).strip().splitlines()[0][:200]}") from error
    return model


def external(model: onnx.ModelProto) -> list[onnx.TensorProto]:
    """Tensors whose bytes lie in another file, wherever in the model they are."""
    return [t for t in external_data_helper._get_all_tensors(model) if t.data_location == TensorProto.EXTERNAL]


def _inside(tensor: onnx.TensorProto, path: Path) -> None:
    entries = {e.key: e.value for e in tensor.external_data}
    place = entries.get("location", "")
    folder = path.parent.resolve()
    file = (folder / place).resolve()
    if not place or Path(place).is_absolute() or folder not in file.parents:
        raise XconvError(f"{path} wants the data of {tensor.name!r} from {place!r}, which is not in its folder")
    if not file.is_file():
        raise XconvError(f"{path} wants the data of {tensor.name!r} from {place!r}, which is missing")
    try:
        end = int(entries.get("offset", 0)) + int(entries.get("length", 0))
    except ValueError:
        raise XconvError(f"{path} gives no readable place for the data of {tensor.name!r}") from None
    if end > file.stat().st_size:
        raise XconvError(f"{path} wants {end:,} bytes of {place!r}, which has {file.stat().st_size:,}")
