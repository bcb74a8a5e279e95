"""Which layer is which: holders of weights are paired by what surrounds them, not by their names or their order.

Each holder gets a fingerprint of its neighbourhood at growing radius, upwards and downwards; those that agree furthest
are paired first. A fault changes few fingerprints, so what is far from it still pairs. Convolutions and dense layers
come first, with normalisations left out (a port may have folded them), then the rest by their paired neighbours.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

from ..carry import Leaf
from ..errors import XconvError, one_of
from .bundle import Together, bundles
from .holders import Holder, compatible, outline
from .model import Trace
from .sorts import QUIET, sort
from .split import behind, splits

RADII = 8


@dataclass(frozen=True, eq=False)
class Alignment:
    """Paired holders, those without a partner, and groups whose members could be exchanged."""

    pairs: tuple[tuple[Holder, Holder], ...]
    torch_alone: tuple[Holder, ...]
    keras_alone: tuple[Holder, ...]
    groups: tuple[tuple[int, ...], ...] = ()  # indices of pairs that any other assignment within would fit as well
    bundles: tuple[Together, ...] = ()  # layers without a partner that hold together what another one does


def skeleton(trace: Trace, nodes: Sequence[Holder]) -> list[set[int]]:
    """For each holder the holders that feed it, with nothing but steps without weights between."""
    at = {step.index: i for i, h in enumerate(nodes) for step in h.steps}
    sources: dict[int, frozenset[int]] = {v: frozenset({-1 - i}) for i, v in enumerate(trace.inputs)}
    found: list[set[int]] = [set() for _ in nodes]
    for step in trace.steps:
        above = frozenset().union(*(sources.get(v, frozenset()) for v in step.inputs))
        if step.index in at:
            found[at[step.index]] |= {-1 if s < 0 else s for s in above}
            above = frozenset({at[step.index]})
        for v in step.outputs:
            sources[v] = above
    ends = {s for v in trace.outputs for s in sources.get(v, frozenset()) if s >= 0}
    return [*found, ends]


def _rings(labels: Sequence, edges: Sequence[set[int]], out: set[int] | None) -> list[list[int]]:
    """Hashes of each node's surroundings in one direction, at radius 0, 1, 2, ..."""
    rings = [[hash(label) for label in labels]]
    for _ in range(RADII):
        last = rings[-1]
        rings.append([
            hash((labels[i], tuple(sorted(last[j] if j >= 0 else 7 for j in edges[i])), out is not None and i in out))
            for i in range(len(labels))
        ])  # fmt: skip
    return [[ring[i] for ring in rings[1:]] for i in range(len(labels))]


def _surroundings(trace: Trace, nodes: Sequence[Holder]) -> list[tuple[list[int], list[int]]]:
    *edges, ends = skeleton(trace, nodes)
    labels = [(n.family if n.family != "map" else "", n.size) for n in nodes]
    down: list[set[int]] = [set() for _ in nodes]
    for i, sources in enumerate(edges):
        for j in sources:
            if j >= 0:
                down[j].add(i)
    up = _rings(labels, edges, None)
    return list(zip(up, _rings(labels, down, ends), strict=True))


def _alike(a: tuple[list[int], list[int]], b: tuple[list[int], list[int]]) -> float:
    total = 0.0
    for x, y in zip(a, b, strict=True):
        for p, q in zip(x, y, strict=True):
            if p != q:
                break
            total += 1
    return total


_SETTINGS = (("kernel_size", "kernel_size"), ("dilation", "dilation_rate"), ("stride", "strides"), ("groups", "groups"))


def _set_alike(torch: Holder, keras: Holder) -> float:
    """The share of settings that are equal: it decides between layers that stand in equal surroundings."""
    if kindred(torch.kind) != "convolution":
        return 0.0
    a, b = torch.step.settings, keras.step.settings
    both = [(_tuple(a.get(x)), _tuple(b.get(y))) for x, y in _SETTINGS]
    if len(torch.step.shapes[0]) != len(keras.step.shapes[0]):  # over one axis here, over two with a row's kernel there
        both = [(tuple(n for n in x if n != 1), tuple(n for n in y if n != 1)) for x, y in both]
    return sum(x == y for x, y in both) / len(both)


def _before(trace: Trace, nodes: Sequence[Holder]) -> list[frozenset[str]]:
    """For each holder the sorts of the steps without weights that feed it, and of those that it feeds."""
    at = {step.index for h in nodes for step in h.steps}
    plain = {"activation", "pad", "shape", *QUIET}
    sorts: dict[int, frozenset[str]] = {}
    nearest: dict[int, str] = {}  # what stands right in front: a pooling far above feeds all that is joined below it
    for step in trace.steps:
        above = frozenset().union(*(sorts.get(v, frozenset()) for v in step.inputs))
        word = sort(step)
        near = next((nearest[v] for v in step.inputs if v in nearest), "") if word in plain else f"from {word}"
        for v in step.outputs:
            sorts[v] = frozenset() if step.index in at else above | ({word} - plain)
            nearest[v] = "" if step.index in at else near
    ends: dict[int, frozenset[str]] = {v: frozenset({f"output {i}"}) for i, v in enumerate(trace.outputs)}
    for step in reversed(trace.steps):
        if step.index not in at:
            word = sort(step)
            further = word in plain or word == "join"  # heads of several outputs are told apart by what they end in
            behind = frozenset().union(*(ends.get(v, frozenset()) for v in step.outputs))
            for v in step.inputs:
                ends[v] = ends.get(v, frozenset()) | (behind if further else {f"to {word}"})
    return [
        frozenset().union(*(sorts.get(v, frozenset()) | ({nearest.get(v, "")} - {""}) for v in h.step.inputs))
        | frozenset().union(*(ends.get(v, frozenset()) for v in h.step.outputs))
        for h in nodes
    ]


def _shared(a: frozenset[str], b: frozenset[str]) -> float:
    return len(a & b) / len(a | b) if a | b else 1.0


def _tuple(setting: object) -> tuple:
    """
    >>> _tuple(2) == _tuple((2, 2))
    True
    """
    numbers = tuple(setting) if isinstance(setting, list | tuple) else (setting,)
    return numbers[:1] if len(set(numbers)) == 1 else numbers


def _name(torch: Holder, keras: Holder) -> float:
    a, b = torch.path.replace(".", "/").lower(), keras.path.lower()
    if a.rpartition("/")[2] == b.rpartition("/")[2]:
        return 1.0
    return 0.5 * SequenceMatcher(None, a, b).ratio() ** 2


def _assign(
    torch: Sequence[Holder], keras: Sequence[Holder], score: Mapping[tuple[int, int], float], exact: bool = True
) -> list[tuple[int, int]]:
    """Pairs by falling score; equal scores by name, then by equal order."""
    ranked = sorted(
        score,
        key=lambda p: (-score[p], -round(_name(torch[p[0]], keras[p[1]]), 1) if exact else 0.0,
                       abs(p[0] / max(len(torch), 1) - p[1] / max(len(keras), 1)), p),
    )  # fmt: skip
    used_t: set[int] = set()
    used_k: set[int] = set()
    pairs = []
    for t, k in ranked:
        if t not in used_t and k not in used_k:
            pairs.append((t, k))
            used_t.add(t)
            used_k.add(k)
    return sorted(pairs)


def _ordered(
    pairs: list[tuple[int, int]], score: Mapping[tuple[int, int], float], named: Mapping
) -> list[tuple[int, int]]:
    """Among pairs that could be exchanged for nothing and that no name settles, keep the order of the run."""
    pairs = list(pairs)
    for group in _exchangeable(pairs, score):
        members = [pairs[i] for i in group]
        if any(named.get(p, 0) == 1.0 for p in members):
            continue
        ks = sorted(k for _, k in members)
        for i, k in zip(sorted(group, key=lambda i: pairs[i][0]), ks, strict=True):
            pairs[i] = (pairs[i][0], k)
    return pairs


def _exchangeable(pairs: Sequence[tuple[int, int]], score: Mapping[tuple[int, int], float]) -> list[tuple[int, ...]]:
    groups: list[list[int]] = []
    for i, (t, k) in enumerate(pairs):
        for group in groups:
            a, b = pairs[group[0]]
            if score.get((a, k)) == score.get((t, b)) == score[a, b] == score[t, k]:
                group.append(i)
                break
        else:
            groups.append([i])
    return [tuple(g) for g in groups if len(g) > 1]


def align(
    torch: Trace,
    keras: Trace,
    torch_holders: Sequence[Holder],
    keras_holders: Sequence[Holder],
    names: Mapping[str, str] | None = None,
    leaves: tuple[Sequence[Leaf], Sequence[Leaf]] | None = None,
) -> Alignment:
    """Pair the holders of both sides.

    Args:
        names: torch path to Keras path of layers that belong together.
        leaves: of both sides' holders, where these are of records.

    Raises:
        XconvError: if `names` speaks of layers that are not there.
    """
    given = _given(torch_holders, keras_holders, names or {})
    ours, theirs = leaves or ([outline(h) for h in torch_holders], [outline(h) for h in keras_holders])
    fit = {
        (i, j)
        for i, t in enumerate(torch_holders)
        for j, k in enumerate(keras_holders)
        if compatible(t, k, ours[i], theirs[j])
    }
    maps_t = [i for i, h in enumerate(torch_holders) if h.family == "map"]
    maps_k = [j for j, h in enumerate(keras_holders) if h.family == "map"]
    pairs = dict(given)
    before_t, before_k = _before(torch, torch_holders), _before(keras, keras_holders)
    groups: list[tuple[tuple[int, int], ...]] = []

    def settle(ts: list[int], ks: list[int], around_t: list, around_k: list, extra=None) -> None:
        ts = [i for i in ts if i not in pairs]
        ks = [j for j in ks if j not in pairs.values()]
        score = {
            (a, b): _alike(around_t[i], around_k[j]) + (extra(i, j) if extra else 0.0)
            for a, i in enumerate(ts) for b, j in enumerate(ks) if (i, j) in fit
        }  # fmt: skip
        tt, kk = [torch_holders[i] for i in ts], [keras_holders[j] for j in ks]
        named = {(a, b): _name(tt[a], kk[b]) for a, b in score}
        finer = {
            (a, b): s + 0.45 * _set_alike(tt[a], kk[b]) + 0.45 * _shared(before_t[ts[a]], before_k[ks[b]])
            for (a, b), s in score.items()
        }
        found = _ordered(_assign(tt, kk, finer), finer, named)
        for group in _exchangeable(found, score):
            if not all(named[found[i]] == 1.0 for i in group):
                groups.append(tuple((ts[found[i][0]], ks[found[i][1]]) for i in group))
        pairs.update({ts[a]: ks[b] for a, b in found})

    def spread(all_around: list, indices: list[int], count: int) -> list:
        blank = ([0] * RADII, [0] * RADII)
        around = [blank] * count
        for i, value in zip(indices, all_around, strict=True):
            around[i] = value
        return around

    settle(
        maps_t, maps_k,
        spread(_surroundings(torch, [torch_holders[i] for i in maps_t]), maps_t, len(torch_holders)),
        spread(_surroundings(keras, [keras_holders[j] for j in maps_k]), maps_k, len(keras_holders)),
    )  # fmt: skip
    alone_t, alone_k = ([h for i, h in enumerate(held) if i not in known]
                        for held, known in ((torch_holders, pairs), (keras_holders, set(pairs.values()))))  # fmt: skip
    packed: list[Together] = [*bundles(alone_t, alone_k)]
    taken = {h for b in packed for held in b.holders.values() for h in held}
    for split in splits([h for h in alone_t if h not in taken], [h for h in alone_k if h not in taken], torch, keras):
        packed += [split, *filter(None, [behind(split, alone_t, alone_k)])]
    taken |= {h for b in packed for held in b.holders.values() for h in held}
    *up_t, _ = skeleton(torch, torch_holders)
    *up_k, _ = skeleton(keras, keras_holders)
    down_t, down_k = _turned(up_t), _turned(up_k)

    def neighbours(i: int, j: int) -> float:
        """How many paired layers around are the same, above and below."""
        total = 0.0
        for a, b, weight in ((up_t[i], up_k[j], 20), (down_t[i], down_k[j], 12)):
            mapped = {-1 if x < 0 else pairs.get(x, -2) for x in a}
            total += weight * len(mapped & b) / max(len(mapped | b), 1)
        fed_t, fed_k = torch_holders[i].step.inputs[:1], keras_holders[j].step.inputs[:1]
        right_behind = any(  # a normalisation belongs to the layer whose output it is fed
            a in pairs and set(fed_t) & set(torch_holders[a].step.outputs)
            and set(fed_k) & set(keras_holders[pairs[a]].step.outputs)
            for a in up_t[i] if a >= 0
        )  # fmt: skip
        return total + (24 if right_behind else 0)

    # What one side's layer holds may be bare tensors on the other.
    rest_t, rest_k = (
        [i for i, h in enumerate(held) if h not in taken and (h.family != "map" or bare)]
        for held, bare in (
            (torch_holders, any(h.kind == "weight" for h in alone_k)),
            (keras_holders, any(h.kind == "weight" for h in alone_t)),
        )
    )
    settle(rest_t, rest_k, _surroundings(torch, torch_holders), _surroundings(keras, keras_holders), neighbours)
    _loosely(pairs, torch_holders, keras_holders, (up_t, down_t), (up_k, down_k), taken)
    listed = sorted(pairs.items(), key=lambda p: keras_holders[p[1]].step.index)
    at = {pair: n for n, pair in enumerate(listed)}
    return Alignment(
        tuple((torch_holders[i], keras_holders[j]) for i, j in listed),
        tuple(h for i, h in enumerate(torch_holders) if i not in pairs),
        tuple(h for j, h in enumerate(keras_holders) if j not in pairs.values()),
        tuple(tuple(at[p] for p in group) for group in groups if all(p in at for p in group)),
        tuple(packed),
    )


def _loosely(
    pairs: dict[int, int], torch: Sequence[Holder], keras: Sequence[Holder], around_t, around_k, taken: set[Holder]
) -> None:
    """Layers of kindred kinds whose weights do not fit, but which stand between the same layers."""
    score = {}
    for i, t in enumerate(torch):
        for j, k in enumerate(keras):
            if (
                i in pairs
                or j in pairs.values()
                or t in taken
                or k in taken
                or kindred(t.kind) != kindred(k.kind)
                or not kindred(t.kind)
            ):
                continue
            near = 0
            for a, b in zip(around_t, around_k, strict=True):
                near += len({pairs[x] for x in a[i] if x in pairs} & b[j]) + (-1 in a[i] and -1 in b[j])
            if near:
                score[i, j] = float(near)
    used: set[int] = set()
    for (i, j), _ in sorted(score.items(), key=lambda item: (-item[1], item[0])):
        if i not in pairs and j not in used:
            pairs[i] = j
            used.add(j)


def kindred(kind: str) -> str:
    """What sort of layer a kind is: one that could be mistaken for another of its sort."""
    if kind.startswith(("Conv", "DepthwiseConv", "SeparableConv")):
        return "convolution"
    if kind.removesuffix("Cell") in ("LSTM", "GRU", "RNN", "SimpleRNN", "Bidirectional"):
        return "recurrent"
    return {"Linear": "dense", "Dense": "dense", "PReLU": "prelu", "Embedding": "embedding",
            "MultiheadAttention": "attention", "MultiHeadAttention": "attention"}.get(kind, "")  # fmt: skip


def _turned(up: Sequence[set[int]]) -> list[set[int]]:
    down: list[set[int]] = [set() for _ in up]
    for i, sources in enumerate(up):
        for j in sources:
            if j >= 0:
                down[j].add(i)
    return down


def _given(torch: Sequence[Holder], keras: Sequence[Holder], names: Mapping[str, str]) -> dict[int, int]:
    found = {}
    at_t = {h.path: i for i, h in enumerate(torch)}
    at_k = {h.path: j for j, h in enumerate(keras)} | {h.path.rpartition("/")[2]: j for j, h in enumerate(keras)}
    for a, b in names.items():
        if a not in at_t:
            raise XconvError(one_of("torch layer with weights", a, at_t))
        if b not in at_k:
            raise XconvError(one_of("Keras layer with weights", b, at_k))
        found[at_t[a]] = at_k[b]
    return found
