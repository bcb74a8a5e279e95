"""Blocks as ONNX files: minimal, the same from both frameworks, run before they are handed over."""

import math
import os
import subprocess
import sys

import numpy as np
import onnx
import pytest

from xconv.block import block, blocks
from xconv.carry import by_path, carry
from xconv.draw import draw, numbers
from xconv.errors import XconvError
from xconv.frameworks import door
from xconv.onnx import check
from xconv.onnx.export import block_model, export, export_source, flat
from xconv.onnx.float64 import lower, widen
from xconv.onnx.runtimes import chosen, runtimes
from xconv.onnx.sources import Options, Source, block_source, drawn, instance, torch_leaves
from xconv.onnx.special import erf

CASES = [(name, case) for name, b in blocks().items() for case in b.cases]


@pytest.mark.parametrize("name", blocks())
def test_the_files_of_torch_and_keras_are_identical(name, tmp_path):
    subject = block(name)
    case = subject.cases[0]
    torch_layer, *_ = instance(subject, case, "torch", "float32")
    keras_layer, *_ = instance(subject, case, "keras", "float32")
    door("torch").load(torch_layer, draw(door("torch").leaves(torch_layer), 0))
    theirs = door("keras").leaves(keras_layer)
    door("keras").load(
        keras_layer, carry(door("torch").leaves(torch_layer), theirs, "torch", rows=subject.rules(case.config))
    )
    files = [
        block_model(subject, case.config, torch_leaves(layer, subject, case), case.shape).SerializeToString(
            deterministic=True
        )
        for layer in (torch_layer, keras_layer, torch_layer)
    ]
    assert files[0] == files[1] == files[2]


def test_every_case_has_the_minimal_graph_in_a_valid_file():
    for name, case in CASES:
        leaves = drawn(block(name), case, "torch")
        model = block_model(block(name), case.config, leaves, case.shape)
        onnx.checker.check_model(model, full_check=True)
        assert len(model.graph.node) == case.nodes, f"{name} {case.name}"
        assert [model.graph.input[0].name, model.graph.output[0].name] == ["x", "y"]


@pytest.mark.parametrize("opset", [13, 17, 20, 26])
def test_the_opset_is_the_one_that_was_asked_for(opset, tmp_path):
    done = export("residual_basic", tmp_path / "m.onnx", opset=opset)
    assert done.opset == onnx.load(done.path).opset_import[0].version == opset


def test_opsets_that_runtimes_get_wrong_or_do_not_know_are_refused(tmp_path):
    for opset in (7, 10, 12, 27):
        with pytest.raises(XconvError, match="opset"):
            export("conv", tmp_path / "m.onnx", opset=opset)
    assert not list(tmp_path.iterdir())


def test_channels_last_ends_cost_one_transpose_each_and_none_between(tmp_path):
    done = export("residual_basic", tmp_path / "m.onnx", layout="channels_last")
    ops = [node.op_type for node in onnx.load(done.path).graph.node]
    assert ops[0] == ops[-1] == "Transpose"
    assert ops.count("Transpose") == 2
    assert ops[-3:-1] == ["Add", "Relu"]
    assert done.inputs["x"] == ("N", "H", "W", 5)


def test_float64_reaches_1e_14_in_onnx_runtime_once_lowered(tmp_path):
    for name in ("bottleneck", "transposed", "depthwise", "parallel_pool", "guide_cnn"):
        done = export(name, tmp_path / f"{name}.onnx", dtype="float64", lower_float64=True, runtimes="onnxruntime")
        assert max(c.difference for c in done.checks if c.difference is not None) < 1e-14


def test_float64_without_lowering_is_refused_for_onnx_runtime_by_name(tmp_path):
    with pytest.raises(XconvError, match=r"onnxruntime computes float64 only in lowered graphs: add --lower-float64"):
        export("conv", tmp_path / "m.onnx", dtype="float64", runtimes="onnxruntime")


def test_half_precisions_are_held_to_float32(tmp_path):
    half = export("bottleneck", tmp_path / "h.onnx", dtype="float16")
    assert 1e-5 < max(c.difference for c in half.checks) < 2e-3
    brain = export("bottleneck", tmp_path / "b.onnx", dtype="bfloat16", runtimes="reference")
    assert brain.opset == 22
    assert max(c.difference for c in brain.checks) < 3e-2


def test_a_file_says_how_it_was_made_and_what_it_was_held_to(tmp_path):
    done = export("conv", tmp_path / "m.onnx", case="2d-same-stride-2-even-size")
    props = {p.key: p.value for p in onnx.load(done.path).metadata_props}
    assert {"xconv", "block", "config", "layout", "source", "checked"} <= props.keys()
    assert '"stride": [2, 2]' in props["config"]
    assert "[[2, 3, 9, 11]]" in props["checked"]


def test_exports_are_run_at_other_batches_and_odd_and_non_square_sizes(tmp_path):
    done = export("conv", tmp_path / "m.onnx", case="2d-same-stride-2-even-size", runtimes="onnxruntime")
    shapes = [c.shapes[0] for c in done.checks if c.runtime == "onnxruntime"]
    assert shapes == [(2, 3, 8, 10), (3, 3, 8, 10), (2, 3, 9, 11), (2, 3, 9, 12), (2, 3, 16, 20)]


def planted(change):
    """A block's source whose file has a fault."""
    honest = block_source(block("bottleneck"), block("bottleneck").cases[0])

    def write(options):
        model, route, why = honest.write(options)
        change(model)
        return model, route, why

    return Source(honest.name, honest.framework, honest.shapes, write, honest.run)


def wrong_weight(model):
    tensor = model.graph.initializer[0]
    array = onnx.numpy_helper.to_array(tensor).copy()
    array.flat[0] *= 1 + 1e-6
    tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))


def wrong_pads(model):
    (conv,) = [n for n in model.graph.node if "map.weight" in n.input]
    next(a for a in conv.attribute if a.name == "pads").ints[:] = [2, 0, 0, 2]


@pytest.mark.parametrize("change", [wrong_weight, wrong_pads])
def test_a_planted_fault_is_an_error_and_leaves_no_file(change, tmp_path):
    (tmp_path / "old.onnx").write_bytes(b"mine")
    with pytest.raises(check.ExportError, match=r"and the source differ at \(2, 12, 8, 8\)"):
        export_source(planted(change), tmp_path / "old.onnx", Options(), force=True)
    assert [f.name for f in tmp_path.iterdir()] == ["old.onnx"]
    assert (tmp_path / "old.onnx").read_bytes() == b"mine"


def test_an_existing_file_is_replaced_only_when_forced(tmp_path):
    export("conv", tmp_path / "m.onnx")
    with pytest.raises(XconvError, match="exists; give another name, or --force"):
        export("conv", tmp_path / "m.onnx")
    export("conv", tmp_path / "m.onnx", force=True)


def test_a_flatten_fixes_the_sizes_and_says_so_when_asked_otherwise(tmp_path):
    done = export("guide_cnn", tmp_path / "m.onnx")
    assert done.inputs["x"] == ("N", 1, 8, 8)
    with pytest.raises(XconvError, match=r"axis H cannot be dynamic: .* features and would get"):
        export("guide_cnn", tmp_path / "n.onnx", dynamic="NHW")


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"source": "convv"}, "did you mean 'conv'"),
        ({"path": "nowhere/m.onnx"}, "folder nowhere does not exist"),
        ({"dtype": "int4"}, "int4"),
        ({"layout": "sideways"}, "must be one of channels_first, channels_last"),
        ({"dynamic": "Q"}, "must be letters of NCHW"),
        ({"runtimes": "onnxruntme"}, "did you mean 'onnxruntime'"),
        ({"case": "no-such"}, "unknown case of conv"),
    ],
)
def test_bad_input_is_one_clear_sentence(given, sentence, tmp_path):
    given = {"source": "conv", "path": tmp_path / "m.onnx", "case": "2d-valid-relu"} | given
    with pytest.raises(XconvError, match=sentence) as caught:
        export(given.pop("source"), given.pop("path"), **given)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["safetensors", "keras"])
def test_a_saved_file_is_exported_without_importing_its_framework(kind, tmp_path):
    subject, saved = block("conv_norm"), tmp_path / f"w.{kind}"
    case = subject.cases[0]
    leaves = drawn(subject, case, "torch")
    if kind == "keras":
        import keras

        layer, *_ = instance(subject, case, "keras", "float32")
        door("keras").load(layer, carry(leaves, door("keras").leaves(layer), "torch", rows=subject.rules(case.config)))
        keras.Sequential([keras.Input((*case.shape[2:], case.shape[1])), layer]).save(saved)
    else:
        from safetensors.numpy import save_file

        save_file({n: np.ascontiguousarray(a) for n, a in flat(leaves).items()}, saved)
    program = (
        "import sys, xconv; done = xconv.export('conv_norm', sys.argv[2], weights=sys.argv[1]);"
        "print(sorted({'torch', 'keras', 'tensorflow', 'jax'} & set(sys.modules)))"
    )
    ran = subprocess.run([sys.executable, "-c", program, saved, tmp_path / "m.onnx"], capture_output=True, text=True,
                         env=os.environ, check=True)  # fmt: skip
    assert ran.stdout.strip() == "[]"
    asked = export("conv_norm", tmp_path / "asked.onnx", weights=by_path(leaves.values()), against="torch")
    initializers = [onnx.load(p).graph.initializer for p in (tmp_path / "m.onnx", asked.path)]
    assert [t.raw_data for t in initializers[0]] == [t.raw_data for t in initializers[1]]


def test_weights_of_another_size_are_refused_before_anything_is_written(tmp_path):
    leaves = drawn(block("conv_norm"), block("conv_norm").cases[0], "torch")
    np.savez(tmp_path / "w.npz", **flat(leaves))
    with pytest.raises(XconvError, match=r"holds \d+ numbers to train, bottleneck .* has"):
        export("bottleneck", tmp_path / "m.onnx", weights=tmp_path / "w.npz")
    assert not (tmp_path / "m.onnx").exists()


PYTHON = ["onnxruntime", "reference", "openvino", "tract"]


@pytest.mark.parametrize("name", PYTHON)
def test_a_runtime_agrees_on_one_case_of_every_block(name, tmp_path):
    runtime = runtimes()[name]
    if not runtime.available():
        pytest.skip(f"{name} is not installed")
    for subject in blocks().values():
        case = subject.cases[-1]
        source = block_source(subject, case)
        model, *_ = source.write(Options())
        checks = check.run_checks(model, source.run("float32"), [source.shapes], [runtime], "float32", None, 2e-6)
        assert checks[0].agrees, f"{subject.name} {case.name}"


@pytest.mark.parametrize("name", ["node", "web"])
def test_the_runtimes_of_javascript_agree(name, tmp_path):
    if not runtimes()[name].available():
        pytest.skip(f"{name} is not installed")
    export("residual_basic", tmp_path / "m.onnx", runtimes=["onnxruntime", name])


def test_a_missing_runtime_says_how_to_install_it(monkeypatch):
    monkeypatch.setattr(type(runtimes()["tract"]), "available", lambda self: False)
    with pytest.raises(XconvError, match=r"runtime tract is not installed: pip install 'xconv\[tract\]'"):
        chosen("tract")


def test_runtimes_list_only_dtypes_that_they_compute_in():
    with pytest.raises(XconvError, match="openvino does not compute in float64; these do: onnxruntime, reference"):
        chosen("openvino", "float64")


def _operator(op, constants=(), inputs=("x",), **settings):
    kind, sizes = onnx.TensorProto.FLOAT, ["N", 3, "H", "W"]
    ends = [onnx.helper.make_tensor_value_info(n, kind, s) for n, s in (("x", sizes), ("y", [*sizes[:2], "P", "Q"]))]
    graph = onnx.helper.make_graph([onnx.helper.make_node(op, inputs, ["y"], **settings)], "g", ends[:1], ends[1:],
                                   [onnx.numpy_helper.from_array(a, n) for n, a in constants])  # fmt: skip
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 20)], ir_version=10)


SCALES = [("s", np.array([1, 1, 2, 1.5], "float32"))]
SIZES = [("z", np.array([2, 3, 13, 4]))]


@pytest.mark.parametrize(("model", "allowed"), [
    (_operator("Erf"), 3e-7), (_operator("Gelu"), 3e-6), (_operator("Gelu", approximate="tanh"), 3e-6),
    *((_operator("Resize", SCALES, ("x", "", "s"), mode=mode, coordinate_transformation_mode=where), 3e-6)
      for mode in ("nearest", "linear", "cubic") for where in ("half_pixel", "asymmetric")),
    *((_operator("Resize", SIZES, ("x", "", "", "z"), mode=mode, coordinate_transformation_mode=where), 3e-6)
      for mode in ("linear", "cubic") for where in ("pytorch_half_pixel", "align_corners")),
])  # fmt: skip
def test_error_function_and_resizing_are_lowered_to_operators_that_exist_in_double(model, allowed):
    x = (np.random.default_rng(0).normal(size=(2, 3, 7, 6)) * 3).astype("float32")
    engine = chosen(["onnxruntime"])[0]
    (narrow,) = engine.open(model.SerializeToString())({"x": x})
    (wide,) = engine.open(lower(widen(model)).SerializeToString())({"x": x.astype("float64")})
    assert wide.dtype == np.float64
    assert np.abs(wide - narrow).max() < allowed * np.abs(narrow).max()


def test_the_lowered_error_function_is_exact_to_the_last_place():
    x = np.concatenate([np.linspace(-7, 7, 4003), np.geomspace(1e-12, 1, 96)]).reshape(1, 1, 1, -1)
    model = _operator("Erf")
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 1
    model.graph.output[0].type.tensor_type.shape.dim[1].dim_value = 1
    (y,) = chosen(["onnxruntime"])[0].open(lower(widen(model)).SerializeToString())({"x": x})
    true = np.vectorize(math.erf)(x)
    assert np.abs(y - true).max() < 5e-16
    assert np.abs(erf(x) - true).max() < 5e-16


@pytest.mark.parametrize("runtime", ["reference", "openvino", "tract"])
def test_every_case_gives_the_same_in_every_runtime(runtime):
    if not runtimes()[runtime].available():
        pytest.skip(f"{runtime} is not installed")
    for name, case in CASES:
        model = block_model(block(name), case.config, drawn(block(name), case, "torch"), case.shape)
        feeds = {"x": numbers(case.shape, 1, "x", "float32")}
        (expected,), (actual,) = (
            chosen([r])[0].open(model.SerializeToString())(feeds) for r in ("onnxruntime", runtime)
        )
        allowed = min(check.allowed(model, "float32"), 1e-6)
        assert check.distance([actual], [expected]) < allowed, f"{name} {case.name}"
