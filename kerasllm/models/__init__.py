"""Backbones (token ids to features), preprocessors, tasks, and decoding."""

from kerasllm.models.backbones.backbone import Backbone
from kerasllm.models.backbones.config import RecurrentConfig, TransformerConfig
from kerasllm.models.backbones.embedding import EmbeddingBackbone, EmbeddingConfig
from kerasllm.models.backbones.recurrent import RecurrentBackbone
from kerasllm.models.backbones.transformer import TransformerBackbone
from kerasllm.models.chat.chat_lm import ChatLM
from kerasllm.models.chat.preprocessor import ChatPreprocessor
from kerasllm.models.classification.preprocessor import ClassificationPreprocessor
from kerasllm.models.classification.text_classifier import TextClassifier
from kerasllm.models.classification.text_encoder import TextEncoder
from kerasllm.models.decoding.beams import Beam, beam_search_ids
from kerasllm.models.decoding.decoding import decode_ids, generate_ids, stream_ids
from kerasllm.models.decoding.sampling import Sampling
from kerasllm.models.language.causal_lm import CausalLM, ContrastiveLM
from kerasllm.models.language.losses import SpanContrast, TokenCrossEntropy
from kerasllm.models.language.masked_lm import MaskedLM
from kerasllm.models.language.masking import mask_tokens
from kerasllm.models.language.preprocessor import (
    CausalPreprocessor,
    ContrastivePreprocessor,
    MaskedPreprocessor,
)
from kerasllm.models.lora import LoRA
from kerasllm.models.preprocessor import Preprocessor
from kerasllm.models.presets import register_tasks
from kerasllm.models.seq2seq.config import RecurrentSeq2SeqConfig, TransformerSeq2SeqConfig
from kerasllm.models.seq2seq.preprocessor import Seq2SeqPreprocessor
from kerasllm.models.seq2seq.recurrent import RecurrentEncoderDecoder
from kerasllm.models.seq2seq.seq2seq import RecurrentSeq2Seq, Seq2Seq, TransformerSeq2Seq
from kerasllm.models.seq2seq.transformer import TransformerEncoderDecoder
from kerasllm.models.span.preprocessor import SpanPreprocessor
from kerasllm.models.span.selection import best_spans
from kerasllm.models.span.span_extractor import SpanExtractor
from kerasllm.models.tagging.preprocessor import TaggingPreprocessor
from kerasllm.models.tagging.token_tagger import TokenTagger
from kerasllm.models.task import Task

register_tasks()  # of folders beside those above

__all__ = [
    "Backbone",
    "Beam",
    "CausalLM",
    "CausalPreprocessor",
    "ChatLM",
    "ChatPreprocessor",
    "ClassificationPreprocessor",
    "ContrastiveLM",
    "ContrastivePreprocessor",
    "EmbeddingBackbone",
    "EmbeddingConfig",
    "LoRA",
    "MaskedLM",
    "MaskedPreprocessor",
    "Preprocessor",
    "RecurrentBackbone",
    "RecurrentConfig",
    "RecurrentEncoderDecoder",
    "RecurrentSeq2Seq",
    "RecurrentSeq2SeqConfig",
    "Sampling",
    "Seq2Seq",
    "Seq2SeqPreprocessor",
    "SpanContrast",
    "SpanExtractor",
    "SpanPreprocessor",
    "TaggingPreprocessor",
    "Task",
    "TextClassifier",
    "TextEncoder",
    "TokenCrossEntropy",
    "TokenTagger",
    "TransformerBackbone",
    "TransformerConfig",
    "TransformerEncoderDecoder",
    "TransformerSeq2Seq",
    "TransformerSeq2SeqConfig",
    "beam_search_ids",
    "best_spans",
    "decode_ids",
    "generate_ids",
    "mask_tokens",
    "stream_ids",
]
