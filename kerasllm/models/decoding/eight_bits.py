"""Decoding with weights of 8 bits, by CTranslate2 (extra `int8`): a quarter of the bytes a token.

What a small batch waits for is that all weights are read from memory for each token. Here each row
of a matrix is kept as whole numbers of 8 bits and one scale,

    W_ij ≈ s_i Q_ij,    s_i = max_j |W_ij| / 127,    Q_ij = round(W_ij / s_i)

and so are the features that it multiplies, row by row; sums are of 32 bits. Dettmers et al. 2022,
section 2.1 ("row-wise absmax").
"""

import shutil
import tempfile
import weakref

import numpy as np

from kerasllm.models.backbones.transformer import TransformerBackbone
from kerasllm.models.decoding.steps import NEVER, steps_of
from kerasllm.models.hub.ctranslate import described
from kerasllm.text import EOS

SMALLEST = 20_000_000  # weights; of fewer a token waits for other things
NOTHING = 2**31 - 1  # an id that no text holds


class EightBits:
    """A causal Transformer language model, made ready to decode with weights of 8 bits.

    Args:
        model: a `CausalLM` of a `TransformerBackbone`. Its weights are copied: what it learns
            later is not in here.
        precision: "int8"; or "float32", which decodes as the model itself does.

    Raises:
        ImportError: the package ctranslate2 is not installed.
        ValueError: the model is of another kind, or has weights that the engine has no place for.
    """

    def __init__(self, model, precision="int8"):
        library = _library()
        if not isinstance(getattr(model, "backbone", None), TransformerBackbone):
            raise ValueError(
                "8 bits are for causal Transformers: expected a CausalLM of a TransformerBackbone, "
                f"received a {type(model).__name__} of a "
                f"{type(getattr(model, 'backbone', None)).__name__}. Leave int8 out."
            )
        self.steps, self.precision = steps_of(model), precision
        spec = described(library, model.backbone)
        spec.validate()
        spec.optimize(quantization=precision)
        self._folder = tempfile.mkdtemp(prefix="kerasllm-")
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        spec.save(self._folder)
        self.generator = self._opened()

    def _opened(self, seed=None):
        """Return a generator; what it draws follows from the seed that it is opened with."""
        library = _library()
        if seed is not None:
            library.set_random_seed(int(np.random.default_rng(_flat(seed)).integers(2**31)))
        return library.Generator(self._folder, compute_type=self.precision)

    def logits(self, ids):
        """Return the logits (B, T, V) of ids (B, T)."""
        size, ids = self.steps.vocabulary_size, np.asarray(ids, "int32")
        library, lengths = _library(), np.full(len(ids), ids.shape[1], "int32")
        view = library.StorageView.from_array
        return np.asarray(self.generator.forward_batch(view(ids), view(lengths)))[..., :size]

    def decode(
        self, prompts, max_new_tokens=64, *, sampling=None, seed=0, stop=(EOS,), prefix=(),
        never=NEVER,
    ):  # fmt: skip
        """Return the new tokens of each prompt, as `decode_ids` does; the draws are others.

        Prompts are decoded one by one, so that what is drawn for one depends on no other.

        Args:
            prompts: lists of token ids.
            max_new_tokens: how many to add at most.
            sampling: a `Sampling` without repetition penalty; greedy when None.
            seed: an int, or what `seeds_of` returns.
            stop: token ids that end a text; they are kept as its last token.
            prefix: token ids that every answer begins with.
            never: token ids that are never chosen.
        """
        seeds = seed if np.ndim(seed) else [(seed, row) for row in range(len(prompts))]
        options = {"sampling": sampling, "stop": stop, "never": never, "prefix": prefix}
        return [
            list(self.stream(prompt, max_new_tokens, seed=[own], **options))
            for prompt, own in zip(prompts, seeds, strict=True)
        ]

    def stream(
        self, prompt, max_new_tokens=64, sampling=None, seed=0, *, stop=(EOS,), prefix=(),
        never=NEVER,
    ):  # fmt: skip
        """Yield the tokens of `decode([prompt], …)[0]` one by one, as they come."""
        prompt, prefix = list(prompt) or [EOS], list(prefix)[:max_new_tokens]
        self.steps.check_fits(
            len(prompt) + max_new_tokens,
            f"a prompt of {len(prompt)} tokens and {max_new_tokens} new ones",
        )
        yield from prefix
        if max_new_tokens == len(prefix):
            return
        greedy = sampling is None or sampling.temperature == 0
        generator = self.generator if greedy else self._opened(seed)
        for step in generator.generate_tokens(
            [str(token) for token in prompt + prefix],
            max_length=max_new_tokens - len(prefix),
            suppress_sequences=[[str(token)] for token in never] or None,
            end_token=[int(token) for token in stop] or [NOTHING],
            **_options(sampling, self.steps.vocabulary_size),
        ):
            yield step.token_id


def _options(sampling, size):
    if sampling is not None and sampling.repetition_penalty != 1:
        raise ValueError(
            "in 8 bits repetition_penalty would see new tokens alone, not the prompt, received "
            f"{sampling.repetition_penalty}: leave it at 1, or leave int8 out."
        )
    if sampling is None or sampling.temperature == 0:
        return {"sampling_topk": 1}
    return {
        "sampling_topk": min(sampling.top_k or size, size),
        "sampling_topp": sampling.top_p or 1.0,
        "sampling_temperature": sampling.temperature,
    }


def _flat(seed):
    """Return a seed of any nest as a list of numbers."""
    return [int(part) for part in np.ravel(np.array(seed, dtype=object))]


def _library():
    try:
        import ctranslate2
        import ctranslate2.specs
    except ImportError:
        raise ImportError(
            "decoding in 8 bits needs ctranslate2: pip install 'kerasllm[int8]'"
        ) from None
    return ctranslate2
