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

    class Agrees:
        actual = np.zeros(1)

        def solved(self, machine):
            return True

    class Session:
        K = traces = (None, type("Trace", (), {"steps": (), "light": True}))

    assert Doctor(Session())._solution(Agrees(), 10) is None


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
