"""Language models that are taught to answer, by conversations."""

import keras

from kerasllm.models.chat import scoring
from kerasllm.models.chat.preprocessor import ChatPreprocessor
from kerasllm.models.language.causal_lm import CausalLM
from kerasllm.models.task import Task


@keras.saving.register_keras_serializable("kerasllm")
class ChatLM(CausalLM):
    """A `CausalLM` of conversations, which learns their answers alone.

        L = -Σ_{t: x_{t+1} of an answer} ln p(x_{t+1} | x_1 … x_t) / |{t: x_{t+1} of an answer}|

    Args:
        backbone: a causal backbone.
        dropout: on the features, before the head.
        preprocessor: a `ChatPreprocessor`; None for a model of ids.

    Inputs: ids (B, T). Outputs: logits (B, T, V). Targets: ids (B, T), 0 where nothing is learned.

    Source: Ouyang et al. 2022, section 3.1 (supervised fine-tuning).
    """

    preprocessor_class = ChatPreprocessor
    scoring = scoring
    data_task = "chat"
    shown = ("loss", "perplexity", "exact_match", "rouge_l", "unknown")
    answers_only = True

    # What a `CausalLM` says of texts, this one says of conversations, as other tasks do.
    answers, scores, evaluation, review = Task.answers, Task.scores, Task.evaluation, Task.review

    @classmethod
    def _is_of(cls, task):
        return isinstance(task, cls)
