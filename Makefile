# Needs make and Python 3.11 or newer; every target does all the set-up itself (tools/set_up.py), once.

ROOT := $(dir $(lastword $(MAKEFILE_LIST)))
BIN := $(ROOT).venv/bin/
PYTHONS := $(BIN)python python3 python3.13 python3.12 python3.11
ARGS ?=
TESTS ?=

.DEFAULT_GOAL := help
.PHONY: help up test check fmt bench bench-large bench-peers chaos fuzz requirements clean

# $(call set_up,NAME): .venv holds what requirements/NAME.txt pins, and the package itself
define set_up
@for python in $(PYTHONS); do \
    if "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2> /dev/null; then exec "$$python" -I "$(ROOT)tools/set_up.py" $(1); fi; \
done; \
echo "Payk needs Python 3.11 or newer, and finds none in PATH: install it first (Debian, Ubuntu: apt-get install python3 python3-venv)" >&2; exit 1
endef

help:
	@echo "make up            run Payk for trying: database, an operator to try against, the API on 127.0.0.1:8080 (PAYK_PORT, PAYK_HOME)"
	@echo "make test          every test; make test TESTS=tests/smpp ARGS=-x for some"
	@echo "make check         format, lint, types, import contracts"
	@echo "make fmt           format, and mend what lint can mend"
	@echo "make bench         how fast the parts are, into build/bench.json; ARGS=--check fails below a floor"
	@echo "make bench-large   a centre with 20 million messages (up to 30 minutes, 22 GB of disk); ARGS=\"--scale 0.01\" tries it out"
	@echo "make bench-peers   Payk and Kannel by turns, with the same operator (about 10 minutes; installs wrk and kannel if run by root)"
	@echo "make chaos         kill, cut and stop everything under load, and look for what is lost or sent twice: SECONDS=300 RATE=500 SEED=1"
	@echo "make fuzz          try the codec, the session, receipts and texts with hostile octets for SECONDS=60; SEED=... repeats a run"
	@echo "make requirements  pin the dependencies anew (UPGRADE=1 takes the newest)"
	@echo "make clean         remove .venv and every cache"

up:
	$(call set_up,server)
	@exec "$(BIN)payk" up $(ARGS)

test:
	$(call set_up,dev)
	@cd "$(ROOT)" && exec .venv/bin/python -m pytest -q -n 2 --dist worksteal --durations 10 $(ARGS) $(TESTS)

check:
	$(call set_up,dev)
	@cd "$(ROOT)" && .venv/bin/ruff format --check . && .venv/bin/ruff check . && .venv/bin/mypy && .venv/bin/lint-imports --no-logo

fmt:
	$(call set_up,dev)
	@cd "$(ROOT)" && .venv/bin/ruff format . && .venv/bin/ruff check --fix .

bench:
	$(call set_up,dev)
	@cd "$(ROOT)" && exec .venv/bin/python -m bench $(ARGS)

bench-large:
	$(call set_up,dev)
	@cd "$(ROOT)" && exec .venv/bin/python -m bench.large $(ARGS)

bench-peers:
	$(call set_up,dev)
	@cd "$(ROOT)" && exec .venv/bin/python -m bench.peers $(ARGS)

chaos: SECONDS ?= 300
chaos: RATE ?= 500
chaos: SEED ?= 1
chaos:
	$(call set_up,dev)
	@cd "$(ROOT)" && exec .venv/bin/python -m chaos --seconds $(SECONDS) --rate $(RATE) --seed $(SEED) $(ARGS)

fuzz: SECONDS ?= 60
fuzz:
	$(call set_up,dev)
	@cd "$(ROOT)" && exec .venv/bin/python -m fuzz --seconds $(SECONDS) $(if $(SEED),--seed $(SEED))

requirements:
	$(call set_up,dev)
	@"$(BIN)python" "$(ROOT)tools/pin.py"

clean:
	@cd "$(ROOT)" && rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .grimp_cache .hypothesis build src/*.egg-info
