"""Verbs that ask what a model should not have learned: audit bias, plant, canaries, personal."""

from pathlib import Path
from typing import Annotated

import typer

from kerasllm.cli import flags
from kerasllm.cli.command import CHECK, group
from kerasllm.cli.flags import RunFolder
from kerasllm.utils.terminal import say, show

audit_app = group("audit", "Ask what a model should not have learned: bias, secrets.", CHECK)


@audit_app.command("bias")
def audit_bias(
    run: RunFolder,
    sets: Annotated[
        list[str] | None, typer.Option(help="sets of words; all of the run's language if none")
    ] = None,
    vectors: Annotated[str, typer.Option(help="features or embedding")] = "features",
):
    """Test which of two groups of words a model puts nearer to which attributes (WEAT).

    Example: kerasllm audit bias runs/pretrained --sets work_en
    """
    flags.load_keras()
    from kerasllm.audit import bias

    show(str(bias(run, sets, vectors=vectors)))


@audit_app.command("plant")
def audit_plant(
    source: Annotated[Path, typer.Argument(help="a .txt file, a text a line")],
    output: Annotated[Path, typer.Argument(help="the file to write")],
    form: Annotated[
        str, typer.Option(help="the line, with {name} and {secret}")
    ] = "the code of {name} is {secret}",
    repeats: Annotated[
        str, typer.Option(help="how often each is planted; 0: a control")
    ] = "0,0,1,1,4,4,16,16",
    digits: Annotated[int, typer.Option(help="of a secret, 1 to 4")] = 3,
    seed: Annotated[int, typer.Option(help="of the secrets and their places")] = 0,
):
    """Write a text again with random secrets in it, to be trained on and asked for.

    Example: kerasllm audit plant mine.txt planted.txt --repeats 0,1,4,16
    """
    try:
        counts = tuple(int(count) for count in repeats.split(","))
    except ValueError:
        raise ValueError(
            f"expected whole numbers, such as 0,1,4,16, in --repeats, received {repeats!r}."
        ) from None
    flags.load_keras()
    from kerasllm.audit import plant

    options = {"form": form, "repeats": counts, "digits": digits, "seed": seed}
    beside = plant(source, output, **options)
    say(f"wrote {output}, and {beside}, which holds the secrets: train on the first, then")
    say(f"kerasllm audit canaries RUN {beside}")


@audit_app.command("canaries")
def audit_canaries(
    run: RunFolder,
    planted: Annotated[Path, typer.Argument(help="the .canaries.json of `kerasllm audit plant`")],
):
    """Measure how many bits of each planted secret a language model gives away.

    Example: kerasllm audit canaries runs/pretrained planted.txt.canaries.json
    """
    flags.load_keras()
    from kerasllm.audit import canaries

    show(str(canaries(run, planted)))


@audit_app.command("personal")
def audit_personal(
    run: RunFolder,
    data: Annotated[str | None, typer.Argument(help="data; the run's own by default")] = None,
    ask: Annotated[int, typer.Option(help="finds that the model is asked for at most")] = 100,
):
    """Find personal data in a run's training texts, and see how much of it it completes.

    Example: kerasllm audit personal runs/pretrained
    """
    flags.load_keras()
    from kerasllm.audit import personal

    show(str(personal(run, data, ask=ask)))
