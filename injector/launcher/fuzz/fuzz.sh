#!/usr/bin/env bash
# Fuzzes the launcher's pure parsers: fuzz.sh SECONDS. With --planted it compiles bugs in, one after the other, starts
# from one harmless input and fails if a bug is not found in two minutes (usually it takes a second). Needs clang
# (Debian: clang libclang-rt-dev); CLANG names another one.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
launcher=$(dirname "$here")
work=$(cd "$launcher/../.." && pwd)/build/fuzz
clang=${CLANG:-clang}
pure=("$launcher"/{parse,arguments,exec_arguments,answer,environment,expanded,outcome,waits,text}.c)

usage() {
  echo "usage: fuzz.sh SECONDS | --planted" >&2
  exit 2
}

build() { # OUT [FLAG…]
  "$clang" -std=c11 -D_GNU_SOURCE -g -O1 -Wall -Wextra -Werror -fno-sanitize-recover=all \
    -fsanitize=fuzzer,address,undefined -I"$launcher" "${@:2}" "$here"/fuzz_{parse,answer}.c "${pure[@]}" -o "$1"
}

find_planted() { # MACRO INPUT
  build "$scratch/fuzz" "-D$1"
  rm -rf "$scratch/corpus"
  mkdir "$scratch/corpus"
  cp "$here/corpus/$2" "$scratch/corpus"
  if "$scratch/fuzz" "${options[@]}" -max_total_time=120 -artifact_prefix="$scratch/" "$scratch/corpus" \
    >"$scratch/log" 2>&1 || ! grep -q '^==[0-9]*== *ERROR: ' "$scratch/log"; then
    tail -n 20 "$scratch/log" >&2
    echo "fuzz.sh: the planted bug $1 was not found: fuzzing proves nothing here" >&2
    exit 1
  fi
  echo "fuzz.sh: the planted bug $1 was found:"
  grep -m 1 -A 3 '^==[0-9]*== *ERROR: ' "$scratch/log"
}

[[ $# -eq 1 ]] || usage
mkdir -p "$work/found"
scratch=$(mktemp -d "$work/run.XXXXXX")
trap 'rm -rf "$scratch"' EXIT
options=(-max_len=2048 -timeout=5 -print_final_stats=1)

if [[ $1 == --planted ]]; then
  find_planted PLANTED_BUG report-transient
  find_planted PLANTED_ANSWER_BUG answer-sets
elif [[ $1 =~ ^[1-9][0-9]*$ ]]; then
  build "$scratch/fuzz"
  mkdir "$scratch/corpus"
  # What is new goes to the scratch folder; an input that fails stays in build/fuzz/found.
  "$scratch/fuzz" "${options[@]}" -max_total_time="$1" -artifact_prefix="$work/found/" "$scratch/corpus" "$here/corpus"
else
  usage
fi
