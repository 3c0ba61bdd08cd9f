"""The registry of public sets, part by part."""

from kerasllm.datasets import (
    catalogue_classification,
    catalogue_dialogue,
    catalogue_language,
    catalogue_meaning,
    catalogue_nltk,
    catalogue_reviews,
    catalogue_spans,
    catalogue_summaries,
    catalogue_tagging,
    catalogue_translation,
)

_PARTS = (
    catalogue_language,
    catalogue_classification,
    catalogue_reviews,
    catalogue_tagging,
    catalogue_translation,
    catalogue_meaning,
    catalogue_spans,
    catalogue_summaries,
    catalogue_dialogue,
    catalogue_nltk,
)
ENTRIES = tuple(entry for part in _PARTS for entry in part.ENTRIES)
