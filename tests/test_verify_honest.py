"""No verdict beyond what was seen: nothing is called proven that was not at fault, nothing equal that never moved."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
keras = pytest.importorskip("keras")

import torch.nn.functional as F  # noqa: E402
from torch import nn  # noqa: E402

from xconv.errors import XconvError  # noqa: E402
from xconv.verify import verify  # noqa: E402

K = keras.layers
SHAPE = (2, 3, 9, 9)


@pytest.fixture(autouse=True)
def _fresh_session():
    yield
    keras.backend.clear_session()


class Net(nn.Module):
    """What a function makes of modules that are named a, b, c."""

    def __init__(self, forward, **modules):
        super().__init__()
        self.made = forward
        for name, module in modules.items():
            setattr(self, name, module)

    def forward(self, x):
        return self.made(self, x)


def ours(forward, **modules):
    torch.manual_seed(0)
    return Net(forward, **modules).eval()


def theirs(*layers, shape=(9, 9, 3)):
    return keras.Sequential([keras.Input(shape), *layers])


def conv(bias=True):
    return nn.Conv2d(3, 4, 3, bias=bias)


def causes(report):
    return [(d.cause, d.confirmed, d.probe) for d in report.divergences]


def squeezed():
    return (
        ours(lambda m, x: m.b(F.adaptive_avg_pool2d(F.relu(m.a(x)), 1).squeeze()), a=conv(), b=nn.Linear(4, 5)),
        theirs(K.Conv2D(4, 3), K.ReLU(), K.GlobalAveragePooling2D(), K.Dense(5)),
    )


@pytest.mark.parametrize(("batch", "probe"), [(1, "default"), (2, "batch 1")])
def test_a_batch_of_one_that_squeeze_drops_is_told_as_that(batch, probe):
    report = verify(*squeezed(), (batch, 3, 9, 9))
    assert causes(report) == [("layout.shape", True, probe)]
    assert "squeeze" in report.divergences[0].explanation


def test_what_agrees_already_is_mended_by_nothing():
    from xconv.verify.diagnose import Doctor
    from xconv.verify.session import Fault

    class Session:
        K = None
        traces = (None, type("Trace", (), {"steps": (), "light": True}))

    fault = Fault(Session(), "between", 0, np.ones(3), np.ones(3), 0)
    assert Doctor(Session())._solution(fault, 10) is None


def test_where_there_is_only_nan_nothing_is_mended():
    from types import SimpleNamespace

    from xconv.verify.session import Fault

    nan = np.full(3, np.nan)
    fault = Fault(None, "between", 0, nan, np.ones(3), 0)
    assert not fault.solved(SimpleNamespace(value=lambda _: nan))


def test_a_branch_on_the_batch_is_found():
    report = verify(ours(lambda m, x: m.a(x) * (1 if len(x) > 1 else 2), a=conv()), theirs(K.Conv2D(4, 3)), SHAPE)
    assert report.verdict == "different"
    assert [d.probe for d in report.divergences] == ["batch 1"]


def test_nan_in_a_weight_is_one_sentence():
    net = ours(lambda m, x: m.a(x), a=conv())
    net.a.weight.data[0, 0, 0, 0] = float("nan")
    with pytest.raises(XconvError, match=r"a\.weight of the torch model holds NaN"):
        verify(net, theirs(K.Conv2D(4, 3)), SHAPE)


def dead(bias):
    net = ours(lambda m, x: F.relu(m.a(x)), a=conv())
    net.a.bias.data[:] = -1e4 + (0 if bias == "constant" else torch.arange(4))
    return net


@pytest.mark.parametrize(
    ("bias", "cap", "verdict", "cause"),
    [
        ("constant", 6, "different", [("activation.cap", True, "random weights")]),
        ("constant", None, "equivalent", []),  # random weights bring it to life
        ("several", None, "unproven", []),
    ],
)
def test_outputs_that_never_move_prove_nothing(bias, cap, verdict, cause):
    report = verify(dead(bias), theirs(K.Conv2D(4, 3), K.ReLU(max_value=cap)), SHAPE)
    assert (report.verdict, causes(report)) == (verdict, cause)
    assert any("the same for every input" in note for note in report.notes)


def test_inputs_of_zeros_prove_nothing():
    net, other = ours(lambda m, x: m.a(x), a=conv(bias=False)), theirs(K.Conv2D(4, 3, use_bias=False))
    assert verify(net, other, inputs=np.zeros(SHAPE), weights="as-is").verdict == "unproven"


def test_a_model_that_is_not_built_is_refused_and_one_that_a_function_makes_is_built_in_its_own_dtype():
    net = ours(lambda m, x: m.a(x), a=conv())
    unbuilt = keras.Sequential([K.Conv2D(4, 3)])
    with pytest.raises(XconvError, match="has no weights yet"):
        verify(net, unbuilt, SHAPE)
    assert not unbuilt.built
    made = []
    report = verify(net, lambda: made.append(keras.Sequential([K.Conv2D(4, 3)])) or made[0], SHAPE)
    assert report.verdict == "equivalent"
    assert report.user["dtype"] == "float32"
    assert made[0](np.zeros((1, 9, 9, 3), "float32")).shape == (1, 7, 7, 4)


def test_a_pair_that_no_rule_carries_is_a_bad_argument():
    net = ours(lambda m, x: m.b(m.a(x)), a=conv(), b=nn.BatchNorm2d(4))
    other = theirs(K.Conv2D(4, 3, name="a"), K.BatchNormalization(epsilon=1e-5, name="b"))
    with pytest.raises(XconvError, match=r"a=b: no rule carries torch's a \(Conv2d\) to Keras's b"):
        verify(net, other, SHAPE, names={"a": "b"})


def test_a_record_tells_the_first_place_and_what_it_hides_and_is_not_made_of_a_model_that_is_random(tmp_path):
    from xconv.verify.record import compare_files, write

    def net(noise=0.0):
        return ours(lambda m, x: F.relu(m.b(F.relu(m.a(F.pad(x, (1, 1, 1, 1)))))) + noise * torch.randn(1), a=conv(),
                    b=nn.BatchNorm2d(4))  # fmt: skip

    def other(epsilon=1e-5, last=0.0):
        normal = K.BatchNormalization(epsilon=epsilon, name="b")
        return theirs(K.ZeroPadding2D(1), K.Conv2D(4, 3, name="a"), K.ReLU(), normal, K.ReLU(), K.Rescaling(1.0, last))

    write(net(), tmp_path / "torch.xtrace", SHAPE, None)
    found = {}
    for name, changes in {"right": {}, "norm": {"epsilon": 1e-3}, "end": {"last": 1.0}}.items():
        file = tmp_path / f"{name}.xtrace"
        write(lambda changes=changes: other(**changes), file, SHAPE, None, weights=tmp_path / "torch.xtrace")
        found[name] = compare_files(tmp_path / "torch.xtrace", file)
    assert found["right"].verdict == "equivalent"
    assert found["right"].compared["weights"] == 6
    assert [d.keras.path.rpartition("/")[2] for d in found["norm"].divergences] == ["b"]  # not the padded a
    assert "normal = K.BatchNormalization" in found["norm"].divergences[0].keras.code
    assert "all layers in front of it agree" in found["end"].divergences[0].explanation
    with pytest.raises(XconvError, match="random at inference"):
        write(net(noise=0.1), tmp_path / "random.xtrace", SHAPE, None)
    assert not (tmp_path / "random.xtrace").exists()


def test_dropout_that_one_side_lacks_is_noted_and_counts_where_training_is_compared():
    net = ours(lambda m, x: m.b(F.dropout(F.relu(m.a(x)), 0.3, m.training).flatten(1)), a=conv(), b=nn.Linear(196, 3))
    other = theirs(K.Conv2D(4, 3), K.ReLU(), K.Dropout(0.3), K.Flatten(), K.Dense(3))
    lacking = theirs(K.Conv2D(4, 3), K.ReLU(), K.Flatten(), K.Dense(3))
    notes = {name: verify(net, k, SHAPE, probes=True).notes for name, k in (("same", other), ("none", lacking))}
    assert not any("drops" in note for note in notes["same"])
    assert any("torch drops 0.3 and Keras nothing" in note for note in notes["none"])


def norms(*momentums):
    layers = [K.BatchNormalization(epsilon=1e-5, **({} if m is None else {"momentum": m})) for m in momentums]
    return theirs(*layers)


@pytest.mark.parametrize(
    ("momentums", "verdict"), [((None, None), "equivalent"), ((0.9, 0.9), "equivalent"), ((0.9, None), "different")]
)
def test_a_momentum_that_one_of_several_layers_lacks_was_forgotten(momentums, verdict):
    net = ours(lambda m, x: m.b(m.a(x)), a=nn.BatchNorm2d(3), b=nn.BatchNorm2d(3))
    report = verify(net, norms(*momentums), SHAPE)
    assert report.verdict == verdict
    if verdict == "different":
        assert causes(report) == [("norm.momentum", True, "training statistics")]


def test_inputs_that_keras_takes_in_another_order_are_told_as_that():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Conv2d(3, 4, 3), nn.Embedding(9, 4)

        def forward(self, picture, words):
            return self.a(picture).mean((2, 3)) + self.b(words).mean(1)

    def keras_two(swapped):
        picture, words = keras.Input((9, 9, 3)), keras.Input((5,), dtype="int32")
        x = K.GlobalAveragePooling2D()(K.Conv2D(4, 3)(picture)), K.GlobalAveragePooling1D()(K.Embedding(9, 4)(words))
        return keras.Model([words, picture] if swapped else [picture, words], K.Add()(x))

    shapes = [SHAPE, (2, 5)]
    assert verify(Two(), keras_two(False), shapes).verdict == "equivalent"
    assert causes(verify(Two(), keras_two(True), shapes)) == [("wiring.input_order", True, "default")]


def test_an_axis_is_told_in_both_layouts():
    report = verify(ours(lambda m, x: m.a(x).softmax(1), a=conv()), theirs(K.Conv2D(4, 3), K.Softmax(axis=1)), SHAPE)
    said = report.divergences[0]
    assert said.explanation.startswith(
        "torch applies softmax(dim=1), which is axis -1 of Keras's layout; Keras softmax("
    )
    assert said.remedy.startswith("use softmax(axis=-1)")


def test_one_run_of_one_sample_says_nothing_of_what_moves():
    from xconv.verify.result import Life

    life = Life()
    life.see([np.arange(3.0)[None]], 1)
    assert not life.none  # unknown
    life.see([np.arange(3.0)[None]], 1)  # of other inputs
    assert life.none
    life.see([np.ones((2, 3))], 2)
    assert not life.none
    constant = Life()
    constant.see([np.zeros((1, 3))], 1)
    assert constant.none


class Fitted(K.Layer):
    def call(self, x):
        return keras.ops.image.resize(x, (14, 14), interpolation="nearest")


def test_a_resize_that_names_its_size_is_not_judged_at_another():
    net = ours(lambda m, x: F.interpolate(m.a(x), scale_factor=2), a=conv())
    report = verify(net, theirs(K.Conv2D(4, 3), Fitted(), shape=(None, None, 3)), SHAPE)
    assert report.verdict == "equivalent"
    assert any("made for its size" in note for note in report.notes)
