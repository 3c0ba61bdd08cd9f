"""Keras layers for language models, on every Keras backend."""

from kerasllm.layers.attention.copying import PointerGenerator
from kerasllm.layers.attention.multi_head import MultiHeadAttention
from kerasllm.layers.attention.recurrent_decoder import AttentionDecoder
from kerasllm.layers.attention.scores import BahdanauAttention, LuongAttention
from kerasllm.layers.attention.transformer import FeedForward, TransformerEncoder
from kerasllm.layers.attention.transformer_decoder import TransformerDecoder
from kerasllm.layers.characters import CharacterCNN
from kerasllm.layers.crf import CRF
from kerasllm.layers.embedding import TokenEmbedding
from kerasllm.layers.head import linear_cross_entropy
from kerasllm.layers.pooling import MaskedPooling
from kerasllm.layers.recurrent import GRU, LSTM, Bidirectional, BiLSTM, SimpleRNN, StackedRNN

__all__ = [
    "CRF",
    "GRU",
    "LSTM",
    "AttentionDecoder",
    "BahdanauAttention",
    "BiLSTM",
    "Bidirectional",
    "CharacterCNN",
    "FeedForward",
    "LuongAttention",
    "MaskedPooling",
    "MultiHeadAttention",
    "PointerGenerator",
    "SimpleRNN",
    "StackedRNN",
    "TokenEmbedding",
    "TransformerDecoder",
    "TransformerEncoder",
    "linear_cross_entropy",
]
