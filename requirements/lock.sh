#!/bin/sh
# Pin every dependency with its hashes, and name no registry: sh requirements/lock.sh
set -eu
compile() {
    .venv/bin/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 \
        --no-emit-index-url --no-emit-find-links --no-annotate --no-header "$@"
}
compile --extra build --extra demo pyproject.toml -o requirements/tuner.txt
compile --extra build --extra demo --extra dev pyproject.toml -c requirements/tuner.txt -o requirements/dev.txt
compile --no-deps requirements/triton.in -o requirements/triton.txt
compile requirements/peers.in -o requirements/peers.txt
compile requirements/estimates.in -o requirements/estimates.txt
