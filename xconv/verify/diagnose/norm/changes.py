"""What to change of Keras's normalisation to make it torch's: each as a cause, an explanation, a remedy, the result."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from ...model import Step
from .formula import Norm, subsets

Change = tuple[str, str, str, Norm]
_STATISTICS = ("kind", "mean", "variance", "axes")
_WORDS = {"running": "the running statistics", "axes": "those of the batch"}


def changes(t: Step, k: Step, want: Norm, have: Norm) -> Iterator[Change]:
    """One change alone, with torch's epsilon too, all together; then torch's normalisation and its weights."""
    eps = (f"torch's epsilon is {want.epsilon:g}, Keras's {have.epsilon:g}", f"epsilon={want.epsilon:g}")
    if want.epsilon != have.epsilon:
        yield "norm.epsilon", *eps, replace(have, epsilon=want.epsilon)
    found = _differing(t, k, want, have)

    def changed(*names: str) -> Norm:
        return replace(have, **{name: getattr(want, name) for name in names})

    for cause, says, remedy, fields in found:
        yield cause, says, remedy, changed(*fields)
        if want.epsilon != have.epsilon:
            yield cause, f"{says}; {eps[0]}", f"{remedy}, {eps[1]}", changed(*fields, "epsilon")
    if len(found) > 1:
        every = [name for *_, fields in found for name in fields]
        yield (found[0][0], "; ".join(c[1] for c in found), ", ".join(c[2] for c in found),
               changed(*every, "epsilon"))  # fmt: skip
    if have.kind in ("axes", "groups"):
        yield ("norm.variance", "the variance is divided by n - 1 on one side", "divide by n",
               replace(have, unbiased=True))  # fmt: skip
    if any(cause in ("norm.axis", "norm.kind", "norm.batch_statistics") for cause, *_ in found):
        yield *found[0][:3], want
    affine = [name for name in ("gamma", "beta") if getattr(have, name) is not None]
    yield ("weights.value", "the statistics or affine weights differ", "load torch's",
           changed(*affine, "mean", "variance") if have.kind == want.kind else have)  # fmt: skip


def _differing(t: Step, k: Step, want: Norm, have: Norm) -> list[tuple[str, str, str, tuple[str, ...]]]:
    """Cause, explanation, remedy and the fields that differ."""
    found: list[tuple[str, str, str, tuple[str, ...]]] = []
    batch = k.kind == "BatchNormalization"
    by_hand = have.axes == want.axes and not k.kind.endswith("Normalization")
    if want.kind == have.kind:
        if want.kind == "groups" and want.groups != have.groups:
            found.append(("norm.groups", f"torch has {want.groups} groups, Keras {have.groups}",
                          f"groups={want.groups}", ("groups",)))  # fmt: skip
        if want.kind != "groups" and want.axes != have.axes:
            found.append(("norm.axis", f"torch normalises over the axes {want.axes} of Keras's layout, Keras over "
                          f"{have.axes}", f"axis={list(want.axes)}", ("axes", "mean", "variance")))  # fmt: skip
    elif have.kind == "interleaved":
        says = f"each of Keras's {have.groups} groups takes every {have.groups}th channel, torch's take neighbours"
        remedy = f"reshape the channels to ({want.groups}, -1), and normalise over the -1 and the axes of space"
        found.append(("groups.order", says, remedy, (*_STATISTICS, "groups")))
    elif "running" in (want.kind, have.kind) and (batch or by_hand) and t.kind.startswith("Batch"):
        remedy = f"use {_WORDS[want.kind]}" if not batch else \
            "pass `training` through instead of training=True" if have.kind == "axes" else \
            "call with training=True, or let torch track running statistics (track_running_stats=True)"  # fmt: skip
        says = f"torch normalises by {_WORDS[want.kind]}, Keras by {_WORDS[have.kind]}"
        found.append(("norm.batch_statistics", says, remedy, _STATISTICS))
    elif want.kind == "running":
        says = f"torch's {t.kind} normalises by running statistics, Keras's {k.kind} by those of what it is given"
        found.append(("norm.batch_statistics", says, "BatchNormalization with torch's running statistics", _STATISTICS))
    else:
        found.append(("norm.kind", f"torch's {t.kind} normalises by other statistics than {k.kind}",
                      f"use the counterpart of {t.kind}", (*_STATISTICS, "groups")))  # fmt: skip
    for word, name, field in (("scale", "scale (gamma)", "gamma"), ("center", "shift (beta)", "beta")):
        there = getattr(want, field) is not None
        if there != (getattr(have, field) is not None):
            found.append((f"norm.{word}", f"the {name} is on one side only", f"{word}={there}", (field,)))
    return found


def forms(k: Step, have: Norm, epsilons: Sequence[float]) -> Iterator[Change]:
    """Keras's normalisation with another epsilon, variance or axes, for a torch side that writes its own out."""
    for eps in epsilons:
        yield ("norm.epsilon", f"torch's epsilon is {eps:g}, Keras's {have.epsilon:g}", f"epsilon={eps:g}",
               replace(have, epsilon=eps))  # fmt: skip
    found: list[Change] = []
    if have.kind == "running":
        found.append(("norm.batch_statistics", "torch normalises by the statistics of the batch, Keras by running ones",
                      "call with training=True", replace(have, kind="axes")))  # fmt: skip
    else:
        found.append(("norm.variance", "the variance is divided by n - 1 in torch", "divide by n",
                      replace(have, unbiased=True)))  # fmt: skip
        for over in subsets(range(1, len(k.shapes[0]))):
            for kind, what in (("axes", "mean and variance"), ("rms", "root mean square")):
                if (kind, over) != (have.kind, have.axes):
                    found.append(("norm.axis" if kind == have.kind else "norm.kind",
                                  f"torch normalises by {what} over the axes {over} of Keras's layout, {k.name} "
                                  "otherwise", f"axis={list(over)}", replace(have, kind=kind, axes=over)))  # fmt: skip
    for cause, says, remedy, norm in found:
        for eps in (have.epsilon, *epsilons):
            more = "" if eps == have.epsilon else f"; torch's epsilon is {eps:g}"
            yield cause, says + more, remedy, replace(norm, epsilon=eps)
