"""Pages of the public names: one of each module that defines some, one of each package.

A name is public where `kerasllm` or one of its packages lists it in `__all__`. It has its place on
one page: that of `kerasllm` itself if it stands there too, else of the first package that has it.
"""

import ast
import dataclasses
import inspect
import re
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

import kerasllm
from docs.site.docstrings import escaped, first_line, markdown, prose

TOP = "kerasllm"
_OF_ANOTHER = re.compile(r"(_backward|_step|Grads|Trace)$")
OF_KERAS = (
    "build",
    "compute_mask",
    "compute_output_shape",
    "compute_output_spec",
    "get_config",
    "from_config",
    "get_compile_config",
    "compile_from_config",
    "get_build_config",
)  # fmt: skip; methods that Keras calls, as it does those of all its layers
_RECORD = re.compile(r"(Grads|Trace)$")


class Name(NamedTuple):
    """A public name: where it is asked for, what it is, and the page that it stands on."""

    package: str  # "kerasllm" or "kerasllm.layers"
    name: str
    value: object
    page: str

    @property
    def target(self):
        """The full name, by which it is linked."""
        return f"{self.package}.{self.name}"


def packages():
    """Return {full name: package}, `kerasllm` first."""
    found = {TOP: kerasllm}
    for name in kerasllm.__all__:
        if isinstance(getattr(kerasllm, name), ModuleType):
            found[f"{TOP}.{name}"] = getattr(kerasllm, name)
    return found


@cache
def names():
    """Return the public names, each once, in the order of their packages."""
    found, known = [], set()
    for package, module in packages().items():
        for name in getattr(module, "__all__", ()):
            value = getattr(module, name)
            if isinstance(value, ModuleType) or name.startswith("__") or _key(value) in known:
                continue
            known.add(_key(value))
            found.append(Name(package, name, value, _page(package, value)))
    return tuple(found)


def _key(value):
    """Return what tells a function or class from all others; no constants are the same."""
    return (value.__module__, value.__qualname__) if _is_code(value) else object()


def _is_code(value):
    return inspect.isclass(value) or inspect.isroutine(value)


def _page(package, value):
    folder = f"api/{package.removeprefix(TOP).lstrip('.') or TOP}"
    if package == TOP:
        return folder
    if not _is_code(value):
        return f"{folder}/index"
    module = value.__module__
    known = module.startswith(f"{package}.")
    inside = module.removeprefix(f"{package}.") if known else module.rpartition(".")[2]
    inside = inside.replace(".", "/")
    return f"{folder}/{inside}"


@cache
def _targets():
    """Return {what may stand in backticks: full names that it may mean}."""
    found = {}
    for one in names():
        for spelled in {one.name, one.target, one.target.removeprefix(f"{TOP}.")}:
            found.setdefault(spelled, []).append(one)
    for package, module in packages().items():
        for name in getattr(module, "__all__", ()):
            for one in names():
                if one.value is getattr(module, name) and _is_code(one.value):
                    found.setdefault(f"{package}.{name}", [one])
                    found.setdefault(f"{package.removeprefix(TOP + '.')}.{name}", [one])
    return found


def linker(package=None):
    """Return a function that says which public name is meant by what stands in backticks.

    Args:
        package: whose names may stand alone; None where they have to be spelled with a package.
    """

    def link(text):
        spelled = text.removesuffix("()")
        if package is None and "." not in spelled:
            return None
        found = _targets().get(spelled, [])
        near = [one for one in found if one.package == package]
        one = (near or found)[0] if len(near or found) == 1 or near else None
        return one.target if one else None

    return link


@cache
def pages():
    """Return {page: text in MyST Markdown} of all public names."""
    found = {"api/index": _contents(), f"api/{TOP}": _top_page()}
    for package, module in packages().items():
        if package == TOP:
            continue
        here = [one for one in names() if one.package == package]
        found[f"api/{package.removeprefix(TOP + '.')}/index"] = _package_page(package, module, here)
        for page in dict.fromkeys(one.page for one in here if _is_code(one.value)):
            found[page] = _module_page(package, [one for one in here if one.page == page])
    return found | _recipe_pages()


def _recipe_pages():
    """Return a page for each recipe, with its script: they are what is read of that package."""
    folder = Path(kerasllm.recipes.__file__).parent
    scripts = [path for path in sorted(folder.glob("*.py")) if path.stem != "__init__"]
    found = {f"api/recipes/{path.stem}": _recipe_page(path) for path in scripts}
    listed = "\n".join(path.stem for path in scripts)
    index = _package_page("kerasllm.recipes", kerasllm.recipes, [])
    return {**found, "api/recipes/index": f"{index}\n```{{toctree}}\n\n{listed}\n```\n"}


def _recipe_page(path):
    text = path.read_text("utf-8")
    said = markdown(
        inspect.cleandoc(ast.get_docstring(ast.parse(text))), linker("kerasllm.recipes")
    )
    command = f"```text\nkerasllm recipe {path.stem}\n```"
    return f"# {escaped(path.stem)}\n\n{said}\n\n{command}\n\n````python\n{text}````\n"


# Contents, packages -----------------------------------------------------------


def _contents():
    rows = "\n".join(
        f"| [{package.removeprefix(TOP + '.')}]({package.removeprefix(TOP + '.')}/index.md) | "
        f"{_in_one_line(package)} |"
        for package in packages()
        if package != TOP
    )
    inside = "\n".join(f"{p.removeprefix(TOP + '.')}/index" for p in packages() if p != TOP)
    return f"""# Reference

What `import kerasllm` gives, by package; each name with its equation, shapes, errors and an example
that runs. [Train and use models](kerasllm.md) has the functions of `kerasllm` itself, such as
{{py:obj}}`kerasllm.train`, [Commands](commands.md) the same at a terminal. Every name stands in
the {{ref}}`index <genindex>`.

| package | |
|---|---|
{rows}

```{{toctree}}
:hidden:

kerasllm
commands
{inside}
```
"""


def _in_one_line(package):
    """Return what the help page of `kerasllm` says of a package or a function."""
    name = package.removeprefix(f"{TOP}.")
    said = re.search(rf"^    {name} +(.+)$", kerasllm.__doc__, re.MULTILINE)
    return escaped(said[1])


def _top_page():
    here = [one for one in names() if one.package == TOP]
    rows = "\n".join(f"| {_linked(one)} | {_in_one_line(one.target)} |" for one in here)
    entries = "\n\n".join(_entry(one) for one in here)
    return f"# Train and use models\n\n| `kerasllm.` | |\n|---|---|\n{rows}\n\n{entries}\n"


def _package_page(package, module, here):
    link = linker(package)
    code = [one for one in here if _is_code(one.value)]
    alone = {one.page for one in code} - {one.page for one in code if _is_main(one)}
    shown = [one for one in code if _is_main(one) or one.page in alone]
    elsewhere = [one for one in names() if one.package != package
                 and any(getattr(module, name, None) is one.value for name in
                         getattr(module, "__all__", ())) and _is_code(one.value)]  # fmt: skip
    parts = [
        f"# {escaped(package.removeprefix(TOP + '.'))}",
        markdown(inspect.getdoc(module), link),
    ]
    parts += _tables(package, [*elsewhere, *shown], link)
    if len(shown) < len(code):
        parts.append("Backward functions, steps, traces and gradients stand on the page of theirs.")
    parts += [_entry(one) for one in here if not _is_code(one.value)]
    listed = _in_order(package, {one.page for one in code})
    if listed:
        parts.append("\n".join(["```{toctree}", ":hidden:", "", *listed, "```"]))
    return "\n\n".join(parts) + "\n"


def _is_main(one):
    return not _OF_ANOTHER.search(one.name)


def _tables(package, listed, link):
    """Return a table of names for each folder of a package, those in no folder first."""
    folders = {}
    for one in sorted(listed, key=lambda one: one.name.lower()):
        parts = one.page.removeprefix(f"api/{package.removeprefix(TOP + '.')}/").split("/")
        inside = parts[0] if len(parts) > 1 and one.package == package else ""
        folders.setdefault(inside, []).append(one)
    texts = []
    for folder, found in sorted(folders.items()):
        rows = [f"| {_linked(one)} | {first_line(inspect.getdoc(one.value), link)} |"
                for one in found]  # fmt: skip
        heading = [f"## {escaped(folder)}", ""] if folder else []
        texts.append("\n".join([*heading, "| name | |", "|---|---|", *rows]))
    return texts


def _in_order(package, pages):
    """Return the pages of a package, as its menu has them: by their titles."""

    def title(page):
        here = [one for one in names() if one.page == page]
        return _title(here).lower()

    return [page.removeprefix(f"api/{package.removeprefix(TOP + '.')}/")
            for page in sorted(pages, key=title)]  # fmt: skip


def _linked(one):
    return f"{{py:obj}}`{one.name} <{one.target}>`"


# Modules ----------------------------------------------------------------------


def _module_page(package, here):
    here = sorted(here, key=lambda one: (bool(_RECORD.search(one.name)), _line(one.value)))
    module = sys.modules[here[0].value.__module__]
    link = linker(package)
    parts = [f"# {escaped(_title(here))}", markdown(inspect.getdoc(module) or "", link)]
    return "\n\n".join([*parts, *map(_entry, here)]) + "\n"


def _line(value):
    """Return the line that a function or class begins on."""
    return inspect.findsource(inspect.unwrap(value))[1]


def _title(here):
    """Return the names of a page without those that belong to another, or that of its module."""
    main = [one.name for one in here if _is_main(one)]
    main = sorted(main or [one.name for one in here], key=lambda name: name.lower())
    title = ", ".join(main)
    return title if len(main) <= 3 and len(title) <= 44 else here[0].page.rpartition("/")[2]


def _entry(one):
    """Return one name as a directive of Sphinx: signature, bases, docstring, methods."""
    link = linker(one.package)
    if not _is_code(one.value):
        return _directive(
            4, "data", one.name, [f":module: {one.package}"], f"`{_short(one.value)}`"
        )
    kind = "class" if inspect.isclass(one.value) else "function"
    defined = f"{one.value.__module__}.{one.value.__qualname__}"
    options = [f":module: {one.package}"]
    if defined != one.target:
        options.append(f":canonical: {defined}")
    parts = [markdown(inspect.getdoc(one.value) or "", link)]
    shown, settings = signature(one.value), _settings(one.value)
    if kind == "class":
        parts = [*_bases(one, link), *parts, *settings, *_methods(one, link)]
    head = f"{one.name}{'(**settings)' if settings else shown}"
    return _directive(5, kind, head, options, "\n\n".join(parts))


def _settings(value):
    """Return the table of a class of settings, whose fields say what they are; else nothing."""
    fields = dataclasses.fields(value) if dataclasses.is_dataclass(value) else ()
    told = [field for field in fields if field.metadata.get("help")]
    rows = [f"| `{field.name}` | `{field.default!r}` | {_cell(field.metadata['help'])} |"
            for field in told]  # fmt: skip
    return ["\n".join(["| setting | default | |", "|---|---|---|", *rows])] if rows else []


def _cell(text):
    return escaped(text).replace("|", "\\|")


def _bases(one, link):
    names = {base.__name__ for base in one.value.__bases__} - {one.name}
    known = [f"`{n}`" for n in sorted(names) if link(n)]
    return [prose(f"A {', '.join(known)}.", link)] if known else []


def _methods(one, link):
    found = []
    for name, member in vars(one.value).items():
        inner = getattr(member, "__func__", member)
        inner = member.fget if isinstance(member, property) else inner
        if (
            name.startswith("_")
            or name in OF_KERAS
            or not inspect.isfunction(inner)
            or not inner.__doc__
        ):
            continue
        kind = "property" if isinstance(member, property) else "method"
        options = [":classmethod:"] if isinstance(member, classmethod) else []
        options += [":staticmethod:"] if isinstance(member, staticmethod) else []
        shown = "" if kind == "property" else signature(getattr(one.value, name), method=True)
        content = markdown(inspect.getdoc(inner), link)
        found.append(_directive(4, kind, f"{name}{shown}", options, content))
    return found


def _directive(colons, kind, head, options, content):
    fence = ":" * colons
    return "\n".join([f"{fence}{{py:{kind}}} {head}", *options, "", content, fence])


def signature(value, *, method=False):
    """Return the arguments of a function or class, without annotations and long defaults.

    Example:
        >>> def double(x, *, by: int = 2): ...
        >>> signature(double)
        '(x, *, by=2)'
    """
    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):
        return "()"
    given = [p for p in found.parameters.values() if not (method and p.name == "self")]
    given = [p.replace(annotation=p.empty, default=_default(p)) for p in given]
    return str(inspect.Signature(given))


class _Shown(str):
    """A default as it is shown."""

    __repr__ = str.__str__


def _default(parameter):
    if parameter.default is parameter.empty:
        return parameter.empty
    shown = _short(parameter.default)
    simple = isinstance(parameter.default, (bool, int, float, str, tuple, type(None)))
    return _Shown(shown if simple and "0x" not in shown else "...")


def _short(value):
    shown = repr(value)
    return shown if len(shown) <= 60 else "..."
