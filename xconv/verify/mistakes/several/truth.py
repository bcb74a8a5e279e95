"""Two to four faults in one net."""

from .. import Case, Net

NETS = {"Pipeline": Net(((2, 3, 32, 28),))}

# What each word plants: its cause, and where.
PLANTED = {
    "same": ("padding.side", ("stem", "stem pad0")),
    "eps1": ("norm.epsilon", ("bn1", "bn1")),
    "slope": ("activation.slope", ("bn1 conv1 pool", "act1 add lift pad1")),
    "dilation": ("dilation", ("conv2", "conv2")),
    "gn_eps": ("norm.epsilon", ("gn", "gn")),
    "gate": ("activation.kind", ("up fc", "up one times")),
}


def several(name, **varied):
    """Every word plants a fault of its own."""
    (cause, at), *more = (PLANTED[word] for word in varied)
    return Case(name, "Pipeline", cause, keras=varied, at=at, more=tuple(more))


CASES = [
    several("two_epsilons", eps1=1e-3, gn_eps=1e-3),
    several("stem_and_dilation", same=True, dilation=1),
    several("slope_and_gate", slope=0.3, gate="hard_sigmoid"),
    several("three_far_apart", same=True, slope=0.2, gn_eps=1e-3),
    several("four_at_once", same=True, eps1=1e-3, dilation=1, gate="hard_sigmoid"),
]
