"""Keras layers for language models, on every Keras backend."""

from kerasllm.layers.attention import MultiHeadAttention
from kerasllm.layers.embedding import TokenEmbedding
from kerasllm.layers.pooling import MaskedPooling
from kerasllm.layers.recurrent import BiLSTM, StackedRNN
from kerasllm.layers.transformer import FeedForward, TransformerEncoder

__all__ = [
    "BiLSTM",
    "FeedForward",
    "MaskedPooling",
    "MultiHeadAttention",
    "StackedRNN",
    "TokenEmbedding",
    "TransformerEncoder",
]
