"""What a run was before its training: the scores of the weights that it began from."""

from kerasllm.training.run_folder.folder import RunFolder, weights_hash

NAME = "before_training"


def scores_before(run, test):
    """Return ({name: scores}, sentences) of the run that a fine-tuned one began from.

    Args:
        run: a `RunFolder`.
        test: what is scored.

    Returns:
        Scores of the same rows, read in the same way; none of a run that was trained from scratch,
        or whose beginning is not to be found, which is said.
    """
    path, config = run.config.get("pretrained"), run.config
    if path is None or config["settings"].get("method") == "scratch":
        return {}, ()
    try:
        before = RunFolder(path).model
    except (OSError, ValueError):
        return {}, (f"the run that it began from, {path}, cannot be read: it is not scored beside",)
    if weights_hash(before) != config.get("pretrained_weights"):
        return {}, (f"the run that it began from, {path}, changed since: it is not scored beside",)
    made = type(run.model).from_config(run.model.get_config())
    made.set_weights(before.get_weights())
    return {NAME: made.evaluation(test)["model"]}, ()
