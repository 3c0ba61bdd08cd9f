#!/bin/sh
# See benchmarks/gpu.py: `sh benchmarks/gpu.sh [--small]`.
cd "$(dirname "$0")/.." || exit 1
KERAS_BACKEND=jax exec timeout 600 python benchmarks/gpu.py "$@"
