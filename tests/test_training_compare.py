"""Training compared: what is alike raises no alarm, what is planted is found, proven, and left as it was found."""

from contextlib import contextmanager

import numpy as np
import pytest

keras = pytest.importorskip("keras")
torch = pytest.importorskip("torch")

from xconv.carry import carry  # noqa: E402
from xconv.errors import XconvError  # noqa: E402
from xconv.frameworks import keras as K  # noqa: E402
from xconv.frameworks import torch as T  # noqa: E402
from xconv.rules import rule  # noqa: E402
from xconv.verify import mistakes, verify  # noqa: E402
from xconv.verify.holders import Holder  # noqa: E402
from xconv.verify.precision.keras import lifted  # noqa: E402
from xconv.verify.training.compare import Findings, compare_training  # noqa: E402
from xconv.verify.training.gradients import compare_gradients  # noqa: E402
from xconv.verify.training.losses import apart, targets, transforms  # noqa: E402
from xconv.verify.training.sides import Pair  # noqa: E402
from xconv.verify.training.updates import Clip, Mover, Optimizer, Rule  # noqa: E402

SAMPLE = [
    "trained_alike", "penalty_is_half_the_decay", "clipped_together_alike", "labels_not_smoothed",
    "penalty_is_the_decay", "adam_epsilon_left_at_default", "rate_changed_under_momentum", "gradient_stopped_in_keras",
]  # fmt: skip


@contextmanager
def prepared(case: mistakes.Case):
    """Both models of a case in float64, torch's weights carried by equal names; batches; pairs."""
    made = mistakes.pair(case)
    ours, theirs = made.torch().double(), made.keras()
    with lifted(theirs):
        K.load(theirs, carry(T.leaves(ours), K.leaves(theirs), "torch"))
        here, there = T.tensors(ours), K.variables(theirs)
        pairs = [Pair(Holder(p, *here[p]), Holder(p, *there[p]), rule(here[p][0], there[p][0])) for p in here]

        def batches(step):
            x = np.random.default_rng([3, step]).normal(size=made.shapes[0])
            return [x], [np.moveaxis(x, 1, -1)]

        def numbers():
            return [w.copy() for side in (T.leaves(ours), K.leaves(theirs)) for leaf in side.values()
                    for w in leaf.weights.values()]  # fmt: skip

        before = numbers()
        yield ours, theirs, batches, pairs
        assert all(np.array_equal(a, b) for a, b in zip(before, numbers(), strict=True))
        assert not ours.training
        assert not any(module._forward_pre_hooks for module in ours.modules())


def compared(case: mistakes.Case, training=None) -> Findings:
    with prepared(case) as (ours, theirs, batches, pairs):
        return compare_training(ours, theirs, training or mistakes.pair(case).training, batches, pairs=pairs)


@pytest.mark.parametrize("name", SAMPLE)
def test_training_is_judged_as_planted_and_both_models_are_left_as_they_were(name):
    case = mistakes.cases()[name]
    found = compared(case)
    assert found.unproven == ()
    assert [(d.cause, d.confirmed) for d in found.divergences] == ([(case.cause, True)] if case.faulty else [])
    for divergence in found.divergences:
        assert divergence.explanation
        assert divergence.remedy
        assert divergence.keras.source or divergence.keras.path


def test_two_faults_of_one_training_are_both_found():
    case = mistakes.cases()["trained_alike"]
    both = mistakes.Case("both", case.net, "loss.reduction", torch={"reduction": "sum"}, keras={"momentum": 0.9},
                         mode="training", recipe="classify", family="training")  # fmt: skip
    found = compared(both)
    assert {(d.cause, d.confirmed) for d in found.divergences} == {
        ("loss.reduction", True),
        ("optimizer.momentum", True),
    }


class Clipped(torch.optim.SGD):
    """Clips in its step, as users write it."""

    def step(self, closure=None):
        torch.nn.utils.clip_grad_norm_([p for group in self.param_groups for p in group["params"]], 0.05)
        return super().step(closure)


@pytest.mark.parametrize(("word", "causes"), [("global_clipnorm", []), ("clipnorm", ["optimizer.clipping"])])
def test_an_optimizer_that_descends_from_the_frameworks_has_its_formula(word, causes):
    case = mistakes.cases()["trained_alike"]
    loss = {"torch": torch.nn.CrossEntropyLoss(), "keras": keras.losses.SparseCategoricalCrossentropy(from_logits=True)}

    def ours(model):
        return {"optimizer": Clipped(model.parameters(), lr=0.1), "loss": loss["torch"]}

    def theirs(model):
        return {"optimizer": keras.optimizers.SGD(0.1, **{word: 0.05}), "loss": loss["keras"]}

    found = compared(case, (ours, theirs)).divergences
    assert [d.cause for d in found if d.confirmed] == [d.cause for d in found] == causes
    assert all(d.remedy == "global_clipnorm=0.05" for d in found)


class Reader(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.fc = torch.nn.GRU(3, 4, batch_first=True), torch.nn.Linear(4, 2)

    def forward(self, x):
        return self.fc(self.rnn(x)[1][0])


def test_what_is_proven_of_an_optimizer_holds_for_a_gru_whose_two_biases_are_two_in_keras_too():
    def ours(model):
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.8, nesterov=True)
        return {"optimizer": optimizer, "loss": torch.nn.MSELoss()}

    def theirs(model):
        return {"optimizer": keras.optimizers.SGD(0.1, momentum=0.8), "loss": "mse"}

    net = keras.Sequential([keras.Input((5, 3)), keras.layers.GRU(4), keras.layers.Dense(2)])
    found = verify(Reader(), net, (4, 5, 3), training=(ours, theirs), probes=False).divergences
    assert [(d.cause, d.confirmed) for d in found] == [("optimizer.nesterov", True)]


def test_a_set_up_that_makes_no_sense_is_one_sentence():
    case = mistakes.cases()["trained_alike"]
    right = mistakes.pair(case).training
    with pytest.raises(XconvError, match="must give"):
        compared(case, (lambda model: None, right[1]))
    with pytest.raises(XconvError, match="did you mean 'after_step'"):
        compared(case, (lambda model: right[0](model) | {"afterstep": None}, right[1]))


# without any framework -----------------------------------------------------------------------------------------------


def test_what_is_zero_on_one_side_is_infinitely_far_from_the_other():
    assert apart(np.ones(3), np.zeros(3)) == np.inf
    assert apart(np.zeros(3), np.zeros(3)) == 0.0
    assert apart(np.ones(3), np.full(3, 2.0)) == 0.5


def test_clipping_has_three_scopes():
    g = {"a": np.array([3.0, 4.0]), "b": np.array([0.3])}
    assert np.allclose(Clip("each", 1.0)(g)["a"], [0.6, 0.8])
    assert np.allclose(Clip("each", 1.0)(g)["b"], [0.3])
    assert np.isclose(sum((v**2).sum() for v in Clip("all", 1.0)(g).values()), 1.0)
    assert np.allclose(Clip("value", 1.0)(g)["a"], [1, 1])


def moved(rule: Rule, rates=(0.1, 0.01, 0.01)) -> np.ndarray:
    gradients = [{"w": np.array([0.5, -2.0])}, {"w": np.array([1.5, 0.1])}, {"w": np.array([-0.3, 0.2])}]
    mover, w = Mover(Optimizer({"w": rule}, Clip(), [{"w": r} for r in rates])), {"w": np.array([1.0, -1.0])}
    for g in gradients:
        w = mover(w, g)
    return w["w"]


@pytest.mark.parametrize("nesterov", [False, True])
def test_where_the_rate_stands_counts_only_when_it_changes(nesterov):
    outside = Rule("sgd", momentum=0.9, nesterov=nesterov)
    inside = Rule("sgd", momentum=0.9, nesterov=nesterov, rate_in_buffer=True)
    assert np.allclose(moved(outside, (0.1, 0.1, 0.1)), moved(inside, (0.1, 0.1, 0.1)), rtol=1e-14)
    assert apart(moved(outside), moved(inside)) > 1e-3


def test_decay_of_plain_sgd_is_the_same_coupled_and_decoupled_but_not_with_momentum():
    assert np.allclose(moved(Rule("sgd", coupled=0.1)), moved(Rule("sgd", decoupled=0.1)), rtol=1e-14)
    assert apart(moved(Rule("sgd", momentum=0.9, coupled=0.1)), moved(Rule("sgd", momentum=0.9, decoupled=0.1))) > 1e-4


def test_the_hat_counts_only_with_an_epsilon():
    adam = {"beta_1": 0.9, "beta_2": 0.999}
    hat, after = (Rule("adam", epsilon=1e-3, epsilon_place=place, **adam) for place in ("hat", "corrected"))
    assert apart(moved(hat), moved(after)) > 1e-6
    hat, after = (Rule("adam", epsilon=0.0, epsilon_place=place, **adam) for place in ("hat", "corrected"))
    assert np.allclose(moved(hat), moved(after), rtol=1e-14)


def test_class_weights_are_read_from_gradients_alone():
    rng = np.random.default_rng(0)
    weights = np.array([1.0, 2.0, 3.0, 0.5])
    outputs = [rng.normal(size=(9, 4)) for _ in range(3)]
    classes = [targets("classes", (9, 4), rng) for _ in range(3)]

    def entropy(p, y):
        e = np.exp(p)
        return (e / e.sum(1, keepdims=True) - np.eye(4)[y]) * weights[y][:, None]

    mine = [entropy(p, y) / y.size for p, y in zip(outputs, classes, strict=True)]
    theirs = [entropy(p, y) / weights[y].sum() for p, y in zip(outputs, classes, strict=True)]
    good = [t for t in transforms(mine, theirs, outputs, classes)
            if all(apart(t.apply(g, p, y), r) < 1e-9
                   for g, p, y, r in zip(mine, outputs, classes, theirs, strict=True))]  # fmt: skip
    assert [t.cause for t in good] == ["loss.class_weight"]


GATES = [("trained_alike", None), ("gradient_detached_in_torch", "gradient.stopped")]


@pytest.mark.parametrize(("name", "cause"), GATES)
def test_gradients_are_compared_on_request_without_any_set_up(name, cause):
    case = mistakes.cases()[name]
    with prepared(case) as (ours, theirs, batches, pairs):
        found = compare_gradients(ours, theirs, batches, pairs)
    assert [d.cause for d in found.divergences] == ([cause] if cause else [])
    assert found.compared["gradients"] == 10  # nine weights and an input
