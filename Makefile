# make demo     install what is missing, build, show the whole thing (root, or through sudo)
# make test     everything that can be a test
# make lint     formatting and clippy
# make swarm    20,000 worlds in virtual time: six minutes on two cores (docs/swarm.md); make swarm ARGS="--minutes 2"
# make reproduce  the paper's figures beside ours: a quarter of an hour, into ./reproduced; make reproduce ARGS="10a 11a"
# make fuzz     every fuzz target for a minute (docs/fuzzing.md); make fuzz ARGS="300 parser config"
# make bench    what a packet costs, memory to memory, in time and instructions, what tables cost to build,
#               and how soon packets see another pool (as root); ARGS=--quick for a look, ARGS=reload for that alone,
#               ARGS="--report DIR" for a page with plots and profiles
# make bench-veth  packets a second of the LB over AF_XDP beside a bare l2fwd and the kernel's forwarding (root); ARGS=--quick for a look
# Options: make demo ARGS="--json --seconds 30 --encoding insert"

ARGS ?=
export PATH := $(PATH):/usr/sbin:/sbin:$(HOME)/.cargo/bin
TARGET_DIR := $(or $(CARGO_TARGET_DIR),target)
SUDO := $(shell [ "$$(id -u)" = 0 ] || echo sudo)
# Tests that make namespaces need root, building them does not. One test at a time: they share two cores' time.
RUNNER := $(if $(SUDO),--config 'target."cfg(unix)".runner="sudo -E"')

.PHONY: build demo test lint fmt swarm reproduce fuzz bench bench-veth clean-testbed

build:
	@scripts/install-missing.sh build
	cargo build --release --workspace

# The exit code of the demo is the exit code of make's.
demo:
	@scripts/install-missing.sh run
	cargo build --release --workspace
	@$(SUDO) $(TARGET_DIR)/release/srlb-testbed demo $(ARGS)

test:
	@scripts/install-missing.sh test
	@scripts/sysv-apr.sh || echo "no APR with System V memory: tests that want one say so"
	cargo build --workspace
	cargo $(RUNNER) test --workspace -- --test-threads=1

lint:
	@scripts/install-missing.sh lint
	@if cargo fmt --version >/dev/null 2>&1; then cargo fmt --check; \
	else echo "skipped: cargo fmt, there is no rustfmt"; fi
	@if cargo clippy --version >/dev/null 2>&1; then cargo clippy --workspace --all-targets -- -D warnings; \
	else echo "skipped: cargo clippy, there is no clippy"; fi
	@if cargo clippy --version >/dev/null 2>&1 && command -v gungraun-runner >/dev/null 2>&1; then \
	cargo clippy --package testbed --features instructions --bench instructions -- -D warnings; \
	else echo "skipped: clippy of what counts instructions, there is no gungraun-runner (make bench installs it)"; fi

fmt:
	cargo fmt

swarm:
	@scripts/install-missing.sh build
	cargo build --profile soon --package testbed
	@$(TARGET_DIR)/soon/srlb-testbed swarm --seeds 20000 $(ARGS)

# Some figures are made on real Apaches. About a dozen of the paper's claims are missed, and the page says why; ARGS=--strict makes that an error.
reproduce:
	@scripts/install-missing.sh run
	cargo build --release --workspace
	@$(SUDO) $(TARGET_DIR)/release/srlb-testbed reproduce $(ARGS)

fuzz:
	@scripts/fuzz.sh $(ARGS)

# Instructions are counted for what is measured from memory to memory alone.
COUNTED := $(TARGET_DIR)/instructions.json
WITH_COUNTS = $(if $(filter veth reload full,$(ARGS)),,--instructions $(COUNTED))
bench:
	@scripts/install-missing.sh bench
	cargo build --release --package testbed --package srlb-lb --features testbed/instructions
	@$(if $(WITH_COUNTS),scripts/count-instructions.sh $(COUNTED))
	@$(TARGET_DIR)/release/srlb-testbed bench $(WITH_COUNTS) $(ARGS)

bench-veth:
	@scripts/install-missing.sh bench-veth
	cargo build --release --package testbed --package srlb-lb
	@$(SUDO) $(TARGET_DIR)/release/srlb-testbed bench veth $(ARGS)

# What a kill -9 left behind.
clean-testbed:
	@$(SUDO) $(TARGET_DIR)/release/srlb-testbed down
