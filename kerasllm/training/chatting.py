"""Conversations with a run: the answer to the last message, within the model's context."""

from kerasllm.models import CausalLM, Sampling
from kerasllm.models.decoding.session import Session
from kerasllm.models.language.continuations import pieces
from kerasllm.text.conversations.encoding import fitted
from kerasllm.training.engine.progress import Progress
from kerasllm.training.generation import check_numbers


def chat_with(
    run,
    messages,
    *,
    max_new_tokens=256,
    temperature=0.2,
    top_k=None,
    top_p=0.9,
    repetition_penalty=1.0,
    seed=0,
    stream=False,
):
    """Answer the last message of a conversation.

    Args:
        run: a `RunFolder` whose model was taught to chat (`kerasllm import smollm2`, or `finetune`
            on conversations).
        messages: a list of {"role": "system", "user" or "assistant", "content": text}, the last by
            the user; or one text.
        max_new_tokens: at most so many tokens are the answer. Where they and the conversation do
            not fit into the model's context, the oldest messages are left out, which is said.
        temperature: 0 takes the likeliest token each time; small models wander at higher ones.
        top_k: draw among the k likeliest tokens only.
        top_p: draw among the likeliest tokens that together reach this probability.
        repetition_penalty: above 1 avoids what the conversation holds already.
        seed: of the draws.
        stream: return a generator of the answer's pieces, as they are made.

    Returns:
        The answer, or with `stream` the generator.

    Raises:
        ValueError: the model does not chat; the conversation is none, its template fails on it, or
            its last message alone fills the context.
    """
    model = run.model
    if not isinstance(model, CausalLM):
        raise ValueError(
            f"{run.path} holds a {type(model).__name__}, which cannot answer: import a model that "
            "was taught to chat (kerasllm import smollm2)."
        )
    sampling = Sampling(temperature, top_k, top_p, repetition_penalty)
    check_numbers(max_new_tokens, 1, seed)
    tokenizer = model.preprocessor.tokenizer
    context = getattr(model.backbone.settings, "max_length", None) or 2**20
    template = getattr(model.preprocessor, "template", None)  # that it was fine-tuned with
    ids, left_out = fitted(tokenizer, messages, context - max_new_tokens, template)
    if left_out:
        Progress().say(
            f"the oldest {left_out} messages are left out: with the rest and the answer they would "
            f"not fit into the model's {context:,} tokens."
        )
    tokens = _session(run).stream(
        ids, max_new_tokens, sampling, seed, stop=(tokenizer.eos_id,),
        never=tuple(sorted(tokenizer.special_ids - {tokenizer.eos_id})),
    )  # fmt: skip
    said = pieces(tokenizer, ids, tokens)
    return said if stream else "".join(said)


def _session(run):
    """Return the session of a run's model: the next turn reads only what is new."""
    held = vars(run).get("session")
    if held is None or held.steps.model is not run.model:
        held = run.session = Session(run.model)
    return held
