"""A trained run and what it can do: be scored, answer, go on with a text."""

import dataclasses
from pathlib import Path

from kerasllm.datasets import Dataset, Text
from kerasllm.datasets.sources import Source, texts_of
from kerasllm.training.answer_files import inputs_of
from kerasllm.training.chatting import chat_with
from kerasllm.training.engine.compilation import compile_model
from kerasllm.training.evaluation import evaluate_run
from kerasllm.training.generation import generate_with
from kerasllm.training.run_folder.folder import RunFolder
from kerasllm.training.run_folder.places import not_a_run


class Run(RunFolder):
    """A run folder on disk, with the verbs of a trained model.

    run = kerasllm.load_run("runs/topics")
    run.evaluate()
    run.predict(["The striker scored twice."])
    """

    def evaluate(self, data=None, **options):
        """Score the run on held-out data; see `evaluate`."""
        return evaluate_run(self, data, **options)

    def predict(self, texts, **options):
        """Return the answers to raw examples; see `predict`."""
        if isinstance(texts, Path):
            texts = inputs_of(self, texts)
        if options.get("attention") and self.config["task"] != "seq2seq":
            raise ValueError(
                f"{self.path} holds a {type(self.model).__name__}, and only an encoder-decoder "
                "looks from its answer at a source: leave attention out, or use `kerasllm trace`."
            )
        return self.model.answers(texts, **options)

    def generate(self, prompt="", **options):
        """Continue a text; see `generate`."""
        return generate_with(self, prompt, **options)

    def chat(self, messages, **options):
        """Answer the last message of a conversation; see `chat`."""
        return chat_with(self, messages, **options)

    def check_reads_context(self):
        """Raise unless the run finds answers in a context."""
        if self.config["task"] != "span":
            raise ValueError(
                f"{self.path} finds no answers in a context: leave the context out, or give a run "
                "that was trained on questions (`kerasllm train squad`)."
            )

    def examples(self, data, rows, seed=0):
        """Return a few validation examples of data as a `Dataset` that the task reads."""
        held = self.shape.held_out_rows(self, data, "validation", "score").test
        if isinstance(held, Source):
            texts = (Text(text) for text in texts_of(held) if text.strip())
            held = Dataset(texts, name=held.name, split="validation", task="language_model")
        return held.take(min(rows, len(held)), seed)

    def compiled(self, steps):
        """Return the model, compiled with the loss and the optimizer of its training.

        The schedule begins at the peak: a warm-up would hardly move a weight.

        Args:
            steps: that the schedule is for.
        """
        known = {field.name for field in dataclasses.fields(self.shape)}
        given = {name: value for name, value in self.settings.items() if name in known}
        settings = self.shape(**{**given, "warmup": 0.0, "xla": False, "accumulate": 1})
        loss, weights = settings.make_loss(self.model), settings.loss_weights()
        compile_model(self.model, loss, settings, max(steps, 2), None, loss_weights=weights)
        return self.model

    def __repr__(self):
        return f"Run({str(self.path)!r})"


def load_run(path):
    """Return the run in a folder.

    Raises:
        FileNotFoundError: the folder, or its config.json, is missing.
        ValueError: its config.json is damaged.
    """
    path = Path(path)
    if said := not_a_run(path):
        raise FileNotFoundError(said)
    run, config = Run(path), Run(path).config
    if not isinstance(config, dict) or "settings" not in config or "task" not in config:
        raise ValueError(f"{path}/config.json does not describe a run: train again.")
    return run


def as_run(run):
    """Return a run that is given as one, or as the path of its folder."""
    return run if isinstance(run, Run) else load_run(run)


def evaluate(
    run, data=None, *, split=None, with_baselines=True, trained_rows="refuse", quiet=False
):
    """Score a run on rows that it was not trained on, beside the baselines.

    The scores of the run's own data go to metrics.json, those of other data beside it, into
    `evaluations/`.

    Args:
        run: run folder or `Run`.
        data: name, path or `Dataset`, or texts for a language model; the run's own data when
            None, of which that is scored which was held out at the training, whatever the data
            have become since. A file, a `Dataset` and texts are scored whole.
        split: of data that have several; None: "test", of a file that is not the run's own all.
        with_baselines: train the baselines on the run's own training rows, and score them on the
            same rows too.
        trained_rows: what to do with rows of other data that the run was trained on: "refuse" them
            with an error, "drop" them, or "score" them.
        quiet: print nothing.

    Returns:
        dict: "data", "split", "rows", "model" (the scores), "interval" (their 95 % bootstrap
        intervals), "baselines" ({name: scores}), "signatures" of scores that have one, and "notes"
        (sentences).

    Raises:
        ValueError: the data are for another task, have labels that the model does not know, or
            were trained on.
    """
    options = {"split": split, "trained_rows": trained_rows, "quiet": quiet}
    return as_run(run).evaluate(data, with_baselines=with_baselines, **options)


def predict(run, texts, **options):
    """Return a run's answers to raw text.

    Args:
        run: run folder or `Run`.
        texts: list of texts (one text alone is taken for a list of one); for a model that finds
            answers, of pairs (question, context); for one of pairs of texts, of (text, text_b); for
            one that chats also of conversations. Or
            a `Path` of a file of them; see `kerasllm.datasets.files.inputs.read_inputs`.
        **options: `attention=True` for an encoder-decoder: also return what it looked at.

    Returns:
        list of dicts, by the run's task: label (or labels) and probabilities; tokens, tags and
        entities; answer, start and score; answer; loss and perplexity. Each has a warning where a
        text was cut or holds nothing that the tokenizer knows, else None.

    Raises:
        ValueError: the run has no attention to return.
    """
    return as_run(run).predict(texts, **options)


def generate(run, prompt="", **options):
    """Continue a prompt with a causal language model.

    Args:
        run: run folder or `Run` of `pretrain` with objective "causal".
        prompt: text, or list of texts; an empty one begins a new text.
        **options: of `kerasllm.training.generation.generate_with`: max_new_tokens, temperature,
            top_k, top_p, repetition_penalty, beam, prefix, stop, seed, stream, int8.

    Returns:
        The prompt with its continuation, or a list of them, or with `stream=True` a generator.
    """
    return as_run(run).generate(prompt, **options)


def chat(run, messages, **options):
    """Answer the last message of a conversation.

    Args:
        run: run folder or `Run` of a model that was taught to chat.
        messages: a list of {"role": "system", "user" or "assistant", "content": text}; or one text.
        **options: of `kerasllm.training.chatting.chat_with`: max_new_tokens, temperature, top_k,
            top_p, repetition_penalty, seed, stream.

    Returns:
        The answer, or with `stream=True` a generator of its pieces.
    """
    return as_run(run).chat(messages, **options)
