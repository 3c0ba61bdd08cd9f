"""The registry of public sets, part by part."""

from kerasllm.datasets.public.catalogues import classification as catalogue_classification
from kerasllm.datasets.public.catalogues import dialogue as catalogue_dialogue
from kerasllm.datasets.public.catalogues import language as catalogue_language
from kerasllm.datasets.public.catalogues import meaning as catalogue_meaning
from kerasllm.datasets.public.catalogues import nltk as catalogue_nltk
from kerasllm.datasets.public.catalogues import reviews as catalogue_reviews
from kerasllm.datasets.public.catalogues import spans as catalogue_spans
from kerasllm.datasets.public.catalogues import summaries as catalogue_summaries
from kerasllm.datasets.public.catalogues import tagging as catalogue_tagging
from kerasllm.datasets.public.catalogues import translation as catalogue_translation

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
