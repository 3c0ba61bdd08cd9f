"""Backbones (token ids to features), tasks (backbone + head + loss) and decoding."""

from kerasllm.models.backbones import RecurrentBackbone, TransformerBackbone
from kerasllm.models.beams import Beam, beam_search_ids
from kerasllm.models.config import RecurrentConfig, TransformerConfig
from kerasllm.models.decoding import decode_ids, generate_ids, stream_ids
from kerasllm.models.decoding_sampling import Sampling
from kerasllm.models.encoding import TextEncoder
from kerasllm.models.lora import LoRA
from kerasllm.models.losses import SpanContrast, TokenCrossEntropy
from kerasllm.models.seq2seq import RecurrentSeq2Seq
from kerasllm.models.seq2seq_config import RecurrentSeq2SeqConfig, TransformerSeq2SeqConfig
from kerasllm.models.seq2seq_transformer import TransformerSeq2Seq
from kerasllm.models.spans import SpanExtractor, best_spans
from kerasllm.models.tagging import EmbeddingBackbone, EmbeddingConfig, TokenTagger
from kerasllm.models.tasks import CausalLM, ContrastiveLM, MaskedLM, TextClassifier, mask_tokens

__all__ = [
    "Beam",
    "CausalLM",
    "ContrastiveLM",
    "EmbeddingBackbone",
    "EmbeddingConfig",
    "LoRA",
    "MaskedLM",
    "RecurrentBackbone",
    "RecurrentConfig",
    "RecurrentSeq2Seq",
    "RecurrentSeq2SeqConfig",
    "Sampling",
    "SpanContrast",
    "SpanExtractor",
    "TextClassifier",
    "TextEncoder",
    "TokenCrossEntropy",
    "TokenTagger",
    "TransformerBackbone",
    "TransformerConfig",
    "TransformerSeq2Seq",
    "TransformerSeq2SeqConfig",
    "beam_search_ids",
    "best_spans",
    "decode_ids",
    "generate_ids",
    "mask_tokens",
    "stream_ids",
]
