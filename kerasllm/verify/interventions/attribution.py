"""What tokens an answer hangs on: occlusion, gradient saliency, integrated gradients.

    print(integrated_gradients("runs/reviews", "What a lovely film"))
    occlusion("runs/lm", "The cats on the mat", target="are")

Each asks what happens to one score of the output, F, when the embedding x_t of a token changes. The
text without content that it is compared with, the *baseline* x', has the unknown token everywhere.
None of the three is a cause: they say what F does near this text. `intervene` says what it does.
"""

import keras
import numpy as np

from kerasllm.layers import TokenEmbedding
from kerasllm.text import UNK
from kerasllm.utils.tables import Shown, Table
from kerasllm.verify.interventions.change import Change, taken_from
from kerasllm.verify.interventions.changed import ChangedTwin, Place
from kerasllm.verify.interventions.reading import in_range
from kerasllm.verify.traces.inputs import read
from kerasllm.verify.traces.trace import trace_of

_AT_ONCE = 16  # texts in one batch
_EMBEDDINGS = (TokenEmbedding, keras.layers.Embedding)


class Attribution(Shown):
    """What each token adds to a score.

    Attributes:
        method: "occlusion", "saliency" or "integrated gradients".
        tokens: the tokens that the embedding reads.
        values: one number for each of them, (T,).
        target: what the score is of, as a text.
        score: F of the text.
        baseline: F of the baseline; None for a saliency, which has none.
    """

    def __init__(self, method, task, values, baseline=None):
        self.method, self.tokens, self.values = method, task.tokens, values
        self.target, self.score, self.baseline = task.label, task.score, baseline

    @property
    def completeness_error(self):
        """|Σ values - (F(x) - F(x'))|, 0 for exact integrated gradients; None for a saliency."""
        if self.baseline is None:
            return None
        return abs(float(self.values.sum() - (self.score - self.baseline)))

    @property
    def table(self):
        """A row for each token, and what they add up to."""
        title = f"{self.method}: the score {self.score:.4f} of {self.target}"
        if self.method == "integrated gradients":
            title += (
                f", {self.baseline:.4f} of the baseline; the values miss the difference by "
                f"{self.completeness_error:.1e}"
            )
        rows = [(str(t), *pair) for t, pair in enumerate(self._pairs())]
        return Table(("position", "token", "value"), rows, title)

    def _pairs(self):
        return [(token, float(v)) for token, v in zip(self.tokens, self.values, strict=True)]


def occlusion(run_or_model, x, target=None, position=None, tokenizer=None, baseline=UNK):
    """Put the baseline in the place of one token after the other, and see how far the score falls.

        value_t = F(x) - F(x with x'_t in the place of x_t)

    Args:
        run_or_model: as of `kerasllm.verify.trace`.
        x: as of `kerasllm.verify.trace`.
        target: token, class or tag whose score F is, or its number; the likeliest if left out.
        position: of the output that has the score, where there are several: of the next token, or
            of a word; the last one if left out.
        tokenizer: that of a model given without a run.
        baseline: id of the token that stands for none.

    Returns:
        An `Attribution`.

    Raises:
        ValueError: a model of features, or with an output of other shape; an unknown target.

    Source:
        Zeiler and Fergus, Visualizing and Understanding Convolutional Networks (2014), section
        4.2; for text Li, Monroe and Jurafsky, Understanding Neural Networks through Representation
        Erasure (2016).
    """
    task = _Task(run_or_model, x, target, position, tokenizer)
    nothing = task.embedded_as(baseline)
    path = np.repeat(task.embedded, len(task.tokens), axis=0)  # (1, T, D) -> (T, T, D)
    every = np.arange(len(path))
    path[every, every] = nothing[0]
    return Attribution("occlusion", task, task.score - task.scores(path), task.of(nothing))


def saliency(run_or_model, x, target=None, position=None, tokenizer=None):
    """Measure how steep the score is in the direction of each token's embedding.

        value_t = ‖∂F / ∂x_t‖

    Arguments as of `occlusion`.

    Source:
        Simonyan, Vedaldi and Zisserman, Deep Inside Convolutional Networks (2013), section 3; for
        text Li et al., Visualizing and Understanding Neural Models in NLP (2016), section 5.
    """
    task = _Task(run_or_model, x, target, position, tokenizer)
    gradient = task.gradients(task.embedded)[0]  # (T, D)
    return Attribution("saliency", task, np.linalg.norm(gradient, axis=-1))


def integrated_gradients(
    run_or_model, x, target=None, position=None, tokenizer=None, baseline=UNK, steps=50
):
    """Add up the gradients on the straight way from the baseline to the text.

        value_t = (x_t - x'_t) · ∫₀¹ ∂F/∂x_t (x' + α (x - x')) dα

    The values sum to F(x) - F(x') (completeness); by how much they miss it says whether `steps`
    suffice, and is printed. The integral is taken by the rule of Gauss and Legendre.

    Args:
        run_or_model: as of `occlusion`.
        x: as of `occlusion`.
        target: as of `occlusion`.
        position: as of `occlusion`.
        tokenizer: as of `occlusion`.
        baseline: as of `occlusion`.
        steps: points at which the gradient is taken.

    Returns:
        An `Attribution`.

    Source:
        Sundararajan, Taly and Yan, Axiomatic Attribution for Deep Networks (2017), equation 1.
    """
    if isinstance(steps, bool) or not isinstance(steps, int) or steps < 1:
        raise ValueError(f"expected steps as a whole number from 1, received {steps!r}.")
    task = _Task(run_or_model, x, target, position, tokenizer)
    nothing = task.embedded_as(baseline)
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    alpha, weights = (nodes + 1) / 2, weights / 2  # from [-1, 1] to [0, 1]
    way = task.embedded - nothing
    gradients = task.gradients(nothing + alpha[:, None, None] * way)  # (steps, T, D)
    mean = np.einsum("s,std->td", weights, gradients)
    values = (way[0] * mean).sum(axis=-1)
    return Attribution("integrated gradients", task, values, task.of(nothing))


class _Task:
    """One score of a model's output as a function of the embeddings (M, T, D)."""

    def __init__(self, run_or_model, x, target, position, tokenizer):
        self.seen = read(run_or_model, x, tokenizer)
        self.twin = ChangedTwin(self.seen.model)
        inputs = self.seen.reading.inputs
        calls = self.twin.calls(inputs)
        self.call = next((c for c in calls if isinstance(c.layer, _EMBEDDINGS)), None)
        if self.call is None:
            raise ValueError(
                "this model has no embedding of tokens: float inputs have a gradient of their own, "
                "verify.twin(model).output_gradients(x, d_outputs)."
            )
        trace = trace_of(self.seen, self.twin, calls)
        self.tokens, self.embedded = trace.tokens_of(self.call.name), self.call.output.array
        self._at, self.label = self._choose(self._outputs(self.embedded)[1].array, target, position)
        self.score = self.of(self.embedded)

    def embedded_as(self, token):
        """Return the embeddings (1, T, D) of the baseline: the same token everywhere."""
        in_range("baseline", token, self.call.layer.embeddings.shape[0])
        inputs = self.seen.reading.inputs
        ids = np.full_like(self.call.inputs[0].array, token)
        calls = self.twin.calls({**inputs, "ids": ids} if isinstance(inputs, dict) else ids)
        return next(c for c in calls if c.name == self.call.name).output.array

    def of(self, embedded):
        """Return the score of embeddings (1, T, D)."""
        return float(self.scores(embedded)[0])

    def scores(self, embedded):
        """Return the score of each of M texts, (M,)."""
        return np.concatenate([self._outputs(part)[1].array[self._at] for part in _parts(embedded)])

    def gradients(self, embedded):
        """Return the gradient of each score, (M, T, D)."""
        found = []
        for part in _parts(embedded):
            tape, output = self._outputs(part)
            d_output = np.zeros_like(output.array)
            d_output[self._at] = 1
            output.add_gradient(d_output)
            tape.backward()
            call = next(c for c in tape.calls if c.name == self.call.name)
            found.append(call.output.d)
        return np.concatenate(found)

    def _outputs(self, embedded):
        """Return the tape and the first output of M texts whose embeddings are given."""
        place = Place(self.call.name, 0, "output")
        changed = Change("", place, taken_from(lambda position: embedded[:, position]))
        inputs = keras.tree.map_structure(
            lambda a: np.repeat(a, len(embedded), axis=0), self.seen.reading.inputs
        )
        tape, outputs, _ = self.twin.with_changes([changed])._forward(inputs)
        return tape, outputs[0]

    def _choose(self, output, target, position):
        """Return which entry of the output (M, C) or (M, T, C) is the score, and what it is of."""
        if output.ndim not in (2, 3):
            raise ValueError(f"expected an output of (B, C) or (B, T, C), received {output.shape}.")
        where = ()
        if output.ndim == 3:
            last = output.shape[1] - 1
            where = (last if position is None else in_range("position", position, last + 1),)
        row = output[(0, *where)]
        number = int(row.argmax()) if target is None else self._number(target, len(row))
        return (slice(None), *where, number), self.seen.label(number)

    def _number(self, target, count):
        if not isinstance(target, str):
            return in_range("target", target, count)
        found = [k for k in range(count) if self.seen.label(k).strip() == target.strip()]
        if not found:
            raise ValueError(f"no token or class {target!r} among the {count} of this model.")
        return found[0]


def _parts(array):
    return [array[k : k + _AT_ONCE] for k in range(0, len(array), _AT_ONCE)]
