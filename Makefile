# Short names for the commands of CONTRIBUTING.md.

.PHONY: help build dist test test-lua fmt lint fuzz bench

help:
	@echo "make build dist test test-lua fmt lint fuzz bench"

build:
	cargo build --release

# The packaged build: see packaging/dist.
dist:
	packaging/dist

test:
	tests/run

test-lua:
	tests/run lua

fmt:
	cargo fmt
	if command -v stylua >/dev/null; then stylua lua; fi

lint:
	tests/run format lint
	if command -v cargo-deny >/dev/null; then cargo deny check; fi

# One minute per target; for more, run make fuzz FUZZ_SECONDS=3600.
FUZZ_SECONDS = 60
fuzz:
	for target in $$(cargo fuzz list --fuzz-dir tests/fuzz); do \
		RUSTC_BOOTSTRAP=1 cargo fuzz run --fuzz-dir tests/fuzz $$target -- -max_total_time=$(FUZZ_SECONDS) || exit 1; \
	done

bench:
	cargo bench --bench hot_path
