"""Rules of the twin, by kind of layer; each module registers its own."""
# ruff: noqa: F401

from kerasllm.verify.twins.rules import (
    attention,
    core,
    kerasllm,
    lora,
    masked_merging,
    merging,
    ops,
    pooling,
    recurrent,
    seq2seq,
    tagging,
)
