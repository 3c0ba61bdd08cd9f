"""Keras layers for language models, on every Keras backend."""

from kerasllm.layers.attention import MultiHeadAttention
from kerasllm.layers.attention_decoder import AttentionDecoder
from kerasllm.layers.attention_scores import BahdanauAttention, LuongAttention
from kerasllm.layers.characters import CharacterCNN
from kerasllm.layers.copying import PointerGenerator
from kerasllm.layers.crf import CRF
from kerasllm.layers.decoder import TransformerDecoder
from kerasllm.layers.embedding import TokenEmbedding
from kerasllm.layers.head import linear_cross_entropy
from kerasllm.layers.pooling import MaskedPooling
from kerasllm.layers.recurrent import BiLSTM, StackedRNN
from kerasllm.layers.transformer import FeedForward, TransformerEncoder

__all__ = [
    "CRF",
    "AttentionDecoder",
    "BahdanauAttention",
    "BiLSTM",
    "CharacterCNN",
    "FeedForward",
    "LuongAttention",
    "MaskedPooling",
    "MultiHeadAttention",
    "PointerGenerator",
    "StackedRNN",
    "TokenEmbedding",
    "TransformerDecoder",
    "TransformerEncoder",
    "linear_cross_entropy",
]
