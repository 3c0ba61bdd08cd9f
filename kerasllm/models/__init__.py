"""Backbones (token ids to features), tasks (backbone + head + loss) and decoding."""

from kerasllm.models.backbones.config import RecurrentConfig, TransformerConfig
from kerasllm.models.backbones.embedding import EmbeddingBackbone, EmbeddingConfig
from kerasllm.models.backbones.recurrent import RecurrentBackbone
from kerasllm.models.backbones.transformer import TransformerBackbone
from kerasllm.models.classification.text_classifier import TextClassifier
from kerasllm.models.classification.text_encoder import TextEncoder
from kerasllm.models.decoding.beams import Beam, beam_search_ids
from kerasllm.models.decoding.decoding import decode_ids, generate_ids, stream_ids
from kerasllm.models.decoding.sampling import Sampling
from kerasllm.models.language.causal_lm import CausalLM, ContrastiveLM
from kerasllm.models.language.losses import SpanContrast, TokenCrossEntropy
from kerasllm.models.language.masked_lm import MaskedLM, mask_tokens
from kerasllm.models.lora import LoRA
from kerasllm.models.seq2seq.config import RecurrentSeq2SeqConfig, TransformerSeq2SeqConfig
from kerasllm.models.seq2seq.recurrent import RecurrentSeq2Seq
from kerasllm.models.seq2seq.transformer import TransformerSeq2Seq
from kerasllm.models.span.span_extractor import SpanExtractor, best_spans
from kerasllm.models.tagging.token_tagger import TokenTagger

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
