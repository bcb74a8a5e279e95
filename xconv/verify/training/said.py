"""What is said of an optimizer's settings: cause, explanation, remedy."""

from collections.abc import Sequence
from typing import Any

from .updates import Optimizer

DECAY = ("coupled", "decoupled")

# setting: cause, the words of the explanation, the remedy on Keras's side with the reference's value
STATEMENTS = {
    "kind": ("optimizer.kind", "the optimizer is {a} in torch and {b} in Keras", "use the same optimizer"),
    "trained": ("optimizer.trainable", "not the same weights are trained", "set trainable (requires_grad) alike"),
    "clip": ("optimizer.clipping", "gradients are clipped by {a} in torch and by {b} in Keras", "{mend}"),
    "momentum": ("optimizer.momentum", "momentum is {a} in torch and {b} in Keras", "momentum={a}"),
    "beta_1": ("optimizer.momentum", "the first moment decays by {a} in torch and by {b} in Keras", "beta_1={a}"),
    "beta_2": ("optimizer.momentum", "the second moment decays by {a} in torch and by {b} in Keras",
               "beta_2={a} (RMSprop: rho={a})"),
    "dampening": ("optimizer.dampening", "dampening is {a} in torch, Keras has none", "dampening=0 in torch"),
    "nesterov": ("optimizer.nesterov", "nesterov is {a} in torch and {b} in Keras", "nesterov={a}"),
    "rate_in_buffer": ("optimizer.rate_in_buffer",
                       "torch multiplies the whole momentum by the present rate, Keras's momentum holds the "
                       "rates of the past; they part when the rate changes, by each framework's definition",
                       "rescale Keras's momentum at the change by new rate / old rate"),
    "epsilon": ("optimizer.epsilon", "epsilon is {a} in torch and {b} in Keras", "epsilon={a}"),
    "epsilon_place": ("optimizer.epsilon_place",
                      "the epsilons are equal, but torch adds it {a} and Keras {b}: a law of the frameworks, no "
                      "mistake of the port", 
                      "no constant matches both; scale epsilon with the step, or write the update out"),
    "centered": ("optimizer.centered", "centered is {a} in torch and {b} in Keras", "centered={a}"),
    "amsgrad": ("optimizer.centered", "amsgrad is {a} in torch and {b} in Keras", "amsgrad={a}"),
    "initial": ("optimizer.initial", "the accumulator starts at {a} in torch and at {b} in Keras",
                "initial_accumulator_value={a}"),
}  # fmt: skip

CLIPS = {"value": ("each number", "clipvalue"), "each": ("the norm of each weight", "clipnorm"),
         "all": ("the norm of all weights together", "global_clipnorm")}  # fmt: skip
PLACES = {"corrected": "after the bias correction", "hat": "before it", "outside": "outside the root",
          "inside": "inside the root"}  # fmt: skip


def decay_cause(ours: Optimizer, theirs: Optimizer) -> str:
    """Which of the ways in which decays differ."""
    pairs = [(ours.rules[k], theirs.rules[k]) for k in ours.rules if k in theirs.rules and ours.rules[k].trained]
    unlike = [(a, b) for a, b in pairs if (a.coupled, a.decoupled) != (b.coupled, b.decoupled)]
    if any(bool(a.coupled) != bool(b.coupled) and bool(a.decoupled) != bool(b.decoupled) for a, b in unlike):
        return "optimizer.decoupled_decay"
    joined = [(a.coupled, b.coupled) for a, b in unlike if a.coupled or b.coupled]
    if joined and all(a and b and abs(max(a / b, b / a) - 2) < 1e-4 for a, b in joined):
        return "regulariser.factor"
    here = [a.coupled + a.decoupled for a, _ in pairs]
    there = [b.coupled + b.decoupled for _, b in pairs]
    if any(here) and any(there) and {bool(a) for a in here} != {bool(b) for b in there}:
        return "regulariser.scope"
    return "optimizer.weight_decay"


def rate_cause(ours: Optimizer, theirs: Optimizer) -> str:
    """A rate that is another from the first step on, or a schedule."""
    ratios = [
        tuple(round(theirs.rates[s][k] / r[k], 6) for k in ours.rules if k in theirs.rates[s] and r.get(k))
        for s, r in enumerate(ours.rates)
    ]
    return "optimizer.learning_rate" if len(set(ratios)) == 1 else "optimizer.schedule"


def _word(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:g}"
    return PLACES.get(value, str(value)) if isinstance(value, str) else str(value)


def remedy(word: str, cause: str, ours: Sequence[Any], theirs: Sequence[Any]) -> tuple[str, str]:
    """Explanation and remedy of one setting, from its distinct values on either side."""
    clip = ""
    if word == "clip":
        a, b = (f"{CLIPS[c.scope][0]} at {c.bound:g}" if c.scope in CLIPS else "nothing" for c in (ours[0], theirs[0]))
        clip = f"{CLIPS[ours[0].scope][1]}={ours[0].bound:g}" if ours[0].scope in CLIPS else "do not clip"
    elif word in ("decay", "rates"):
        a, b = (", ".join(map(_pair, values)) for values in (ours, theirs))
    else:
        a, b = (", ".join(map(_word, values)) for values in (ours, theirs))
    if word == "decay":
        mends = {
            "regulariser.factor": "L2(w / 2) where torch has weight_decay=w: its gradient is 2 w p",
            "optimizer.decoupled_decay": "decay that joins the gradient is L2(w / 2), decay that joins the weight is "
                                         "AdamW's, or weight_decay= of a Keras optimizer",
            "regulariser.scope": "decay the same weights on both sides (biases and normalisations too, or not)",
        }  # fmt: skip
        said = f"decays (joining the gradient, joining the weight) are {a} in torch and {b} in Keras"
        return said, mends.get(cause, "give both sides the same decay")
    if word == "rates":
        said = f"learning rates step by step are {a} in torch and {b} in Keras"
        return said, "give both sides the same schedule, counted in the same steps" if "schedule" in cause else (
            f"learning_rate={_pair(ours[0])}")  # fmt: skip
    _, said, mend = STATEMENTS[word]
    return said.format(a=a, b=b), mend.format(a=a, b=b, mend=clip)


def _pair(values: Sequence[float]) -> str:
    text = ", ".join(f"{v:g}" for v in values)
    return text if len(values) == 1 else f"({text})"
