"""Methods of training: which weights are trained, when, and for how long."""

import dataclasses
from dataclasses import dataclass

from kerasllm.training.settings.base import OptimizerSettings, flag

METHODS = ("scratch", "frozen", "full", "gradual", "lora")


@dataclass(frozen=True)
class MethodSettings(OptimizerSettings):
    """Which weights are trained, and when."""

    method: str | None = flag(
        None,
        "scratch (new weights), frozen (the head learns alone), full, gradual or lora; None: full "
        "from a pretrained run, else scratch",
        choices=METHODS,
    )
    lora_rank: int = flag(8, "lora: rank of the corrections")
    lora_targets: str = flag("*kernel", "lora: names of the weights corrected, by commas")
    discriminative: float = flag(
        1.0, "divide the rate by this for each group of layers below", above=0, maximum=10**6
    )
    minutes: float = flag(
        0.0,
        "train for so many minutes: as many steps as fit, by the speed of the first ones; 0: as "
        "many as epochs or steps say",
        maximum=10**6,
    )
    patience: int = flag(0, "stop after so many validations without progress; 0: never")
    keep_best: bool = flag(True, "keep the weights of the best validation")

    def check_method(self, pretrained):
        """Raise for a method that has nothing to begin from, or options that contradict it."""
        if self.accumulate > self.batch_size:
            raise ValueError(
                f"expected no more parts than texts a step, received accumulate={self.accumulate} "
                f"and batch_size={self.batch_size}: lower --accumulate, or raise --batch-size."
            )
        self._check_minutes()
        self._check_private()
        if self.method == "lora" and self.lora_rank < 1:
            raise ValueError(f"lora_rank must be 1 or more, received {self.lora_rank}.")
        if pretrained is None and self.method not in (None, "scratch"):
            raise ValueError(
                f"method={self.method!r} needs weights to begin from: give a pretrained run, or "
                "leave method out to train from scratch."
            )

    def _check_private(self):
        """Raise for a private training in parts: it takes one text after the other already."""
        if self.private_noise and self.accumulate > 1:
            raise ValueError(
                f"private_noise={self.private_noise:g} takes one text after the other, and "
                f"accumulate={self.accumulate} says how many parts there are: leave --accumulate "
                "out."
            )
        if self.private_noise and self.minutes:
            raise ValueError(
                f"private_noise={self.private_noise:g} needs to know the epochs before, and "
                f"minutes={self.minutes:g} decides them on the way: give --epochs or --steps."
            )

    def _check_minutes(self):
        """Raise for a number of steps beside the minutes that decide it."""
        for entry in dataclasses.fields(self):
            given = getattr(self, entry.name)
            if self.minutes and entry.name in ("epochs", "steps") and given != entry.default:
                raise ValueError(
                    f"minutes={self.minutes:g} decides how many steps there are, and so does "
                    f"{entry.name}={given:g}: leave one of them out."
                )
