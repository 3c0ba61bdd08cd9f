"""What a private training gives away at most, and what that does not cover."""

import math

from kerasllm.reference import gaussian_epsilon
from kerasllm.text.batching import StreamBatches
from kerasllm.training.engine.stages import planned_stages

MOST_DELTA = 1e-5


def privacy_spent(settings, task, batches):
    """Return {"epsilon", "delta", "noise", "clip", "epochs", "unit", "rows"} of a planned training.

    Batches are cut from a shuffled list, and each row comes once an epoch: counted are whole
    epochs, as `kerasllm.reference.gaussian_epsilon` does, and nothing is taken off for chance.

    Args:
        settings: resolved settings of the task's shape.
        task: a `Task`.
        batches: its `Batches`.
    """
    steps = sum(count for _, count in planned_stages(task, settings, batches))
    stages = sum(1 for _, count in planned_stages(task, settings, batches) if count)
    epochs = math.ceil(steps / batches.steps_per_epoch) + max(0, stages - 1)
    rows = batches.steps_per_epoch * settings.batch_size
    delta = min(MOST_DELTA, 1 / (10 * rows))
    streams = isinstance(batches, StreamBatches)
    return {
        "epsilon": gaussian_epsilon(settings.private_noise, epochs, delta),
        "delta": delta,
        "noise": settings.private_noise,
        "clip": settings.private_clip,
        "epochs": epochs,
        "unit": f"window of {settings.length} tokens" if streams else "text",
        "rows": rows,
    }


def privacy_told(spent):
    """Yield what to say of it; nothing of a training that is not private."""
    if not spent:
        return
    yield (
        f"private: ε {spent['epsilon']:.3g}, δ {spent['delta']:.2g} for each {spent['unit']}, "
        f"{spent['epochs']} epochs with noise {spent['noise']:g}"
    )
    yield (
        "private are the weights, not what else looked at the data: the tokenizer, settings that "
        "were tried, the best validation, the losses of history.csv"
    )
