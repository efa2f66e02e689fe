# Every command works on a fresh machine: 'make demo' and 'make test' install what they need first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
export OMP_NUM_THREADS ?= 1

.PHONY: install packages demo test check lint unit docs clean

install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed; name it: make PYTHON=python3.11")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

# Debian's Chromium and MQTT broker; where they are absent and may not be installed, their tests skip and say so.
packages:
	@{ command -v chromium && PATH="$$PATH:/usr/sbin" command -v mosquitto; } >/dev/null || { \
	  test "$$(id -u)" = 0 && command -v apt-get >/dev/null && \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends chromium mosquitto >/dev/null; \
	} || echo "Chromium or mosquitto is not here and cannot be installed: tests of the page or of MQTT will skip"

demo: install
	$(BIN)/fprnet demo

# Lint, types and every test that is not slow: what a developer runs before each commit.
check: lint
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow"

test: lint packages
	$(BIN)/pytest -n 2 --dist worksteal

docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

unit: install
	$(BIN)/pytest tests/unit

clean:
	rm -rf $(VENV) site .mypy_cache .pytest_cache .ruff_cache .hypothesis
