"""The page of the command line: each verb with its flags, as `--help` says them."""

import re

import typer

from docs.site import api
from docs.site.docstrings import escaped, prose
from kerasllm.cli import app

HEAD = """# Commands

`kerasllm --help` lists them, `kerasllm VERB --help` shows one with all that it takes. The flags of
a training are the settings of its task, of the same names.
"""
# The verbs that learn their flags from the task of the data that they are given.
BY_TASK = """Its flags are the settings of the task that the data have:
`training.ClassificationSettings`, `training.TaggingSettings`, `training.SpanSettings`,
`training.Seq2SeqSettings`."""


def page():
    """Return the page as MyST Markdown."""
    return "\n\n".join([HEAD, *_commands(typer.main.get_command(app), "kerasllm")]) + "\n"


def _commands(command, name):
    """Yield the section of a command, or those of the commands of a group."""
    if getattr(command, "commands", None):
        for verb, inner in command.commands.items():
            yield from _commands(inner, f"{name} {verb}")
    else:
        yield _section(command, name)


def _section(command, name):
    text = re.sub(r"^ +", "", (command.help or "").replace("\b", ""), flags=re.MULTILINE)
    said, _, example = text.partition("Example: ")
    parts = [f"## {escaped(name)}", prose(said.strip(), api.linker())]
    if example:
        line = " ".join(example.split("\n\n")[0].split())
        parts.append(f"```text\n{line}\n```")
    if "flags depend on the data" in said:
        parts.append(prose(BY_TASK, api.linker()))
    rows = [_row(one) for one in command.params if one.name != "help"]
    if rows:
        parts.append("\n".join(["| argument | default | |", "|---|---|---|", *rows]))
    return "\n\n".join(parts)


def _row(one):
    spelled = one.name.upper() if one.param_type_name == "argument" else ", ".join(one.opts)
    if one.secondary_opts and one.default:
        spelled += f" / {', '.join(one.secondary_opts)}"
    default = "" if one.default is None or callable(one.default) else f"`{one.default}`"
    said = prose(re.sub(r"\s+", " ", one.help or ""), api.linker()).replace("|", "\\|")
    return f"| `{spelled}` | {default} | {said} |"
