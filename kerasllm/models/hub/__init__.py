"""Checkpoints of other projects: BERT, RoBERTa, DistilBERT, GPT-2 and Llama, also from GGUF."""

from kerasllm.models.hub.gguf_saving import save_gguf
from kerasllm.models.hub.loading import CheckpointInfo, load_checkpoint
from kerasllm.models.hub.saving import save_checkpoint

__all__ = ["CheckpointInfo", "load_checkpoint", "save_checkpoint", "save_gguf"]
