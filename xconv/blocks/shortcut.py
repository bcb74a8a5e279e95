"""The shortcut of a residual block: the input itself, or its projection by a strided 1x1 convolution."""


def projects(cin: int, cout: int, stride: int, projection: bool | None = None) -> bool:
    """Is the shortcut a projection? None asks for one only where the input does not fit the output.

    >>> projects(8, 8, 1), projects(8, 8, 2), projects(8, 16, 1), projects(8, 8, 1, True)
    (False, True, True, True)

    Raises:
        ValueError: if projection is False and the input does not fit.
    """
    fits = cin == cout and stride == 1
    if projection is False and not fits:
        raise ValueError(
            f"an identity shortcut needs equal shapes, not {cin} channels to {cout} at stride {stride}: "
            "leave projection=None"
        )
    return not fits if projection is None else projection
