"""Rules of the twin, by kind of layer; each module registers its own."""
# ruff: noqa: F401

from kerasllm.verify.twins.rules import (
    activations,
    attention,
    convolution,
    core,
    kerasllm,
    lora,
    masked_merging,
    merging,
    normalization,
    ops,
    pooling,
    recurrent,
    seq2seq,
    tagging,
)
