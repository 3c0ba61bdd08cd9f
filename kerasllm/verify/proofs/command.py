"""The commands `kerasllm verify` and `kerasllm trace`: compute, print, and write files."""

import importlib.util
import os
import subprocess
import sys
import time
from json import loads
from pathlib import Path

from kerasllm.utils.errors import check_choice
from kerasllm.utils.terminal import console as terminal
from kerasllm.verify.proofs.plan import Progress, announcement

BACKENDS = ("tensorflow", "jax", "torch")
# Each equation is compiled once and run once: time spent on fast code never comes back.
QUICK = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
WIDEST = 80  # tokens up to which attention is drawn: every pair is a cell


def on_backend(backend, arguments):
    """Run `kerasllm ARGUMENTS` in a new Python on another backend; return its exit status.

    Keras chooses its backend when it is imported and cannot change it afterwards.

    Raises:
        ValueError: an unknown backend.
        ImportError: one that is not installed.
    """
    check_choice("backend", backend, BACKENDS)
    if importlib.util.find_spec(backend) is None:
        raise ImportError(
            f"the backend {backend} is not installed: pip install 'kerasllm[{backend}]'."
        )
    sys.stdout.flush()
    code = "from kerasllm.cli import main; main()"
    environment = {**os.environ, "KERAS_BACKEND": backend}
    return subprocess.run([sys.executable, "-c", code, *arguments], env=environment).returncode


def announce(model=None, preset=None, quick=False, console=None):
    """Say what `verify_command` is about to prove and how long it takes; Keras need not be here."""
    backend = os.environ.get("KERAS_BACKEND", "tensorflow")
    text = announcement(model, preset, quick, backend)
    (console or terminal()).print(text, markup=False, highlight=False)


def verify_command(
    model=None,
    *,
    preset=None,
    quick=False,
    rows=False,
    json=None,
    html=None,
    table=None,
    console=None,
):
    """Prove the equations, a run or a preset; print, write, and return whether all agree.

    Args:
        model: a run folder; without it and `preset`, the equations of the package are proven.
        preset: train the backbones of this preset ("all": of every one) beside their twins.
        quick: prove one case of each equation, in seconds.
        rows: print every comparison instead of the summary.
        json: file for every comparison.
        html: file for a page.
        table: file for the summary as Markdown (of the equations only).
        console: a rich console; that of the terminal if left out.
    """
    if os.environ.get("KERAS_BACKEND") == "jax":
        # Read when JAX begins to compute; Keras is not imported yet.
        os.environ["XLA_FLAGS"] = " ".join([os.environ.get("XLA_FLAGS", ""), QUICK]).strip()
    console = console or terminal()
    for path in (json, html, table):
        if path is not None and not Path(path).resolve().parent.is_dir():
            raise FileNotFoundError(f"the folder of {path} does not exist: create it first.")
        if path is not None and Path(path).is_dir():
            raise IsADirectoryError(f"expected a file to write, {path} is a folder.")
    if (model or preset) is not None and table is not None:
        raise ValueError(
            "--table is the table of the equations: leave --model and --preset out, or use --html."
        )
    if quick and ((model or preset) is not None or table is not None):
        raise ValueError("--quick proves equations only: leave --model, --preset and --table out.")
    report, page, markdown = _prove(model, preset, quick, rows, table, console)
    written = {json: lambda: report.to_json(indent=1) + "\n", html: page, table: markdown}
    for path, text in written.items():
        if path is not None:
            Path(path).write_text(text(), encoding="utf-8")
            console.print(f"written: {path}", markup=False, highlight=False)
    return report.ok


def _prove(model, preset, quick, rows, table, console):
    """Return (report, function that makes the page, function that makes the table)."""
    if model is not None and preset is not None:
        raise ValueError("expected --model or --preset, received both: run the command twice.")
    if model is not None:
        return _prove_run(model, rows, console)
    if preset is not None:
        return _prove_preset(preset, rows, console)
    return _prove_equations(quick, rows, table, console)


def _prove_preset(preset, rows, console):
    from kerasllm.verify.proofs.presets import PRESETS, prove_presets
    from kerasllm.verify.proofs.rendering import whole_page

    check_choice("preset", preset, (*PRESETS, "all"))
    with Progress(console).alive():
        report = prove_presets(PRESETS if preset == "all" else (preset,), console=console)
    if rows:
        report.print(console)
    else:
        console.print(report.summary(), style="green" if report.ok else "bold red", markup=False)
    return report, lambda: whole_page(report.title, report.summary(), report), None


def _prove_equations(quick, rows, table, console):
    from kerasllm.verify.proofs.proof import prove_equations

    proof = prove_equations(quick=quick, console=console)
    if rows:
        proof.report.print(console)
    else:
        proof.print(console)
    command = f"KERAS_BACKEND={_backend()} kerasllm verify --table docs/proof.md"
    return proof.report, proof.html, lambda: proof.markdown(command, _mutants(table))


def _mutants(table):
    """Return the figures of the last run of mutants, if the table is written into the sources."""
    path = Path(table).resolve().parents[1] / "tests" / "long" / "figures" / "mutants.json"
    return loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _prove_run(model, rows, console):
    from kerasllm.verify.proofs.rendering import print_model_proof, whole_page
    from kerasllm.verify.proofs.runs import prove_run

    began = time.perf_counter()
    with Progress(console).alive():
        report = prove_run(model)
    if rows:
        report.print(console)
    else:
        print_model_proof(report, time.perf_counter() - began, console)
    return report, lambda: whole_page(report.title, report.summary(), report), None


def _backend():
    import keras

    return keras.backend.backend()


def show_trace(run, text, *, layer=None, symbol=None, step=None, unit=0, top=5, console=None):
    """Print what a run computes on a text, and draw it into RUN/figures.

    Args:
        run: a run folder.
        text: the text.
        layer: which layer; without one, all recurrent and attention layers are drawn.
        symbol: which symbol of it.
        step: which token's equations to print, from 0; the last one if left out.
        unit: which unit's.
        top: how many predictions to print.
        console: a rich console; that of the terminal if left out.

    Returns:
        The paths of the figures.
    """
    from kerasllm.training.run_folder.run import load_run
    from kerasllm.verify.traces.trace import trace

    if top < 1:
        raise ValueError(f"top must be 1 or more, received {top}.")
    console, run = console or terminal(), load_run(run)
    if isinstance(text, tuple):
        run.check_reads_context()
    seen = trace(run, text)
    table = seen.table(layer, symbol)
    equations = _equations(seen, layer, step, unit)
    console.print(str(seen), markup=False, highlight=False)
    if seen.probabilities is not None:
        seen.predictions(top).fitting(console.width).print(console)
    table.fitting(console.width).print(console)
    if equations:
        console.print(str(equations), markup=False, highlight=False)
    paths = [_write(run, f"trace_{name}_{sign}", figure) for name, sign, figure in _figures(
        seen, layer, symbol)]  # fmt: skip
    paths += _write_flow(run, seen, text, console)
    console.print(*(f"written: {path}" for path in paths), sep="\n", markup=False, highlight=False)
    return paths


def _equations(seen, layer, step, unit):
    recurrent = [name for name, symbols in seen.layers.items() if symbols.recurrent]
    if layer is None and not recurrent:
        return None
    if layer is not None and seen.find_layer(layer) not in recurrent:
        if step is not None:
            return seen.equations(layer, step, unit)  # which says that there are none
        return None
    return seen.equations(layer, step, unit)


def _figures(seen, layer, symbol):
    """Yield (layer, symbol, figure) of what was asked for, or of all that is interesting."""
    if layer is not None or symbol is not None:
        name = seen.find_layer(layer)
        sign = symbol or seen.layers[name].default
        yield name, sign, seen.figure(name, sign)
        return
    for name, symbols in seen.layers.items():
        if symbols.interesting:
            for sign in symbols.telling:
                if sign != "weights" or len(seen.tokens) <= WIDEST:
                    yield name, sign, seen.figure(name, sign)


def _write_flow(run, seen, text, console):
    from kerasllm.verify.traces.gradient_flow import gradient_flow

    if not any(s.recurrent and not s.backwards and "/forward" not in name
               for name, s in seen.layers.items()):  # fmt: skip
        return []
    flow = gradient_flow(run, text)
    for name, *_, measured, gates in flow.table.rows:
        memory = f"gradient below 1/e after {measured}; memory of the gates {gates}"
        console.print(f"{name}: {memory}", markup=False, highlight=False)
    return [_write(run, "trace_gradient_flow", flow.figure())]


def _write(run, name, figure):
    name = name.replace("/", "_")
    run.write_figure(name, figure)
    return run.path / "figures" / f"{name}.png"
