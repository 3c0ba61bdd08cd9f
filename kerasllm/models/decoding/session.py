"""A text that grows turn by turn: what was read before is kept, and only what is new is read.

- Keys and values lie in a buffer of fixed length, so that a few compiled functions serve a whole
  conversation. It doubles when it is full.
- New tokens are read `WIDTH` at a time, and made `BURST` at a time: one call of the compiled loop,
  which hands its buffers over once.
"""

import numpy as np
from keras import ops

from kerasllm.models.decoding.decoding import GREEDY, _advance
from kerasllm.models.decoding.steps import NEVER, steps_of
from kerasllm.text import EOS

WIDTH = 64  # tokens read at once
BURST = 4  # tokens made before they are shown
SMALLEST = 512  # tokens of the first buffer


class Session:
    """A causal language model with a memory of what it has read and said.

    Args:
        model: a `CausalLM` of a `TransformerBackbone`.

    Attributes:
        known: ids whose keys and values are in the buffer.
    """

    def __init__(self, model):
        self.steps, self.known, self.size = steps_of(model), [], 0

    def stream(
        self, prompt, max_new_tokens=256, sampling=None, seed=0, *, stop=(EOS,), never=NEVER
    ):
        """Yield the tokens that follow a prompt, one by one, as they come.

        Args:
            prompt: ids; where it begins like what is known, only the rest is read.
            max_new_tokens: how many to add at most.
            sampling: a `Sampling`; greedy when None.
            seed: of the draws.
            stop: token ids that end the text; the one that does is the last that is yielded.
            never: token ids that are never chosen.

        Raises:
            ValueError: prompt and answer do not fit into the model's context.
        """
        end = len(prompt) + max_new_tokens
        self.steps.check_fits(
            end, f"a prompt of {len(prompt)} tokens and {max_new_tokens} new ones"
        )
        self._make_room(end)
        self._read(prompt)
        loop = self.steps.compiled(_advance, sampling or GREEDY, tuple(stop), tuple(never))
        ids = np.zeros((1, self.size), "int32")
        ids[0, : len(prompt)] = prompt
        uniform = np.random.default_rng(seed).random((1, self.size)).astype("float32")
        given, ends = np.array([[len(prompt)], [end]], "int32")
        at = len(prompt) - 1
        carry = (np.array(at, "int32"), ids, self.state, np.zeros(1, bool))
        while at < end - 1:
            until = min(at + BURST, end - 1)
            carry = loop(*carry, given, ends, uniform, np.array(until, "int32"))
            row, self.state = ops.convert_to_numpy(carry[1])[0].tolist(), carry[2]
            new = row[at + 1 : until + 1]
            last = next((i for i, token in enumerate(new) if token in stop), len(new) - 1)
            self.known = row[: at + 1 + last]  # the last token was not fed yet
            yield from new[: last + 1]
            if new[last] in stop:
                return
            at = until

    def _make_room(self, end):
        """Make the buffer long enough; what was known is then read again."""
        size, longest = max(self.size, SMALLEST), self.steps.max_length
        while size < end:
            size *= 2
        size = size if longest is None else min(size, longest)
        if size > self.size:
            self.size, self.known = size, []
            self.state = self.steps.model.backbone.initial_state(1, size)

    def _read(self, prompt):
        """Bring the buffer up to the last token of the prompt, which the first step feeds."""
        same = 0
        while same < min(len(self.known), len(prompt) - 1) and self.known[same] == prompt[same]:
            same += 1
        self.known = self.known[:same]
        read = self.steps.compiled(_read_on)
        while len(self.known) < len(prompt) - 1:
            # The last window of the buffer may reach back: what is read again is the same.
            start = max(min(len(self.known), self.size - WIDTH), 0)
            part = prompt[start : min(start + WIDTH, len(prompt) - 1)]
            window = np.zeros((1, min(WIDTH, self.size)), "int32")
            window[0, : len(part)] = part
            self.state = read(window, self.state, np.array(start, "int32"))
            self.known = prompt[: start + len(part)]


def _read_on(steps, window, state, start):
    """Return the state after a window of ids (1, W) at `start`; padding is written over later."""
    window, start = map(ops.convert_to_tensor, (window, start))
    return steps.model.backbone.step(window, state, start=start)[1]
