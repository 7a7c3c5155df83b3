#!/bin/sh
# Installs by apt-get what is missing for one purpose, and says so. Nothing missing, nothing done.
#   scripts/install-missing.sh build|run|test|lint|fuzz|bench|bench-veth
set -eu

PATH="$PATH:/usr/sbin:/sbin:$HOME/.cargo/bin"
missing=

is_root() { [ "$(id -u)" = 0 ]; }

# need PROGRAM PACKAGE...: the packages are wanted unless the program is there.
need() {
    program=$1
    shift
    command -v "$program" >/dev/null 2>&1 && return
    echo "missing: $program"
    missing="$missing $*"
}

need_build() {
    # Debian's own cargo may be too old; cargo-web and rustc-web follow the browsers' needs.
    need cargo cargo-web rustc-web
    need cc gcc libc6-dev
    if [ ! -e /etc/ssl/certs/ca-certificates.crt ]; then
        echo "missing: certificates, without which cargo fetches nothing"
        missing="$missing ca-certificates"
    fi
}

# What a load balancer needs in a network namespace, and those who bind it to a processor there.
need_netns() {
    need ip iproute2
    need nft nftables
    need taskset util-linux
    need chrt util-linux
}

need_run() {
    need_netns
    need ss iproute2
    need apache2 apache2-bin
}

need_test() {
    need tshark tshark
    need curl curl
    need ab apache2-utils
    need wrk wrk
    need iperf3 iperf3
    if ! /usr/bin/python3 -c 'import scapy' >/dev/null 2>&1; then
        echo "missing: scapy for python3"
        missing="$missing python3-scapy"
    fi
}

# Only beside Debian's cargo: elsewhere (rustup) the tools belong to the toolchain.
need_lint() {
    if [ "$(command -v cargo)" = /usr/bin/cargo ] || ! command -v cargo >/dev/null 2>&1; then
        need rustfmt rustfmt-web
        need cargo-clippy rust-web-clippy
    fi
}

CARGO_FUZZ_VERSION=0.13.2

# The fuzzer's runtime is C++; cargo-fuzz itself comes from the registry, in one version. A nightly toolchain is the user's
# to install: it is not Debian's.
need_fuzz() {
    need c++ g++
    if ! cargo fuzz --version 2>/dev/null | grep -q " $CARGO_FUZZ_VERSION\$"; then
        echo "missing: cargo-fuzz $CARGO_FUZZ_VERSION, installing it with cargo"
        cargo install --locked --quiet --version $CARGO_FUZZ_VERSION cargo-fuzz
    fi
}

GUNGRAUN_VERSION=0.20.0

# Counting instructions: the runner must be as old as the library in Cargo.lock.
need_bench() {
    need valgrind valgrind libc6-dbg
    if ! gungraun-runner --version 2>/dev/null | grep -q " $GUNGRAUN_VERSION\$"; then
        echo "missing: gungraun-runner $GUNGRAUN_VERSION, installing it with cargo"
        cargo install --locked --quiet --version $GUNGRAUN_VERSION gungraun-runner ||
            echo "that failed: instructions are not counted"
    fi
}

case ${1-} in
    build) need_build ;;
    run) need_build; need_run ;;
    test) need_build; need_run; need_test ;;
    lint) need_build; need_lint ;;
    fuzz) need_build; need_fuzz ;;
    # Reloads are measured by root alone, and nothing else of it has namespaces.
    bench) need_build; if is_root; then need_netns; fi; need_bench ;;
    bench-veth) need_build; need_netns ;;
    *) echo "usage: $0 build|run|test|lint|fuzz|bench|bench-veth" >&2; exit 2 ;;
esac

[ -n "$missing" ] || exit 0

if ! command -v apt-get >/dev/null 2>&1; then
    echo "no apt-get here: install what Debian calls$missing" >&2
    exit 1
fi
as_root=
if ! is_root; then
    command -v sudo >/dev/null 2>&1 || { echo "neither root nor sudo: cannot install$missing" >&2; exit 1; }
    as_root=sudo
fi
echo "installing with apt-get:$missing"
$as_root apt-get update -qq
# shellcheck disable=SC2086 # a list of packages
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing
