#!/bin/bash
# What a GPU has to show, in ten minutes at most, with nothing from a network: run it where there is
# one, and commit benchmarks/results/gpu_*.json. `bash benchmarks/gpu.sh --small` tries the script
# itself anywhere, in about a minute, and writes nothing.
#
#   layers     every equation's forward pass and gradients against NumPy's, on the device
#   recurrent  a recurrent layer by cuDNN and by our loop: the same numbers, milliseconds of each
#   training   a GPT in float32 and in bfloat16: tokens a second, share of the device's peak
#   character  tiny Shakespeare (set KERASLLM_DATA to where it is) to a held-out loss of 1.45 nats
set -euo pipefail
cd "$(dirname "$0")/.."
export KERAS_BACKEND=jax PYTHONPATH="$PWD${PYTHONPATH:+:$PYTHONPATH}"
export XLA_PYTHON_CLIENT_PREALLOCATE=false  # memory for one part after the other

python -c "import jax; print(*jax.devices())"
for part in layers recurrent training character; do
  echo "== $part"
  timeout 400 python benchmarks/gpu.py "$part" "$@"
done
