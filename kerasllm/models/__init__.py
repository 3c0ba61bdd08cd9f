"""Backbones (token ids to features), tasks (backbone + head + loss) and decoding."""

from kerasllm.models.backbones import RecurrentBackbone, TransformerBackbone
from kerasllm.models.config import RecurrentConfig, TransformerConfig
from kerasllm.models.decoding import Sampling, generate_ids
from kerasllm.models.losses import SpanContrast, TokenCrossEntropy
from kerasllm.models.tasks import CausalLM, ContrastiveLM, MaskedLM, TextClassifier, mask_tokens

__all__ = [
    "CausalLM",
    "ContrastiveLM",
    "MaskedLM",
    "RecurrentBackbone",
    "RecurrentConfig",
    "Sampling",
    "SpanContrast",
    "TextClassifier",
    "TokenCrossEntropy",
    "TransformerBackbone",
    "TransformerConfig",
    "generate_ids",
    "mask_tokens",
]
