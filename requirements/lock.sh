#!/usr/bin/env bash
# Renews requirements/*.txt from pyproject.toml: what each image holds, what builds them, and what development needs, each
# with hashes.
# uv is fetched into a folder of its own, as it is needed for nothing else.
set -euo pipefail
cd "$(dirname "$0")/.."
tool=$(mktemp -d)
trap 'rm -rf "$tool"' EXIT
python3 -m venv "$tool"
"$tool/bin/python" -m pip install --quiet uv
lock() {  # lock OUTPUT FLAGS...
  local output=$1
  shift
  "$tool/bin/uv" pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links \
    --no-annotate --custom-compile-command "make lock" --output-file "requirements/$output" "$@" pyproject.toml
}
lock dev.txt --extra webhook --extra injector --extra certjob --extra ctl --group dev
# What the images hold is what the tests run with.
tested=(--constraint requirements/dev.txt)
lock injector.txt "${tested[@]}" --extra injector
lock webhook.txt "${tested[@]}" --extra webhook --extra certjob --extra ctl
lock build.txt "${tested[@]}" --group build
lock launcher.txt "${tested[@]}" --group launcher
lock e2e.txt "${tested[@]}" --group e2e
