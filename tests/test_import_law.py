"""A file's name says what it may import: torch.py torch, keras.py keras, and no other any framework."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "xconv"
FRAMEWORKS = {"torch", "keras", "tensorflow", "jax"}
# Inside its functions keras.py may reach through Keras to the backend that it runs on.
MAY = {"torch": {"torch"}, "keras": {"keras"}}


def imported(source: str) -> set[str]:
    """Frameworks that a module imports when it is imported."""
    found = set()
    for node in ast.parse(source).body:
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
    return found & FRAMEWORKS


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda p: str(p.relative_to(PACKAGE)))
def test_a_file_imports_the_framework_of_its_name_alone(path):
    assert imported(path.read_text()) <= MAY.get(path.stem, set())


def test_the_law_sees_a_wrong_import():
    assert imported("import numpy\nimport torch.nn as nn\nfrom keras import layers") == {"torch", "keras"}


def loaded_after(statement: str) -> set[str]:
    """Frameworks that a fresh interpreter holds after a statement."""
    code = f"{statement}\nimport sys; print(*{FRAMEWORKS!r} & set(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def test_xconv_its_catalogue_and_its_command_line_load_no_framework():
    assert loaded_after("import xconv, xconv.cli; [b.cases for b in xconv.blocks().values()]") == set()


def test_loading_a_framework_would_be_seen():
    assert loaded_after("import torch") == {"torch"}


def test_a_torch_user_needs_no_keras():
    assert loaded_after("import xconv.torch") == {"torch"}


def test_importing_xconv_takes_less_than_three_tenths_of_a_second():
    code = "import time; t = time.perf_counter(); import xconv; print(time.perf_counter() - t)"
    runs = [float(subprocess.check_output([sys.executable, "-c", code])) for _ in range(3)]
    assert min(runs) < 0.3


def test_looking_for_tensorflow_leaves_its_import_silent():
    code = """
import sys
from importlib.util import find_spec
from xconv.quiet import hush
hush()
finders = [*sys.meta_path]
assert find_spec("tensorflow") and sys.meta_path == finders
"""
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(("options", "said"), [((), b""), (("-W", "default"), b"torch's own business")])
def test_what_torch_warns_of_itself_is_not_the_commands_to_tell(options, said):
    code = """
import warnings
from xconv.quiet import unwarned
unwarned()
warnings.warn_explicit("torch's own business", FutureWarning, "f.py", 1, "torch.utils._pytree")
warnings.warn_explicit("the user's", FutureWarning, "net.py", 1, "net")
"""
    done = subprocess.run([sys.executable, *options, "-c", code], check=True, capture_output=True)
    assert b"the user's" in done.stderr
    assert said in done.stderr
    assert bool(said) == (b"torch's own" in done.stderr)
