"""From raw text to token ids, without Keras: cleaning, tokenizers, lengths, windows."""

from kerasllm.text.cleaning import Cleaner, CleaningReport
from kerasllm.text.corpora.corpus import TokenCorpus
from kerasllm.text.corpora.streaming import read_pieces, sample_texts
from kerasllm.text.lengths import LengthReport, length_report
from kerasllm.text.padding import pad_sequences
from kerasllm.text.privacy import Masked, mask_personal_data
from kerasllm.text.tokenizers.base import Tokenizer
from kerasllm.text.tokenizers.special import BOS, EOS, MASK, PAD, SEP, SPECIAL_TOKENS, UNK
from kerasllm.text.tokenizers.splitters import join_words, split_words
from kerasllm.text.tokenizers.training import (
    KINDS,
    load_tokenizer,
    restore_tokenizer,
    train_tokenizer,
)
from kerasllm.text.windows import pool_windows, truncate, window_batch, windows

__all__ = [
    "BOS", "EOS", "KINDS", "MASK", "PAD", "SEP", "SPECIAL_TOKENS", "UNK", "Cleaner",
    "CleaningReport", "LengthReport", "Masked", "TokenCorpus", "Tokenizer", "join_words",
    "length_report", "load_tokenizer", "mask_personal_data", "pad_sequences", "pool_windows",
    "read_pieces", "restore_tokenizer", "sample_texts", "split_words", "train_tokenizer",
    "truncate", "window_batch",
    "windows",
]  # fmt: skip
