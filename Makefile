# `make help` lists what there is.
.DEFAULT_GOAL := help
.PHONY: help build install demo serve test test-system crash-points simulate planted chaos bench bench-full test-coverage test-sanitizers fuzz check lint format clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build/release/amc, with the packages that it needs
	@scripts/install-packages build
	@scripts/build release amc

install: build ## amc, and the library for services in C++, into PREFIX=/usr/local
	@scripts/build release amc_shared amc_testing_shared
	@cmake --install build/release --prefix $(or $(PREFIX),/usr/local) >/dev/null
	@if [ -z "$(PREFIX)" ]; then ldconfig; fi

demo: ## one message travels, shown with times
	@scripts/install-packages build
	@mkdir -p build; echo "Building (a few minutes the first time) …"; scripts/build release amc >build/demo-build.log 2>&1 || { cat build/demo-build.log; exit 1; }
	@build/release/amc demo

serve: build ## the broker on port 4000, with both services in its process
	@build/release/amc all

test: ## every test, on the release build
	@scripts/install-packages test
	@scripts/build release
	@scripts/with-test-servers ctest --test-dir build/release --output-on-failure -j $$(nproc)

test-system: ## fresh systems, every crash point, planted bugs, minutes of chaos, clusters: two hours
	@scripts/test-system $(MINUTES)

test-sanitizers: ## every test again under ASan with UBSan, then those with threads under TSan
	@scripts/test-sanitizers

crash-points: ## the process dies before and after every call through its seams, on every store and queue engine
	@scripts/install-packages test
	@scripts/build release amc_crash_points crash_points
	@AMC_CRASH_POINTS=all scripts/with-test-servers build/release/tests/crash_points

simulate: ## the production logic in a simulated world: SEEDS= seeds from FIRST= on (2000; the commit decides)
	@scripts/install-packages test
	@scripts/build release amc_simulation
	@SEEDS=$(SEEDS) FIRST=$(FIRST) scripts/simulate build/release/tests/simulation/amc_simulation

planted: ## how many seeds the simulation needs to find each planted bug
	@scripts/planted

test-coverage: ## HTML in test-coverage/ and a summary for each module
	@scripts/coverage

fuzz: ## each fuzzer for a minute, or SECONDS=600
	@scripts/fuzz $(or $(SECONDS),60)

check: ## unit tests of what changed, in under a minute
	@scripts/check-changed

chaos: ## processes and servers killed, paused and moved under load: make chaos MINUTES=5 (default 2)
	@scripts/chaos $(or $(MINUTES),2) $(SEED)

bench: ## raw engines, drivers, conversations, side by side, into docs/performance.md
	@scripts/bench

bench-full: ## the same in longer rounds; stores of millions, memory, overload: most of an hour
	@scripts/bench --full

lint: ## format check, clang-tidy, warnings as errors
	@scripts/lint

format: ## clang-format on everything
	@scripts/install-packages lint
	@clang-format-16 -i $$(git ls-files '*.cpp' '*.hpp')

clean: ## remove what was built
	@rm -rf build test-coverage
