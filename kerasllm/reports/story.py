"""What a run is, how it was made, and which lesson explains what its page shows."""

import os

from kerasllm.lessons import all_lessons
from kerasllm.models import TextEncoder
from kerasllm.reports.blocks import section
from kerasllm.training.run_folder.history import read_history, training_minutes
from kerasllm.utils.pages import element, scrolling
from kerasllm.utils.tables import Table


def lead(run, words):
    """Say in one sentence what a run is."""
    config, model = run.config, run.model
    told = {"model": type(model).__name__, "weights": f"{model.count_params():,}"}
    if isinstance(model, TextEncoder):
        return words("page.imported", **told)
    begun = words("page.scratch")
    if config.get("pretrained"):
        name = os.path.basename(config["pretrained"])
        begun = words("page.begun", pretrained=name, method=run.settings.get("method", "full"))
    return words("page.lead", data=config["data"]["name"], begun=begun, **told)


def lesson(topic, words, folder):
    """Return a line that leads to the lesson whose file is named after a topic; None without one.

    Args:
        topic: such as "attention".
        words: `Words`.
        folder: in which the page will lie, from which the link leads to the lesson.
    """
    try:
        known = [one for one in all_lessons(language=words.language) if topic in one.source.stem]
    except FileNotFoundError:  # installed without them
        return None
    if not known:
        return None
    one = known[0]
    text = words("page.lesson", number=one.number, title=one.title)
    href = os.path.relpath(one.notebook, folder)
    command = element("code", f"kerasllm lessons open {one.number}")
    return element("p", element("a", text, href=href), " · ", command, class_="soft")


def made(run, words):
    """Return the section that says how a run was made, settings and versions included."""
    config, rows = run.config, read_history(run.path / "history.csv")
    how = config.get("made", {})
    facts = {
        "command": how.get("command"),
        "date": how.get("date"),
        "machine": how.get("machine"),
        "minutes": f"{training_minutes(rows):.1f}" if rows else None,
        "seed": config.get("seed"),
        "data": f"{config['data']['name']}, sha256 {config['data']['hash'][:12]}",
        "versions": ", ".join(f"{k} {v}" for k, v in config.get("versions", {}).items()),
    }
    told = [
        (words(f"made.{name}"), words("made.unknown") if fact is None else str(fact))
        for name, fact in facts.items()
    ]
    settings = [(name, str(value)) for name, value in run.settings.items()]
    folded = element(
        "details",
        element("summary", words("made.settings")),
        scrolling(Table((), settings)._repr_html_()),
    )
    return section(words("made.heading"), Table((), told), folded)
