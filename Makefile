# Every check of this project, named once. The CI workflow and .ci/run call these targets and nothing else.
#
#   make                          all checks
#   make PYTHON=/path/python ...  with another interpreter; what it needs: pip install '.[dev]'

PYTHON ?= python
CARGO ?= cargo

CHECKS := format-check lint types stubtest doc site test-rust bench-smoke sklearn-floor

.DEFAULT_GOAL := check
.PHONY: check check-rest test-python $(CHECKS) format golden house options site-pictures wheel wheel-tuned fuzz memory signals mutants

check: $(CHECKS) test-python

# For a run that has just typed the README's own test command, which is test-python.
check-rest: $(CHECKS)

format:
	$(CARGO) fmt --all
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix-only .

format-check:
	$(CARGO) fmt --all --check
	$(PYTHON) -m ruff format --check .

lint:
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(PYTHON) -m ruff check .

types:
	$(PYTHON) -m mypy

# The stub is held against the compiled module that is installed.
stubtest:
	$(PYTHON) -m mypy.stubtest una_fast._core

doc: export RUSTDOCFLAGS := -D warnings
doc:
	$(CARGO) doc --workspace --no-deps --locked

# The documentation as a site, in site/. With pictures of a report, which need a Chromium: make site-pictures.
site:
	$(PYTHON) tests/site_pages.py --no-pictures

site-pictures:
	$(PYTHON) tests/site_pages.py

test-rust:
	$(CARGO) test --workspace --locked

# What is tested is the package as installed: nothing puts python/ on the path.
test-python:
	$(PYTHON) -m pytest -n auto

# The layers of the core, the binding and the Python package, and what each file imports, as they stand.
house:
	@$(CARGO) test --quiet --package una-core --locked --test layers -- --ignored --nocapture drawing
	@cd tests && $(PYTHON) -c "import test_layers as t; print(t.House.read(t.PACKAGE).drawing(t.LAYERS))"

# Every bench asserts its answer before it times it. This runs each once, for the answer.
bench-smoke:
	$(CARGO) bench --package una-core --locked --benches -- --test
	$(PYTHON) -m pytest benches --benchmark-disable
	$(PYTHON) benches/profile_run.py

# scikit-learn's own tests with our vectorizers in place of its, under the oldest release that is supported. The tests
# do so under the one that is installed.
sklearn-floor:
	$(PYTHON) tests/sklearn_floor.py

# Rebuilds tests/golden from the plain-Python oracle. A difference is a change of format or of law: read it.
golden:
	$(PYTHON) tests/golden/rebuild.py

# Rewrites docs/options.md, docs/api and the manual page from the options and names as the code states them.
options:
	$(PYTHON) tests/options_page.py
	cd tests && $(PYTHON) api_pages.py
	$(PYTHON) tests/man_page.py

# The long runs behind docs/promises.md; the tests make a short one of each, but of the mutants.
fuzz:
	$(PYTHON) tests/fuzz_arrow.py --mutants 100000
	UNA_FAST_MUTANTS=1000000 $(CARGO) test --package una-core --test hostile -- --ignored --nocapture

memory:
	$(PYTHON) tests/refused_memory.py
	$(PYTHON) tests/peak_memory.py

signals:
	$(PYTHON) tests/interruptible.py

# Needs `cargo install cargo-mutants`.
mutants:
	$(PYTHON) tests/mutants.py

wheel:
	$(PYTHON) -m pip wheel --no-deps --wheel-dir dist .

# As released: tuned by benches/profile_run.py. Needs maturin, and `rustup component add llvm-tools`.
wheel-tuned:
	maturin build --release --locked --pgo --out dist
