"""What a method of training trains, and when.

    scratch   new weights, all trained
    frozen    the backbone stays as it is, the head is trained
    full      everything is trained
    gradual   the head first, then one group of layers more at a time, from the top
              (Howard and Ruder 2018, section 3.3)
    lora      low-rank corrections of the backbone's matrices, and the head (Hu et al. 2022)

Keras reads `trainable` when a model is compiled. Each stage therefore freezes first and compiles
anew with a fresh optimizer.
"""

from kerasllm.models.lora import matrices_of


def stages(groups, method, head_steps, steps):
    """Return [(groups that are trained, steps)]: groups counted from the top, the head being 0.

    Args:
        groups: how many groups of layers the backbone has.
        method: one of those above.
        head_steps: steps in which the head alone is trained, before the method begins.
        steps: of the method.

    Example:
        >>> stages(2, "gradual", 0, 30), stages(2, "full", 5, 30), stages(2, "frozen", 5, 30)
        ([(0, 10), (1, 10), (2, 10)], [(0, 5), (2, 30)], [(0, 35)])
    """
    if method == "frozen":
        planned = [(0, head_steps + steps)]
    else:
        planned = [(0, head_steps)] if head_steps else []
        if method == "gradual":
            planned += [(top, steps / (groups + 1)) for top in range(groups + 1)]
        else:
            planned += [(groups, steps)]
    return [(top, max(1, round(count))) for top, count in planned]


def freeze_below(task, top, discriminative=1.0):
    """Make only the `top` highest groups of the backbone trainable, the head always being so.

    Args:
        task: a `Task`.
        top: how many groups.
        discriminative: the rate of each group is divided by this once more than the one above.

    Returns:
        {variable path: factor on the learning rate} of the backbone's trainable variables.
    """
    for layer in (layer for group in task.backbone.layer_groups() for layer in group):
        layer.trainable = False
    factors = {}
    for height, group in enumerate(reversed(task.used_groups()), start=1):
        for layer in group:
            layer.trainable = height <= top
            for variable in layer.trainable_variables:
                factors[variable.path] = discriminative**-height
    return factors


def targets_of(settings):
    """Return the names of the weights that low-rank corrections are for."""
    return tuple(name.strip() for name in settings.lora_targets.split(","))


def check_method(task, settings):
    """Raise where a method has nothing to train, before anything is written."""
    if settings.method == "lora":
        matrices_of(task.backbone, targets_of(settings), settings.lora_rank)
    if settings.method == "frozen" and not task.head_weights():
        raise ValueError(
            f"method='frozen' leaves nothing to train: the head of this {type(task).__name__} is "
            "the embedding table itself. Use 'full', 'gradual' or 'lora'."
        )
