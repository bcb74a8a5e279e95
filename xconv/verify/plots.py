"""The page's plots: how far the sides are apart by depth, and the tensors at the first divergence."""

from collections.abc import Mapping
from math import ceil, floor, inf, isfinite, log10, nan

import numpy as np

from ..page import INK, RED, axes, inked, svg
from .model import Report


@inked()
def by_depth(report: Report) -> str:
    """How far the sides are apart at each compared place, in the verdict's dtype and in the user's.

    The axis is logarithmic and ends where the data do. What it cannot hold stands on a line of its own: places that are
    exactly equal at the bottom, places that cannot be compared at the top.
    """
    places = report.depth
    if not places:
        return ""
    user = [nan if p.user_rel is None else p.user_rel for p in places]
    verdict = [p.max_rel for p in places]
    plain = [d for d in report.divergences if d.plain]
    of_torch = {d.torch.path: d.difference.max_rel for d in reversed(plain) if d.torch and d.torch.path}
    of_keras = {d.keras.path: d.difference.max_rel for d in reversed(plain) if d.keras and d.keras.path}
    faults = [of_torch.get(p.torch, of_keras.get(p.keras, nan)) for p in places]
    scale = _Scale([*user, *verdict, *faults])

    figure, (axis,) = axes(9 if len(places) < 60 else 10.5, 3.2)  # inches that the page does not make smaller
    at, size = np.arange(len(places)), 8 if len(places) < 60 else 5
    drawn = (  # the wide below the narrow, so that equal curves show both
        (user, report.user.get("dtype", "user's dtype"), {"color": "#d9822b", "marker": "s", "markersize": size,
                                                          "linewidth": size / 3, "alpha": 0.6}),
        (verdict, report.dtype, {"color": "#2f6fed", "marker": "o", "markersize": size / 2, "linewidth": 1.2}),
    )  # fmt: skip
    for values, label, how in drawn:
        if not np.isnan(values).all():
            axis.plot(at, [v if scale.holds(v) else nan for v in values], clip_on=False, label=label, **how)
            off = [(i, scale.put(v)) for i, v in enumerate(values) if v == v and not scale.holds(v)]
            axis.plot(*zip(*off, strict=True) if off else ((), ()), clip_on=False, **how | {"linestyle": "none"})
    marked = [(i, scale.put(v)) for i, v in enumerate(faults) if v == v]
    for i, _ in marked:
        axis.axvspan(i - 0.4, i + 0.4, color=RED, alpha=0.15, linewidth=0)
    if marked:
        axis.plot(*zip(*marked, strict=True), "D", color=RED, markersize=11, markerfacecolor="none", clip_on=False,
                  markeredgewidth=1.6, label="divergence, with all before it mended")  # fmt: skip
    axis.set(yscale="log", ylim=scale.limits, xlim=(-0.6, len(places) - 0.4), ylabel="relative difference")
    axis.set_yticks(*scale.ticks(), minor=False)
    axis.set_yticks([], minor=True)
    for value in scale.beside:
        axis.axhline(value, color=INK, alpha=0.25, linewidth=0.8, linestyle=":", zorder=0)
    every = -(-len(places) // 80)
    axis.set_xticks(at[::every], [p.torch or p.kind for p in places][::every], rotation=60, ha="right", fontsize=7)
    axis.legend(loc="lower left", bbox_to_anchor=(0, 1.02), ncol=3, borderaxespad=0)
    return svg(figure)


class _Scale:
    """Where numbers stand on the logarithmic axis, and where those that it cannot hold."""

    def __init__(self, values: list[float]):
        found = [log10(v) for v in values if self.holds(v)]
        self.low, self.high = floor(min(found, default=0)), ceil(max(found, default=1))
        self.high += self.low == self.high
        self.whole = range(self.low, self.high + 1, ceil((self.high - self.low) / 8)) if found else ()
        self.step = 0.13 * (self.high - self.low)  # decades between the axis and a line beside it
        self.equal, self.without = 0.0 in values, inf in values
        self.limits = tuple(10 ** (end + 0.5 * self.step * way) for end, way in (
            (self.low - self.step * self.equal, -1), (self.high + self.step * self.without, 1)))  # fmt: skip

    @staticmethod
    def holds(value: float) -> bool:
        return isfinite(value) and value > 0

    def put(self, value: float) -> float:
        if self.holds(value):
            return value
        return 10 ** (self.high + self.step if value else self.low - self.step)

    @property
    def beside(self) -> list[float]:
        return [self.put(value) for value, any_ in ((0.0, self.equal), (inf, self.without)) if any_]

    def ticks(self) -> tuple[list[float], list[str]]:
        words = ["exactly equal"] * self.equal + ["not comparable"] * self.without
        return [*(10.0**e for e in self.whole), *self.beside], [*(f"$10^{{{e}}}$" for e in self.whole), *words]


def _image(array: np.ndarray) -> np.ndarray:
    """The two axes in which a difference is best seen: space if there is some, else examples and features."""
    if array.ndim >= 4:
        return np.abs(array).max(axis=tuple(range(array.ndim - 2)))
    return np.abs(array).reshape(-1, array.shape[-1]) if array.ndim > 1 else np.abs(array)[None]


@inked()
def heat_map(worst: Mapping[str, np.ndarray]) -> str:
    """The tensors at the first divergence, in torch layout: torch's and Keras's on one scale, and where they differ."""
    ours, theirs = worst.get("torch"), worst.get("keras")
    if ours is None or theirs is None:
        return ""
    shown = [("torch", ours), ("keras", theirs)]
    if ours.shape == theirs.shape:
        shown.append(("difference", ours - theirs))
    images = [_image(np.asarray(array, float)) for _, array in shown]
    both = np.concatenate([image[np.isfinite(image)] for image in images[:2]])
    one = {"cmap": "viridis", "vmin": both.min(initial=0), "vmax": both.max(initial=0)}
    figure, plots = axes(3.4 * len(shown), 3, len(shown))
    figure.set_layout_engine("constrained")
    for plot, image, (name, array) in zip(plots, images, shown, strict=True):
        how = {"cmap": "magma", "vmin": 0} if name == "difference" else one
        shape = "equal" if 1 / 3 < image.shape[0] / image.shape[1] < 3 else "auto"
        drawn = plot.imshow(image, aspect=shape, interpolation="nearest", **how)
        plot.set_title(f"{name} {tuple(array.shape)}", fontsize=9)
        for axis in (plot.xaxis, plot.yaxis):
            axis.get_major_locator().set_params(integer=True, nbins=6)
        if name != "torch":
            bar = figure.colorbar(drawn, ax=plots[:2] if name == "keras" else plot, fraction=0.06, pad=0.03)
            bar.outline.set_visible(False)
            bar.ax.tick_params(labelsize=7)
    return svg(figure)
