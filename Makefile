# Each target sets itself up: all it needs is python3 and make.
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready

.PHONY: parity test bench facades clean

parity: $(READY)  ## prove every block equal in PyTorch, Keras and ONNX
	@echo "xconv: holding every block to its twin (table at the end; out/parity.html has the plots)"
	@mkdir -p out
	$(BIN)/xconv parity --json out/parity.json --html out/parity.html

test: $(READY)  ## lint, types and tests
	@echo "xconv: lint, types, tests"
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n 2 --dist loadfile

bench: $(READY)  ## time every block, side by side
	@echo "xconv: timing the quick set (table at the end; out/bench.html has the plots)"
	@mkdir -p out
	$(BIN)/xconv bench --quick --json out/bench.json --html out/bench.html

facades: $(READY)  ## tell editors and type checkers the names that xconv.torch and xconv.keras have
	for room in torch keras; do \
	  $(BIN)/python -c "from xconv.block import stub; print(stub('$$room'), end='')" > out.pyi && mv out.pyi xconv/$$room.pyi; \
	done

$(READY): pyproject.toml constraints.txt
	@echo "xconv: setting up $(VENV) with the tested versions (PyTorch, TensorFlow, JAX, ONNX: some minutes)"
	python3 -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) out
