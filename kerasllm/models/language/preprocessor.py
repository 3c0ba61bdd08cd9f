"""Batches of a contrastive language model: next tokens beside pairs of spans."""

import numpy as np

from kerasllm.text.batching import Batches, pad_bucketed


class SpanBatches(Batches):
    """Windows for the next token beside pairs of spans for the contrast.

    Each text is cut in two at a random place between 30 and 70 % of its tokens.

    Args:
        stream: a `StreamBatches`.
        texts: a `TextBatches` without targets.
    """

    def __init__(self, stream, texts):
        self.stream_batches, self.texts, self.seed = stream, texts, texts.seed
        self.steps_per_epoch = texts.steps_per_epoch

    def batch(self, step):
        """Return ({"ids", "spans"}, {"logits": next ids, "pooled": zeros, not read})."""
        rng = np.random.default_rng([self.seed, step, 2])
        spans = []
        for ids in self.texts.chosen(step):
            cut = min(len(ids) - 1, max(1, round(rng.uniform(0.3, 0.7) * len(ids))))
            spans += [ids[:cut], ids[cut:]]
        spans = pad_bucketed(spans, self.texts.bucket, self.texts.lengths.max())
        ids, following = self.stream_batches.batch(step)
        targets = {"logits": following, "pooled": np.zeros(len(spans), "int32")}
        return {"ids": ids, "spans": spans}, targets
