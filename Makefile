# The two commands that matter: `make demo` and `make test`. Everything is installed into .venv, nothing elsewhere.
PY := .venv/bin/python
READY := .venv/.crossward-ready
WORKERS ?= 2

.PHONY: setup demo test fmt lint types layers unit laws docs slow bench-queries bench-smpc bench-accounting bench-paillier clean

setup: $(READY)

$(READY): pyproject.toml tools/setup.sh
	@./tools/setup.sh

demo: $(READY)
	@.venv/bin/crossward demo --out demo-out

test: lint types unit

fmt: $(READY)
	$(PY) -m ruff format .
	$(PY) -m ruff check --fix .

lint: $(READY)
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	.venv/bin/codespell README.md SECURITY.md CHANGELOG.md docs privacy_accounting smpc analytics federation tests examples
	.venv/bin/lint-imports

layers: $(READY)
	.venv/bin/lint-imports

types: $(READY)
	$(PY) -m mypy

unit: $(READY)
	HYPOTHESIS_PROFILE=ci $(PY) -m pytest -n $(WORKERS) --dist loadfile

laws: $(READY)
	HYPOTHESIS_PROFILE=night $(PY) -m pytest -m "not slow" -k law

docs: $(READY)
	$(PY) -m pytest tests/docs -p no:randomly

slow: $(READY)
	$(PY) -m pytest -m slow -p no:randomly --timeout 1800

bench-queries: $(READY)
	$(PY) -P benchmarks/queries.py

bench-smpc: $(READY)
	$(PY) -P benchmarks/smpc.py

.PHONY: bench-three-sites
bench-three-sites: $(READY)
	$(PY) -P benchmarks/three_sites.py

bench-accounting: $(READY)
	$(PY) -P benchmarks/accounting.py

bench-paillier: $(READY)
	$(PY) -P benchmarks/paillier.py

clean:
	rm -rf build demo-out .mypy_cache .ruff_cache .pytest_cache .hypothesis
