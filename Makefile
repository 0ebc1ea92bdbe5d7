# Every target sets itself up on a fresh machine with Python 3.10 or newer.
PYTHON ?= python3
BIN := .venv/bin
DATA ?= $(firstword $(wildcard data ../shared/data) data)
WORKERS ?= 2
# spinning threads slow each other down; memory that is kept spares page faults
export OMP_WAIT_POLICY = PASSIVE
export MALLOC_MMAP_THRESHOLD_ = 4294967296
export MALLOC_TRIM_THRESHOLD_ = 4294967296

.PHONY: demo test check clean

demo: .venv/ready
	$(BIN)/backburn demo

test: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/pytest -n 2

check: .venv/ready
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# study-main takes about an hour on two cores; every study resumes where it was stopped.
# Published results are in studies/NAME, those of a run of yours in runs/study-NAME.
study-%: .venv/ready
	$(BIN)/backburn bench studies/$*.toml --out runs/study-$* --data $(DATA) --workers $(WORKERS)

# torch first: what depends on it must not draw in another build
.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv build dist
