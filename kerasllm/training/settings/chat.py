"""Chats: a causal language model learns to answer, from conversations."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

from kerasllm.training.settings.backbone import BackboneSettings
from kerasllm.training.settings.base import amount, flag, fraction
from kerasllm.training.settings.method import METHODS
from kerasllm.training.settings.task import TaskSettings

LENGTH = 512  # tokens of a conversation that are read where nothing else is said


@dataclass(frozen=True)
class ChatSettings(BackboneSettings, TaskSettings):
    """Settings of supervised fine-tuning on conversations."""

    task: ClassVar[str] = "chat"
    wanted: ClassVar[tuple] = (
        "conversations",
        "give a file with messages, or with prompt and completion, or instruction and output",
    )

    scored_before: ClassVar[bool] = True

    backbone: str | None = flag(
        "transformer",
        "from scratch: transformer or recurrent",
        choices=("recurrent", "transformer"),
    )
    method: str | None = flag(
        None,
        "lora, full, gradual, frozen (the head alone, where it is no embedding) or scratch; None: "
        "lora from a pretrained run, else scratch",
        choices=METHODS,
    )
    batch_size: int = amount(8, "conversations a step; with --pack rows, which hold several")
    dropout: float | None = fraction(None, "dropout in the backbone")
    length: int | None = amount(
        None, "tokens of a conversation that are read, the rest is cut; None: those of the run"
    )
    pack: bool = flag(
        False, "Transformer: conversations share rows of that length, kept apart: less padding"
    )

    def check(self, pretrained):
        """Raise for settings that make no sense together, or a run that cannot learn to answer."""
        super().check(pretrained)
        if pretrained is None:
            if self.pack and self.backbone != "transformer":
                raise ValueError(
                    "pack=True needs a Transformer, whose attention can keep the conversations of "
                    "a row apart: leave --pack out, or --backbone recurrent."
                )
            return
        from kerasllm.models import CausalLM, TransformerBackbone

        model = pretrained.model
        if not isinstance(model, CausalLM):
            raise ValueError(
                f"expected a causal language model to learn to answer, {pretrained.path} holds a "
                f"{type(model).__name__}: give a run of `kerasllm pretrain --objective causal`, or "
                "import a GPT-2 or a Llama (kerasllm import smollm2)."
            )
        if self.pack and not isinstance(pretrained.backbone, TransformerBackbone):
            raise ValueError(
                f"pack=True needs a Transformer, {pretrained.path} holds a "
                f"{type(pretrained.backbone).__name__}: leave --pack out."
            )

    def suited(self, examples, pretrained, report):
        """Return the settings; from a pretrained run low-rank corrections are learned."""
        usual = self.method or ("scratch" if pretrained is None else "lora")
        return super(ChatSettings, dataclasses.replace(self, method=usual)).suited(
            examples, pretrained, report
        )

    def _usual(self, examples, pretrained):  # noqa: ARG002
        """Fill what neither the call nor a run says."""
        return dataclasses.replace(self, length=self.length or LENGTH)

    # === What is built ===

    def make_preprocessor(self, examples, pretrained):
        """Return the preprocessor, with the template of the run."""
        from kerasllm.models import ChatPreprocessor

        if pretrained is None:
            texts = [text for example in examples.train for _, text in example.turns]
            return ChatPreprocessor(self.make_tokenizer(texts), self.length)
        template = getattr(pretrained.model.preprocessor, "template", None)
        return ChatPreprocessor(pretrained.tokenizer, self.length, template)

    def make_task(self, preprocessor, pretrained):
        """Return the model, with the weights of the run, its head included."""
        from kerasllm.models import ChatLM
        from kerasllm.models.presets import copy_of

        size, weights = preprocessor.tokenizer.vocabulary_size, self.method != "scratch"
        if pretrained is None:
            backbone = self.make_backbone(size, True, self.dropout)
        else:
            changes = {} if self.dropout is None else {"dropout": self.dropout}
            backbone = copy_of(pretrained.backbone, weights, **changes)
        if self.pack:
            backbone = backbone.packing()
        task = ChatLM(backbone, preprocessor=preprocessor)
        if pretrained is not None and weights:
            task.set_weights(pretrained.model.get_weights())
        return task

    def kept(self, task):
        """Return the task on an ordinary backbone: packed rows are for training alone."""
        from kerasllm.models.presets import copy_of

        if not self.pack:
            return task
        made = type(task)(copy_of(task.backbone), preprocessor=task.preprocessor)
        made.set_weights(task.get_weights())
        return made

    def make_batches(self, task, examples, quiet=True):  # noqa: ARG002
        """Return the batches; with `pack` of rows that hold several conversations."""
        return task.preprocessor.batches(examples.train, self.batch_size, self.seed, pack=self.pack)

    def facts(self, task, examples, batches):
        """Return how many tokens are read and learned, and how likely answers were before."""
        counted = sum(int((targets != 0).sum()) for targets in batches.targets)
        facts = {"tokens": int(batches.lengths.sum()), "answer_tokens": counted}
        if self.method != "scratch":
            facts["before"] = task.scores(examples.validation)
        return facts

    def told(self, task, examples, batches):
        """Return how much is learned, what is cut, and whose template is used."""
        from kerasllm.models.chat.scoring import cut_told

        reader, lines = task.preprocessor, super().told(task, examples, batches)
        counted = sum(int((targets != 0).sum()) for targets in batches.targets)
        every = sum(int((ids != 0).sum()) for ids in batches.sequences)
        rows = f" in {len(batches.sequences):,} rows" if self.pack else ""
        own = getattr(reader.tokenizer, "chat_template", None) == reader.template
        whose = "the model's own template" if own else "a plain template: the model came without"
        return [
            f"{len(examples.train):,} conversations{rows}, {every:,} tokens, of which "
            f"{counted:,} are of answers and learned; {whose}",
            *cut_told(batches.lessons, reader.length),
            *lines,
        ]

    # === How it is trained ===

    def validation(self, task, examples, batches, steps):  # noqa: ARG002
        """Return the scores of the validation conversations, which are read once."""
        from kerasllm.models.chat.scoring import scores_of

        lessons = task.preprocessor.lessons(examples.validation)
        return lambda step: scores_of(task, lessons)  # noqa: ARG005

    def compared(self, examples):
        """Return None: `evaluate` scores the model beside itself before the training."""
