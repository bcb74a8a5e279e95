"""What the commands are given, read: shapes, pairs, words, arrays; and options that would not be used, refused."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import typer

from .errors import XconvError


def words(text: str) -> list[str]:
    """Words by commas or spaces.

    >>> words("cpu, cuda")
    ['cpu', 'cuda']
    """
    return text.replace(",", " ").split()


def shape(text: str) -> tuple[int, ...]:
    """A shape by commas or x.

    >>> shape("1,3,224,224"), shape("2x3x32x32")
    ((1, 3, 224, 224), (2, 3, 32, 32))

    Raises:
        XconvError: for anything else.
    """
    parts = text.replace("x", ",").removesuffix(",").split(",")
    if not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise XconvError(f"--input {text!r} is no shape; give positive integers with batch, such as 2,3,32,32")
    from .data import held

    return held(tuple(map(int, parts)))


def shapes(texts: list[str] | None) -> list[tuple[int, ...]] | None:
    """`shape` of each; None if there is none."""
    return [shape(text) for text in texts] if texts else None


def pairs(option: str, texts: list[str] | None, form: str) -> dict[str, str]:
    """What is left of each = to what is right of it.

    >>> pairs("--map", ["stem=conv1"], "TORCH_PATH=KERAS_PATH")
    {'stem': 'conv1'}

    Raises:
        XconvError: for one that is not of this form.
    """
    found = {}
    for text in texts or []:
        left, equals, right = text.partition("=")
        if not equals or not right:
            raise XconvError(f"{option} {text!r} must be {form}")
        found[left] = right
    return found


def flattened(texts: list[str] | None) -> dict[str, tuple[int, ...]] | None:
    """What `xconv.transfer` takes: path to (channels, *sizes), or nothing of any for the word none.

    >>> flattened(["head=64,7,7"]), flattened(["none"]), flattened(None)
    ({'head': (64, 7, 7)}, {}, None)
    """
    if not texts or texts == ["none"]:
        return {} if texts else None
    form = "PATH=C,H,W, such as head=64,7,7, or none"
    found = {}
    for path, sizes in pairs("--flattened", texts, form).items():
        if not all(size.isdecimal() for size in sizes.split(",")):
            raise XconvError(f"--flattened {path}={sizes!r} must be {form}")
        found[path] = tuple(map(int, sizes.split(",")))
    return found


def arrays(path: Path | None) -> Mapping[str, Any] | None:
    """The arrays of an .npz; None without a path.

    Raises:
        XconvError: if it is none.
    """
    if path is None:
        return None
    import numpy as np

    if not path.is_file():
        raise XconvError(f"{path} is not a file")
    if not is_zipfile(path):
        raise XconvError(f"{path} is not an .npz of arrays, or is cut short")
    try:
        with np.load(path, allow_pickle=False) as file:
            found = {name: file[name] for name in file.files}
    except (OSError, ValueError) as error:
        raise XconvError(f"{path} cannot be read as an .npz of arrays: {error}") from error
    if not found:
        raise XconvError(f"{path} holds no arrays")
    return found


def only(context: typer.Context, why: str, *used: str) -> None:
    """Refuse options that were given and would not be used.

    Args:
        context: of the command.
        why: they would not, as "with --self-test".
        used: the names of parameters that are.

    Raises:
        XconvError: naming them.
    """
    given = [name for name in context.params if str(context.get_parameter_source(name)).endswith("COMMANDLINE")]
    if unused := [f"--{name.replace('_', '-')}" for name in given if name not in used]:
        raise XconvError(
            f"{', '.join(unused)} would not be used {why}; leave {'it' if len(unused) == 1 else 'them'} out"
        )
