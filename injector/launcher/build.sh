#!/usr/bin/env bash
# Builds the launcher with the C compiler of the ziglang wheel: no compiler on the machine, the same bytes everywhere.
# Usage: build.sh [OUT_DIR [MACHINE…]], both machines if none is named; PYTHON names an interpreter that has ziglang.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
out=${1:-$root/build/launcher}
python=${PYTHON:-$root/.venv/bin/python}
# A node reads it once and a pod's memory volume holds it; asleep, a page that is not used is not there.
limit=49152
files=2048
machines=("${@:2}")
if ((${#machines[@]} == 0)); then machines=(x86_64 aarch64); fi

if ! "$python" -c 'import ziglang' 2>/dev/null; then
  echo "build.sh: $python has no ziglang; run make venv, or name an interpreter: PYTHON=… build.sh" >&2
  exit 1
fi

# zig holds a file open for each of a C library's 1300 sources; a shell's usual limit is 1024 until it asks for more.
ulimit -Sn "$(ulimit -Hn)"
if [[ $(ulimit -n) != unlimited ]] && (($(ulimit -n) < files)); then
  echo "build.sh: only $(ulimit -n) files may be open, zig needs $files; raise it (in an image's build: --ulimit nofile=$files)" >&2
  exit 1
fi

export ZIG_GLOBAL_CACHE_DIR=$root/build/zig-cache ZIG_LOCAL_CACHE_DIR=$root/build/zig-cache
sources=(
  main.c sidecar.c supervise.c job.c child.c sockets.c metrics.c await.c exec.c ask.c first.c become.c generation.c say.c
  signals.c world.c outcome.c waits.c text.c arguments.c parse.c exec_arguments.c answer.c environment.c
  expanded.c
)
flags=(
  -std=c11 -D_GNU_SOURCE -Os -flto -static -s -Wall -Wextra -Werror -Wshadow -Wconversion -Wvla
  -fstack-protector-strong -ffunction-sections -fdata-sections -fno-ident -fno-unwind-tables
  -fno-asynchronous-unwind-tables '-Wl,--gc-sections' '-Wl,-z,noexecstack' '-Wl,--build-id=none'
)

mkdir -p "$out"
out=$(cd "$out" && pwd)
if [[ $python == */* ]]; then python=$(cd "$(dirname "$python")" && pwd)/$(basename "$python"); fi
cd "$here"

build() {  # build MACHINE
  local new size
  # Renamed into its place when it is whole: a test may be running the old one.
  new=$(mktemp -d "$out/.new.XXXXXX")
  "$python" -m ziglang cc -target "$1-linux-musl" "${flags[@]}" "${sources[@]}" -o "$new/launcher"
  size=$(wc -c <"$new/launcher")
  if ((size > limit)); then
    echo "build.sh: token-injector.$1 has $size bytes, more than $limit" >&2
    return 1
  fi
  mv "$new/launcher" "$out/token-injector.$1"
  rm -r "$new"
  echo "$out/token-injector.$1: $size bytes"
}

# At once: the first time zig builds a C library for each, mostly on one core.
builds=()
for machine in "${machines[@]}"; do
  build "$machine" &
  builds+=($!)
done
status=0
for pid in "${builds[@]}"; do wait "$pid" || status=1; done
exit "$status"
