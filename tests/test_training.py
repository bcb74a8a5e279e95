"""Paired training: the same weights, batches and masks in both frameworks end at the same weights, to rounding."""

import keras
import numpy as np
import pytest
import torch
from torch import nn

from xconv.block import block
from xconv.errors import XconvError
from xconv.frameworks.keras import true_float64
from xconv.training import SGD, Adam, AdamW, Loss, RMSprop, train
from xconv.training import keras as on_keras
from xconv.training import torch as on_torch
from xconv.training.digits import OPTIMIZERS, on_digits
from xconv.training.keras import precision
from xconv.training.masks import Masks
from xconv.training.recipe import CLIP

CLOSE = 1e-9
RNG = np.random.default_rng(0)
X = RNG.normal(size=(48, 3, 8, 8))
TENSORFLOW = pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="a law of Keras on TensorFlow")


@pytest.fixture(autouse=True)
def _float64():
    keras.utils.clear_session()
    with precision("float64"):
        yield


def torch_net(outputs=4, last=None):
    layers = {"conv": nn.Conv2d(3, 5, 3), "relu": nn.ReLU(), "mean": nn.AdaptiveAvgPool2d(1), "flat": nn.Flatten()}
    layers["dense"] = nn.Linear(5, outputs)
    if last:
        layers["last"] = last
    net = nn.Sequential()
    for name, layer in layers.items():
        net.add_module(name, layer)
    return net.double()


def keras_net(outputs=4, last=None):
    return keras.Sequential([
        keras.Input((8, 8, 3)), keras.layers.Conv2D(5, 3, activation="relu", name="conv"),
        keras.layers.GlobalAveragePooling2D(), keras.layers.Dense(outputs, activation=last, name="dense"),
    ])  # fmt: skip


CLASSES = RNG.integers(0, 4, 48)
TARGETS = {
    "sparse_categorical_crossentropy": CLASSES,
    "categorical_crossentropy": np.eye(4)[CLASSES],
    "binary_crossentropy": (RNG.random((48, 4)) > 0.5).astype(float),
    "mean_squared_error": RNG.normal(size=(48, 4)),
    "mean_absolute_error": RNG.normal(size=(48, 4)),
    "huber": 2 * RNG.normal(size=(48, 4)),
}
ENTROPIES = [
    (Loss(name, logits, smoothing), None if logits else last)
    for name, last in (("sparse_categorical_crossentropy", "softmax"), ("categorical_crossentropy", "softmax"),
                       ("binary_crossentropy", "sigmoid"))
    for logits in (True, False) for smoothing in (0.0, 0.1)
]  # fmt: skip
OTHERS = [(Loss("mean_squared_error"), None), (Loss("mean_absolute_error"), None), (Loss("huber", delta=0.7), None)]


@pytest.mark.parametrize(("loss", "last"), ENTROPIES + OTHERS, ids=lambda v: str(v).replace("Loss", ""))
def test_every_loss_trains_alike(loss, last):
    module = {"softmax": nn.Softmax(1), "sigmoid": nn.Sigmoid(), None: None}[last]
    seen = train(torch_net(last=module), keras_net(last=last), X, TARGETS[loss.name], loss=loss, optimizer=SGD(0.1),
                 steps=5, batch_size=16)  # fmt: skip
    assert seen.verdict == "equivalent", seen
    assert seen.worst.max_rel < 1e-13


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_digits_end_at_the_same_weights_and_accuracy(name):
    seen = on_digits(OPTIMIZERS[name], steps=12)
    assert seen.verdict == "equivalent", seen
    assert seen.worst.max_rel < CLOSE
    assert seen.accuracy["torch"] == seen.accuracy["keras"]


NETS = [
    "lenet",
    "nin",
    "satellite_net",
    "small_inception",
    "small_mobilenet",
    "small_resnet",
    "small_resnext",
    "small_vgg",
]


@pytest.mark.parametrize("name", NETS)
def test_the_small_nets_train_alike_dropouts_and_statistics_included(name):
    net = block(name)
    case = net.cases[0]
    x = RNG.normal(size=(12, *case.shape[1:]))
    with on_torch.seeded(0):
        model, twin = net.room("torch").build(case.config).double(), net.room("keras").build(case.config)
    if not twin.built:
        twin.build((None, *case.shape[2:], case.shape[1]))
    seen = train(model, twin, x, RNG.integers(0, 5, 12), loss=Loss("sparse_categorical_crossentropy"),
                 optimizer=SGD(0.05, 0.9), steps=3, batch_size=6, rules=net.rules(case.config))  # fmt: skip
    assert seen.verdict == "equivalent", seen
    assert len(seen.weights) == len({w.name for w in seen.weights}) > 9


def everything():
    """Dropout of two kinds, also after a flatten, batch normalisation, regularisers, constraints.

    No bias before the normalisation: its gradient is nothing but rounding, which Adam divides by itself.
    """
    from xconv.constraints import MaxNorm
    from xconv.constraints.keras import native as constraint
    from xconv.regularizers import L2
    from xconv.regularizers.keras import native as regularizer
    from xconv.torch import Conv2d

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = Conv2d(3, 4, 3, bias=False, weight_regularizer=L2(0.01), weight_constraint=MaxNorm(0.8))
            self.norm = nn.BatchNorm2d(4)
            self.drop2d, self.drop = nn.Dropout2d(0.3), nn.Dropout(0.4)
            self.dense = nn.Linear(4 * 36, 4)

        def forward(self, x):
            x = self.drop2d(torch.relu(self.norm(self.conv(x))))
            return self.dense(self.drop(x.flatten(1)))

    twin = keras.Sequential([
        keras.Input((8, 8, 3)),
        keras.layers.Conv2D(4, 3, use_bias=False, name="conv", kernel_regularizer=regularizer(L2(0.01)),
                            kernel_constraint=constraint(MaxNorm(0.8), 4)),
        keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name="norm"), keras.layers.ReLU(),
        keras.layers.SpatialDropout2D(0.3, name="drop2d"), keras.layers.Flatten(),
        keras.layers.Dropout(0.4, name="drop"), keras.layers.Dense(4, name="dense"),
    ])  # fmt: skip
    return Net().double(), twin


def train_everything(**words):
    from xconv.rules import flattened

    given = {"rules": {"dense": flattened(4, (6, 6))}, "flattened": {"drop": (4, 6, 6)}, "steps": 8, "batch_size": 12}
    return train(*everything(), X, CLASSES, loss=Loss("sparse_categorical_crossentropy", from_logits=True),
                 optimizer=Adam(0.01), **(given | words))  # fmt: skip


@pytest.mark.parametrize("batch_norm", ["keras", "native"])
def test_dropout_normalisation_regularisers_and_constraints_train_alike(batch_norm):
    seen = train_everything(batch_norm=batch_norm)
    assert seen.verdict == "equivalent", seen
    assert seen.worst.max_rel < 1e-12, (seen.weights, seen.losses["torch"] - seen.losses["keras"])
    assert {"norm.moving_variance", "norm.gamma", "conv.kernel"} <= {w.name for w in seen.weights}


def test_a_mask_in_the_wrong_order_is_seen():
    assert train_everything(flattened=None).verdict == "different"


@pytest.mark.parametrize("fault", ["rate", "momentum", "weight", "batch", "frozen"])
def test_a_planted_fault_is_seen(fault):
    left, right = torch_net(), keras_net()
    words = {"optimizer": SGD(0.1, 0.9), "weights": "from-torch", "steps": 5, "batch_size": 16}
    if fault in ("rate", "momentum"):
        other = keras.optimizers.SGD(
            0.1000001 if fault == "rate" else 0.1, np.float64(0.9 + (fault == "momentum") * 1e-7)
        )
        words["optimizer"] = {"torch": torch.optim.SGD(left.parameters(), 0.1, 0.9), "keras": other}
    if fault == "weight":
        words["weights"] = "as-is"
    if fault == "batch":
        right.call = (lambda call: lambda x, **kw: call(keras.ops.flip(x, 0), **kw))(right.call)
    if fault == "frozen":
        words["optimizer"] = SGD(0.0)
    seen = train(left, right, X, TARGETS["huber"], loss=Loss("huber"), **words)
    assert seen.verdict == ("unproven" if fault == "frozen" else "different"), seen


def steps(optimizer, gradients, start, side):
    """Where one weight goes under a sequence of gradients."""
    if side == "torch":
        w = nn.Parameter(torch.tensor(start))
        made = on_torch.make_optimizer(nn.ParameterList([w]), optimizer)
        for g in gradients:
            w.grad = torch.tensor(g)
            made.step()
        return w.detach().numpy()
    w = keras.Variable(start, dtype="float64")
    made = on_keras.make_optimizer(optimizer)
    for g in gradients:
        made.apply([keras.ops.convert_to_tensor(g)], [w])
    return keras.ops.convert_to_numpy(w)


START, GRADIENTS = RNG.normal(size=6), RNG.normal(size=(7, 6)) * 10.0 ** np.arange(-8, -2)
LAWFUL = [
    SGD(0.1, 0.9, True, 0.01), RMSprop(0.01, momentum=0.5), RMSprop(0.01, centered=True), Adam(0.01),
    Adam(0.01, amsgrad=True), AdamW(0.01),
]  # fmt: skip


@pytest.mark.parametrize("convention", ["keras", "torch"])
@pytest.mark.parametrize("optimizer", LAWFUL, ids=str)
def test_each_side_has_an_exact_partner_for_the_others_own_optimizer(optimizer, convention):
    """The framework that owns the definition runs its own class; the other its partner."""
    made = type(optimizer)(**{**vars(optimizer), "convention": convention})
    ends = [steps(made, GRADIENTS, START, side) for side in ("torch", "keras")]
    np.testing.assert_allclose(*ends, rtol=1e-12)
    owner = {"keras": on_keras.make_optimizer(made), "torch": on_torch.make_optimizer(torch_net(), made)}[convention]
    assert type(owner).__module__.startswith({"keras": "keras", "torch": "torch"}[convention])


@pytest.mark.parametrize("optimizer", LAWFUL, ids=str)
def test_left_to_themselves_they_differ(optimizer):
    made = type(optimizer)(**{**vars(optimizer), "convention": "native"})
    ends = [steps(made, GRADIENTS, START, side) for side in ("torch", "keras")]
    assert np.abs(ends[0] - ends[1]).max() > 1e-8


def adam(gradients, w, rate, e, hat):
    m = v = 0
    for t, g in enumerate(gradients, 1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
        root = np.sqrt(v / (1 - 0.999**t)) + (e / np.sqrt(1 - 0.999**t) if hat else e)
        w = w - rate * m / (1 - 0.9**t) / root
    return w


def rmsprop(gradients, w, rate, e, inside):
    v = 0
    for g in gradients:
        v = 0.9 * v + 0.1 * g * g
        w = w - rate * g / (np.sqrt(v + e) if inside else np.sqrt(v) + e)
    return w


def sgd(gradients, w, rate, mu, decay, coupled):
    b = 0
    for g in gradients:
        g, w = (g + decay * w, w) if coupled else (g, w - rate * decay * w)
        b = mu * b + g
        w = w - rate * b
    return w


@pytest.mark.parametrize("side", ["torch", "keras"])
def test_the_laws_are_the_formulas(side):
    """Each framework's own optimizer is its own formula, and only its own."""
    own = side == "keras"
    for optimizer, formula in (
        (Adam(0.01, convention="native"), lambda mine: adam(GRADIENTS, START, 0.01, 1e-7, mine)),
        (RMSprop(0.01, convention="native"), lambda mine: rmsprop(GRADIENTS, START, 0.01, 1e-7, mine)),
        (SGD(0.1, 0.9, False, 0.01, "native"), lambda mine: sgd(GRADIENTS, START, 0.1, 0.9, 0.01, not mine)),
    ):
        end = steps(optimizer, GRADIENTS, START, side)
        np.testing.assert_allclose(end, formula(own), rtol=1e-12)
        assert np.abs(end - formula(not own)).max() > 1e-9


def test_hooks_of_a_partner_run_once_a_step_whatever_else_lives():
    torch.optim.Adam(torch_net().parameters())  # from now on torch's own step is wrapped
    model, calls = torch_net(), []
    partner = on_torch.Adam(model.parameters())
    partner.register_step_post_hook(lambda *_: calls.append(1))
    model(torch.tensor(X)).sum().backward()
    partner.step()
    assert len(calls) == 1


def test_momentum_keeps_old_rates_in_keras_and_takes_new_ones_in_torch():
    def ends(make_torch):
        w = nn.Parameter(torch.tensor(START))
        ours, v = make_torch([w], lr=0.1, momentum=0.9), keras.Variable(START, dtype="float64")
        theirs = keras.optimizers.SGD(0.1, np.float64(0.9))
        for k, g in enumerate(GRADIENTS):
            ours.param_groups[0]["lr"], theirs.learning_rate = 0.1 / (k + 1), 0.1 / (k + 1)
            w.grad = torch.tensor(g)
            ours.step()
            theirs.apply([keras.ops.convert_to_tensor(g)], [v])
        return w.detach().numpy(), keras.ops.convert_to_numpy(v)

    np.testing.assert_allclose(*ends(on_torch.SGD), rtol=1e-13)
    plain = ends(torch.optim.SGD)
    assert np.abs(plain[0] - plain[1]).max() > 1e-6


@TENSORFLOW
def test_a_python_float_goes_through_float32_and_a_numpy_one_arrives_whole():
    def end(momentum):
        w = keras.Variable(START, dtype="float64")
        optimizer = keras.optimizers.SGD(0.1, momentum)
        for g in GRADIENTS:
            optimizer.apply([keras.ops.convert_to_tensor(g)], [w])
        return keras.ops.convert_to_numpy(w)

    whole, rounded = (sgd(GRADIENTS, START, 0.1, mu, 0, False) for mu in (0.9, float(np.float32(0.9))))
    np.testing.assert_allclose(end(np.float64(0.9)), whole, rtol=1e-15)
    np.testing.assert_allclose(end(0.9), rounded, rtol=1e-15)
    assert np.abs(whole - rounded).max() > 1e-12


@TENSORFLOW
def test_l2_s_factor_goes_through_float32_too():
    regularizer, w = keras.regularizers.L2(0.01), keras.ops.convert_to_tensor(START)
    assert float(regularizer(w)) == pytest.approx(float(np.float32(0.01)) * (START**2).sum(), rel=1e-15)
    regularizer.l2 = np.float64(0.01)
    assert float(regularizer(w)) == pytest.approx(0.01 * (START**2).sum(), rel=1e-15)


@TENSORFLOW
def test_sparse_cross_entropy_on_tensorflow_divides_the_clipped_by_their_sum():
    p = np.array([[1 - 3e-8, 1e-8, 1e-8, 1e-8], [0.1, 0.2, 0.3, 0.4]])
    target = np.array([0, 2])
    clipped = p.clip(CLIP, 1 - CLIP)
    plain = -np.log(clipped[[0, 1], target])
    losses = [
        keras.ops.convert_to_numpy(f(keras.ops.convert_to_tensor(t), keras.ops.convert_to_tensor(p)))
        for f, t in ((keras.losses.sparse_categorical_crossentropy, target),
                     (keras.losses.categorical_crossentropy, np.eye(4)[target]))
    ]  # fmt: skip
    np.testing.assert_allclose(losses[0], plain + np.log(clipped.sum(1)), rtol=1e-9, atol=1e-16)
    np.testing.assert_allclose(losses[1], plain, rtol=1e-9)
    assert abs(losses[0] - losses[1]).max() > 1e-8


def test_running_variances_differ_by_n_over_n_minus_one():
    norm, model = nn.BatchNorm2d(3).double(), keras.layers.BatchNormalization(momentum=0.9, epsilon=1e-5)
    model.build((None, 8, 8, 3))
    norm(torch.tensor(X))
    model(np.moveaxis(X, 1, -1), training=True)
    n = X.size // 3
    theirs = keras.ops.convert_to_numpy(model.moving_variance)
    np.testing.assert_allclose((norm.running_var.numpy() - 0.9), (theirs - 0.9) * n / (n - 1), rtol=1e-12)


@pytest.mark.skipif(keras.backend.backend() == "tensorflow", reason="TensorFlow's float64 is float64")
def test_float64_is_float32_elsewhere_unless_told_otherwise():
    mean = keras.ops.mean(keras.ops.convert_to_tensor(X))
    with true_float64():
        assert abs(float(keras.ops.mean(keras.ops.convert_to_tensor(X))) - X.mean()) < 1e-15
    assert mean is not None


def test_masks_are_shared_and_in_each_sides_own_layout():
    masks = Masks(3, {"flat": (2, 3, 4)})
    first = masks.draw("drop", 0, (5, 2, 3, 4), 0.25)
    assert set(np.unique(first)) == {0, 1 / 0.75}
    np.testing.assert_array_equal(np.moveaxis(first, 1, -1), masks.draw_last("drop", 0, (5, 3, 4, 2), 0.25))
    flat = masks.draw("flat", 0, (5, 24), 0.25)
    turned = np.moveaxis(flat.reshape(5, 2, 3, 4), 1, -1).reshape(5, 24)
    np.testing.assert_array_equal(turned, masks.draw_last("flat", 0, (5, 24), 0.25))
    assert masks.draw("drop", 0, (5, 2, 3, 4), 0.5, spatial=True).shape == (5, 2, 1, 1)
    assert not np.array_equal(first, masks.draw("drop", 1, (5, 2, 3, 4), 0.25))
    masks.step = 1
    assert not np.array_equal(first, masks.draw("drop", 0, (5, 2, 3, 4), 0.25))


class Random(nn.Module):
    def forward(self, x):
        return nn.functional.dropout(x, 0.5, self.training)


REFUSED = [
    (lambda: torch_net().float(), keras_net, {}, "needs one dtype"),
    (lambda: torch_net(last=nn.Dropout(0.5)), keras_net, {}, "dropouts without partner: last in torch"),
    (lambda: torch_net(last=Random()), keras_net, {}, "outside nn.Dropout"),
    (torch_net, keras_net, {"batch_size": 100}, "from 1 to the number of examples, 48"),
    (torch_net, keras_net, {"weights": "from-torhc"}, "did you mean 'from-torch'"),
    (torch_net, keras_net, {"batch_norm": "both"}, "unknown batch_norm 'both'"),
]


@pytest.mark.parametrize(("left", "right", "words", "sentence"), REFUSED)
def test_what_cannot_be_trained_alike_is_refused_in_a_sentence(left, right, words, sentence):
    given = {"steps": 2, "batch_size": 16, "loss": Loss("huber"), "optimizer": SGD()}
    with pytest.raises(XconvError, match=sentence):
        train(left(), right(), X, TARGETS["huber"], **(given | words))


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda: Loss("hubber"), "did you mean 'huber'"),
        (lambda: Loss("huber", from_logits=True), "neither logits nor label smoothing"),
        (lambda: Loss("binary_crossentropy", label_smoothing=1.5), "must be from 0 to 1"),
        (lambda: Adam(convention="tensorflow"), "unknown convention 'tensorflow'"),
    ],
)
def test_a_wrong_recipe_is_refused_in_a_sentence(make, sentence):
    with pytest.raises(XconvError, match=sentence):
        make()


def test_models_are_given_back_as_they_were():
    """Dropouts draw their own masks again, and no hook stays."""
    model = torch_net(last=nn.Dropout(0.5))
    trainer = on_torch.Trainer(model, Loss("huber"), SGD(), Masks(0))
    trainer.close()
    assert "forward" not in vars(model.last)
    assert not model._forward_pre_hooks
