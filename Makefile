# The two commands that matter: `make demo` and `make test`. Everything is installed into .venv, nothing elsewhere.
PY := .venv/bin/python
READY := .venv/.crossward-ready
WORKERS ?= 2

.PHONY: setup demo test fmt lint types layers unit laws docs first-hour site threat-pictures reference slow slow-examples slow-laws slow-faults slow-kills slow-processes slow-spark slow-images slow-dashboard slow-notebooks field-test second-opinion bench-queries bench-latency bench-ingest bench-sources bench-smpc bench-kernels bench-three-sites bench-accounting bench-accuracy bench-paillier bench-mining bench-private-mining bench-linkage bench-published bench-growth bench-images bench-peers pictures pictures-images clean

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
	.venv/bin/codespell README.md SECURITY.md CHANGELOG.md docs crossward privacy_accounting smpc analytics federation tests examples
	.venv/bin/lint-imports
	$(PY) tools/plain_words.py

layers: $(READY)
	.venv/bin/lint-imports

types: $(READY)
	$(PY) -m mypy

# many tests wait for a deadline or for processes: one worker more than cores keeps both busy
unit: $(READY)
	HYPOTHESIS_PROFILE=ci $(PY) -m pytest -n $$(($(WORKERS) + 1)) --dist loadfile

laws: $(READY)
	HYPOTHESIS_PROFILE=night $(PY) -m pytest -m "not slow" -k law

docs: $(READY)
	$(PY) -m pytest tests/docs -p no:randomly
	$(PY) -m pytest tests/docs/test_docs_tutorials.py -m slow -p no:randomly

# the tutorials as four strangers type them; counts commands and seconds
first-hour: $(READY)
	$(PY) -m tools.first_hour

# the site of the documentation in build/site; warnings are errors, and nothing is fetched but its own environment, once
site: .venv-docs/.crossward-ready
	.venv-docs/bin/sphinx-build --fail-on-warning --keep-going -q -b html -c docs . build/site

.venv-docs/.crossward-ready: docs/requirements.txt
	@[ -x .venv-docs/bin/python ] || python3 -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check -r docs/requirements.txt
	@touch $@

# the pictures of docs/threat-model.md
threat-pictures: $(READY)
	$(PY) -m tools.threat_pictures

# the pages of docs/reference that follow from the code
reference: $(READY)
	$(PY) -m tools.reference
	$(PY) -m tools.json_schemas

# every group is meant to stay under forty minutes on two cores; together they are all tests that are marked slow, and all laws at length
slow: slow-laws slow-faults slow-kills slow-processes slow-examples slow-spark slow-images slow-dashboard slow-notebooks field-test

SLOW := $(PY) -m pytest -m slow -p no:randomly --timeout 1800
FAULTS := tests/smpc/faults/test_smpc_faults.py tests/smpc/faults/test_smpc_faults_over_tls.py
KILLS := tests/smpc/faults/test_smpc_faults_processes.py
STATISTICS := tests/federation/runs/test_federation_empirical.py
PROCESSES := tests/cli tests/docs tests/federation tests/ledger tests/operations tests/setup tests/transport

# laws with fifty times the examples, and what is counted over many runs
slow-laws: $(READY)
	HYPOTHESIS_PROFILE=long $(PY) -m pytest -m costly_law --timeout 1800 -n $(WORKERS) --dist worksteal
	$(SLOW) -n $(WORKERS) --dist worksteal tests $(addprefix --ignore=,$(FAULTS) $(KILLS) $(PROCESSES) tests/field tests/dashboard tests/images)
	$(SLOW) -n $(WORKERS) --dist loadfile $(STATISTICS)

# a fault at each exchange of each operation, in memory and over TLS
slow-faults: $(READY)
	$(SLOW) -n $(WORKERS) --dist worksteal $(FAULTS)

# sites and dealer as processes, killed and stopped at each exchange: they wait more than they work, so four at once on two cores
slow-kills: $(READY)
	$(SLOW) -n 4 --dist worksteal $(KILLS)

# whole consortia of processes: commands, restarts, lost disks, archives, soak
slow-processes: $(READY)
	$(SLOW) -n $(WORKERS) --dist loadfile $(PROCESSES) $(addprefix --ignore=,$(STATISTICS) tests/docs/test_docs_examples.py)

# every script of examples/
slow-examples: $(READY)
	$(PY) -m pytest tests/docs/test_docs_examples.py -m "slow or not slow" -p no:randomly -n $(WORKERS)

# tables in a Spark cluster: a master, two workers and a Spark Connect server, in an environment of its own; needs Java
slow-spark: .venv-spark/.crossward-ready
	.venv-spark/bin/python -m pytest -m slow -p no:randomly -rs --timeout 1800 -k "spark" tests/sources tests/harmonise

.venv-spark/.crossward-ready: pyproject.toml tools/setup.sh
	@VENV=.venv-spark EXTRAS=dev,spark ./tools/setup.sh

# the dashboard over four hospitals in a real browser (chromium, Playwright, axe-core); its pictures are in dashboard-out
slow-dashboard: $(READY)
	DASHBOARD_PICTURES=dashboard-out $(SLOW) -rs tests/dashboard

# docs/notebooks, each in a new kernel, in an environment of its own; with WRITE=--write their outputs are kept in the files
slow-notebooks: .venv-notebooks/.crossward-ready
	.venv-notebooks/bin/python -m tools.notebooks $(WRITE)

.venv-notebooks/.crossward-ready: pyproject.toml tools/setup.sh
	@VENV=.venv-notebooks EXTRAS=notebook,kernels ./tools/setup.sh

# the examples with pictures: networks over sites beside their targets and pooled training, and with an epsilon
slow-images: $(READY)
	$(SLOW) -n $(WORKERS) --dist worksteal tests/images

# the commands of docs/several-machines.md, each machine in a network namespace of its own; needs root
field-test: $(READY)
	$(SLOW) -rs tests/field

# dp-accounting beside this accountant: every event of the table, and the charges of a real ledger
second-opinion: $(READY)
	@[ -x .venv-oracles/bin/python ] || $(PY) -m venv .venv-oracles
	@.venv-oracles/bin/python -m pip install --quiet --disable-pip-version-check -r tests/oracles/requirements.txt
	$(PY) -m pytest tests/accounting/test_accounting_outside.py -p no:randomly

bench-queries: $(READY)
	$(PY) -m benchmarks.queries

bench-latency: $(READY)
	$(PY) -m benchmarks.latency

bench-ingest: $(READY)
	$(PY) -m benchmarks.ingest --rows $(or $(ROWS),1000000)

# the local stage beside the engine's own query, in the node and in a PostgreSQL server
bench-sources: $(READY)
	$(PY) -m benchmarks.sources --rows $(or $(ROWS),10000000)

bench-smpc: $(READY)
	$(PY) -m benchmarks.smpc

bench-kernels: $(READY)
	OPENBLAS_NUM_THREADS=1 $(PY) -m benchmarks.smpc.local

bench-three-sites: $(READY)
	$(PY) -m benchmarks.three_sites

bench-accounting: $(READY)
	$(PY) -m benchmarks.accounting

# noise of twelve questions at four epsilons beside its targets; nothing is run, seconds
bench-accuracy: $(READY)
	$(PY) -m benchmarks.accuracy

bench-paillier: $(READY)
	$(PY) -m benchmarks.paillier

# statistics over three sites beside their targets, tableone, lifelines and statsmodels, some minutes; PEERS=python that has them
bench-statistics: $(READY)
	@[ -n "$(PEERS)" ] || [ -x .venv-oracles/bin/python ] || $(PY) -m venv .venv-oracles
	@[ -n "$(PEERS)" ] || .venv-oracles/bin/python -m pip install --quiet --disable-pip-version-check tableone==0.9.6 lifelines==0.30.3
	OPENBLAS_NUM_THREADS=1 $(PY) -m benchmarks.statistics --peers $(or $(PEERS),.venv-oracles/bin/python)

# mining over three sites beside its targets and mlxtend, some minutes; PEERS=python of an environment that has it
bench-mining: $(READY)
	@[ -n "$(PEERS)" ] || [ -x .venv-mlxtend/bin/python ] || $(PY) -m venv .venv-mlxtend
	@[ -n "$(PEERS)" ] || .venv-mlxtend/bin/python -m pip install --quiet --disable-pip-version-check mlxtend==0.25.0
	$(PY) -m benchmarks.mining --peers $(or $(PEERS),.venv-mlxtend/bin/python)

# three published queries on generated rows, beside the published seconds
bench-published: $(READY)
	$(PY) -m benchmarks.published

# the curve of docs/mining.md, about two minutes
bench-private-mining: $(READY)
	$(PY) -m benchmarks.private_mining

# a linkage of 100,000 patients with 100,000, beside openmined-psi, about two minutes; PEERS=python of an environment that has it
bench-linkage: $(READY)
	@[ -n "$(PEERS)" ] || [ -x .venv-psi/bin/python ] || $(PY) -m venv .venv-psi
	@[ -n "$(PEERS)" ] || .venv-psi/bin/python -m pip install --quiet --disable-pip-version-check openmined-psi
	$(PY) -m benchmarks.linkage --peers $(or $(PEERS),.venv-psi/bin/python)

bench-growth: $(READY)
	$(PY) -m benchmarks.growth

# bytes, memory and gradients of a round over pictures
bench-images: $(READY)
	OPENBLAS_NUM_THREADS=1 $(PY) -m benchmarks.images.cost

# Dice against epsilon and the tasks of docs/images.md, with their pictures; an hour
pictures-images: $(READY)
	$(PY) -m benchmarks.images.curve
	$(PY) -m benchmarks.images.tasks
	$(PY) -m benchmarks.images.panels

.venv-peers/.crossward-ready: tools/peers.sh
	@./tools/peers.sh

bench-peers: .venv-peers/.crossward-ready
	.venv-peers/bin/python -W ignore benchmarks/peers/spu_peer.py

pictures: .venv-peers/.crossward-ready
	.venv-peers/bin/python benchmarks/peers/pictures.py

clean:
	rm -rf build demo-out dashboard-out .mypy_cache .ruff_cache .pytest_cache .hypothesis
