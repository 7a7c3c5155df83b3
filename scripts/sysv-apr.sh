#!/bin/sh
# Builds an APR that shares memory by shmget, for apache-probe's tests with a real Apache (tests/real_segment.rs): Debian's own APR source
# with two macros turned. Nothing is installed; needs cc, make and Debian's source archive.
#   scripts/sysv-apr.sh [FOLDER]      default: where the tests look, target/tmp/sysv-apr
set -eu

folder=$(realpath -m "${1:-${CARGO_TARGET_DIR:-$(dirname "$0")/../target}/tmp/sysv-apr}")
[ -e "$folder/libapr-1.so.0" ] && exit 0
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

# The machine's own Debian sources, asked for source packages; its lists stay as they are.
mkdir lists parts
if [ -s /etc/apt/sources.list.d/debian.sources ]; then
    sed 's/^Types:.*/Types: deb-src/' /etc/apt/sources.list.d/debian.sources > parts/source.sources
fi
if [ -s /etc/apt/sources.list ]; then
    sed -n 's/^deb /deb-src /p' /etc/apt/sources.list > parts/source.list
fi
apt_options="-qq -o Dir::Etc::sourcelist=/dev/null -o Dir::Etc::sourceparts=$work/parts -o Dir::State::lists=$work/lists -o APT::Sandbox::User=root"
# shellcheck disable=SC2086 # a list of options
apt-get $apt_options update
# shellcheck disable=SC2086
apt-get $apt_options source --download-only apr
mkdir apr
tar -xf "$(ls apr_*.orig.tar.* | grep -v asc)" --strip-components=1 -C apr
cd apr

./configure --with-devrandom=/dev/urandom > configure.log 2>&1
sed -i -E 's/(APR_USE_SHMEM_MMAP_(SHM|ANON) +)1/\10/; s/(APR_USE_SHMEM_SHMGET(_ANON)? +)0/\11/' include/apr.h
make > make.log 2>&1
mkdir -p "$folder"
cp -L .libs/libapr-1.so.0 "$folder/libapr-1.so.0"
echo "built: $folder/libapr-1.so.0"
