"""Break one line of `kerasllm/reference` at a time, and see whether a test notices.

    python tests/reference/mutations.py            all of them: some minutes
    python tests/reference/mutations.py lstm gru   those of two files

A tool, not a test. Each entry of `MUTATIONS` replaces a piece of text that stands exactly once in a
file. The changed functions are planted in the running package, then the tests of that file run, and
if all of them pass, every test of the reference. A mutation that no test notices survives: the
tests have a hole there, unless the changed line computes the same (`equal` says why).
"""

import contextlib
import importlib
import inspect
import io
import signal
import sys
import time
from pathlib import Path
from typing import NamedTuple

import hypothesis
import pytest

TESTS = Path(__file__).parent
REFERENCE = TESTS.parents[1] / "kerasllm" / "reference"
REWRITE = "ignore::pytest.PytestAssertRewriteWarning"  # pytest runs many times in one process
SECONDS = 240  # after which a run of the tests counts as one that never ends


class Mutation(NamedTuple):
    """A change of one line; `equal` is why no test can notice it."""

    file: str
    old: str
    new: str
    equal: str = ""


MUTATIONS = (
    Mutation("activations", "* trace.output * (1 - trace.output)", "* (1 - trace.output)"),
    Mutation("activations", "(trace.x > 0)", "(trace.x >= 0)"),
    Mutation("activations", "_GELU_SLOPE * (1 + 3 * 0.044715", "_GELU_SLOPE * (1 + 2 * 0.044715"),
    Mutation("activations", "np.exp(x - x.max(axis, keepdims=True))", "np.exp(x)"),
    Mutation("activations", "- np.exp(trace.output) * total", "- total"),
    Mutation("activations", "np.rint(distance / _ERF_STEP)", "np.floor(distance / _ERF_STEP)",
             "the Taylor series of the node below is as exact: 8 terms over a whole step"),
    Mutation("additive_attention", "v * (1 - hidden**2)", "v * (1 - hidden)"),
    Mutation("additive_attention", "d_sum.sum(axis=-2), d_sum.sum(axis=-3)",
             "d_sum.sum(axis=-2), d_sum.mean(axis=-3)"),
    Mutation("scaled_dot_product", "1 / math.sqrt(key.shape[-1])",
             "1 / math.sqrt(query.shape[-2])"),
    Mutation("scaled_dot_product", "np.tri(T, T if S is None else S, dtype=bool)",
             "np.tri(T, T if S is None else S, -1, dtype=bool)"),
    Mutation("scaled_dot_product", "d_scores if mask is None else d_scores * mask", "d_scores"),
    Mutation("scaled_dot_product", "d_product = scale * d_scores", "d_product = d_scores"),
    Mutation("scaled_dot_product", "weights *= mask", "weights *= 1"),
    Mutation("attention_decoder", "np.where(real, np.arange(S), 0).max(axis=1)",
             "np.full(B, S - 1)"),
    Mutation("attention_decoder", "(1 - trace.fed**2)", "(1 - trace.fed)"),
    Mutation("attention_decoder", "d_key + d_value[..., :M]", "d_value[..., :M]"),
    Mutation("attention_decoder", "(d_said[:, t] + d_fed,", "(d_said[:, t],"),
    Mutation("attention_decoder", "for g in grads) + _ends_backward(d_ends, trace)",
             "for g in grads)"),
    Mutation("attention_decoder", 'fully_masked="uniform"', 'fully_masked="zero"'),
    Mutation("attention_decoder", "source[:, 0, M // 2 :]\n", "source[:, -1, M // 2 :]\n"),
    Mutation("bidirectional", "        y_backward = y_backward[:, ::-1]\n", "        pass\n"),
    Mutation("scaled_dot_product", "return (np.asarray(ids) != pad)",
             "return (np.asarray(ids) != 0)"),
    Mutation("bidirectional", "*a.d_initial_state, *b.d_initial_state",
             "*b.d_initial_state, *a.d_initial_state"),
    Mutation("bidirectional", "return d_output * trace.y_backward, d_output * trace.y_forward",
             "return d_output * trace.y_forward, d_output * trace.y_backward"),
    Mutation("bidirectional", "a.d_x + b.d_x", "a.d_x"),
    Mutation("bpe", "queue = [(-count, pair)", "queue = [(count, pair)"),
    Mutation("bpe", "if -count < max(min_frequency, 1):", "if -count <= max(min_frequency, 1):"),
    Mutation("bpe", "if result and (result[-1], token) == pair:",
             "if result and result[-1] == pair[0]:"),
    Mutation("character_cnn", "x = rows * real", "x = rows"),
    Mutation("character_cnn", "np.where(real, z, np.finfo(z.dtype).min)", "z"),
    Mutation("character_cnn", "(seen == seen.max(axis=2, keepdims=True)) & real",
             "seen == seen.max(axis=2, keepdims=True)"),
    Mutation("character_cnn", "largest / np.maximum(largest.sum(axis=2, keepdims=True), 1)",
             "largest"),
    Mutation("character_cnn", "len(trace.kernel)) * trace.real", "len(trace.kernel))"),
    Mutation("contrast", "np.maximum(np.sqrt((pooled**2).sum(-1, keepdims=True)), 1e-9)",
             "np.sqrt((pooled**2).sum(-1, keepdims=True))"),
    Mutation("contrast", "d_scores + d_scores.T", "2 * d_scores"),
    Mutation("contrast", "(d_z - z * along) / norm", "d_z / norm"),
    Mutation("crf", "real = d * mask[:, 1:, None]", "real = d * mask[:, :-1, None]"),
    Mutation("crf", "np.concatenate([latest[:, :1], latest[:, :-1]], axis=1)", "latest"),
    Mutation("crf", "beta[:, -1] = trace.end", "beta[:, -1] = 0"),
    Mutation("crf", "origin[:, t] = np.where(real, arriving.argmax(axis=1), origin[:, t])",
             "origin[:, t] = arriving.argmax(axis=1)"),
    Mutation("crf", "    best = best + end\n", "    best = best + 0\n"),
    Mutation("decoding", "p[p.cumsum(axis=-1) - p >= top_p] = 0",
             "p[p.cumsum(axis=-1) >= top_p] = 0"),
    Mutation("decoding", "scores[:, 0] = 0.0", "scores[:] = 0.0"),
    Mutation("decoding", "log_p.shape[-1]) == pad", "log_p.shape[-1]) == 0"),
    Mutation("decoding", "ranked = candidates / np", "ranked = candidates * np"),
    Mutation("decoding", "(cumulative <= threshold)", "(cumulative < threshold)",
             "a uniform random number hits a cumulative probability with probability 0"),
    Mutation("dense", "d_rows.sum(0)", "d_rows.mean(0)"),
    Mutation("dropout", "scale = (keep / (1 - rate))", "scale = (keep / rate)"),
    Mutation("embedding", "np.add.at(d_table, ids.ravel(), d_output.reshape(-1, table.shape[1]))",
             "d_table[ids.ravel()] += d_output.reshape(-1, table.shape[1])"),
    Mutation("feed_forward", "dense_backward(d_a, part_1)", "dense_backward(d_h, part_1)"),
    Mutation("gru", "d_r_closed = d_inner * inner * (1 - r)", "d_r_closed = d_inner * inner * r"),
    Mutation("gru", "h_previous if reset_after else r * h_previous", "h_previous"),
    Mutation("gru", "h = z * h_previous + (1 - z) * candidate",
             "h = (1 - z) * h_previous + z * candidate"),
    Mutation("gru", "input_bias, recurrent_bias = bias if",
             "recurrent_bias, input_bias = bias if"),
    Mutation("lora", "alpha / len(b)", "alpha / len(a)"),
    Mutation("lora", "return LoraGrads(d_output,", "return LoraGrads(d_product,"),
    Mutation("losses", "- label_smoothing / log_p.shape[-1]", "- label_smoothing"),
    Mutation("losses", "mask / max(mask.sum(), 1)", "mask / mask.size"),
    Mutation("losses", "np.log1p(np.exp(-np.abs(logits)))", "np.log1p(np.exp(-logits))"),
    Mutation("lstm", "d_c * c_previous * f * (1 - f)", "d_c * c * f * (1 - f)"),
    Mutation("lstm", "d_c = d_c + d_h * o", "d_c = d_h * o"),
    Mutation("lstm", "d_projected @ recurrent_kernel.T, d_c * f",
             "d_projected @ recurrent_kernel.T, d_c"),
    Mutation("lstm", "d_c = d_c + through_h * o", "d_c = d_c + 0 * o"),
    Mutation("lstm", "(through_h,), _ =", "_, (through_h,) ="),
    Mutation("multi_head_attention", "mask[:, None] if mask.ndim == 3",
             "mask[None] if mask.ndim == 3"),
    Mutation("multi_head_attention", "heads.swapaxes(1, 2).reshape(B, T, N * K)",
             "heads.reshape(B, T, N * K)"),
    Mutation("multiplicative_attention", "projected, key, value, mask, scale=1,",
             "projected, key, value, mask,"),
    Mutation("multiplicative_attention", "np.concatenate([g.d_w_q, g.d_w_k])",
             "np.concatenate([g.d_w_k, g.d_w_q])"),
    Mutation("ngram", "+ discount * len(counts) * shorter", "+ discount * shorter"),
    Mutation("ngram", "k * len(model.vocabulary)", "k * (len(model.vocabulary) - 1)"),
    Mutation("ngram", "if word in known else UNK), context", "if word in known else EOS), context"),
    Mutation("normalization", "np.sqrt(variance + epsilon)", "(np.sqrt(variance) + epsilon)"),
    Mutation("normalization", "        - d_normalized.mean(-1, keepdims=True)\n", ""),
    Mutation("normalization", "(d_normalized - normalized * shared) / rms", "d_normalized / rms"),
    Mutation("optimizers", "(1 - power_1**t)", "(1 - power_1)"),
    Mutation("optimizers", "if nesterov else m", "if momentum else m"),
    Mutation("optimizers", "a - b**2 + epsilon", "a + epsilon"),
    Mutation("optimizers", "- w * _like(w, decay) * _like(w, rate)", "- w * _like(w, decay)"),
    Mutation("optimizers", "limit * min(1 / norm, 1 / limit)", "limit / norm"),
    Mutation("pointer_generator", "log_p - np.logaddexp(0, -z)", "log_p - np.logaddexp(0, z)"),
    Mutation("pointer_generator", "np.where(copied > 0, copied, 1)", "1"),
    Mutation("pointer_generator", "(1 - gate) * d_generate - gate * d_copy",
             "(1 - gate) * d_generate"),
    Mutation("positions", "-np.arange(0, D, 2) / D", "-np.arange(0, D, 2) / (D - 1)"),
    Mutation("positions", "trace.cos, -trace.sin", "trace.cos, trace.sin"),
    Mutation("positions", "np.arange(offset, offset + T)", "np.arange(T)"),
    Mutation("recurrence", "np.concatenate([first[None], states[:-1]])", "states"),
    Mutation("recurrence", "np.logical_or.accumulate(real, axis=0)", "real"),
    Mutation("recurrence", "tuple(a + b for a, b in zip(through, d_old, strict=True))",
             "tuple(through)"),
    Mutation("recurrence", "np.stack(d[::-1])", "np.stack(d)"),
    Mutation("recurrence", "d_old = tuple(np.where(walk.real[t], 0, d)",
             "d_old = tuple(np.where(True, 0, d)"),
    Mutation("recurrence", "return d_h if walk.shown is None else d_h * walk.shown", "return d_h"),
    Mutation("schedules", 'side="left"', 'side="right"'),
    Mutation("schedules", "(1 - p) ** power + end", "(1 - p) ** power"),
    Mutation("schedules", "/ t_mul**k", "/ t_mul"),
    Mutation("simple_rnn", '"relu": (lambda a: np.maximum(a, 0), lambda h: h > 0)',
             '"relu": (lambda a: np.maximum(a, 0), np.ones_like)'),
    Mutation("stack", "return_sequences or k < len(weights) - 1",
             "return_sequences or k < len(weights)"),
    Mutation("stack", "return tuple(d for d in grads[1:4] if d is not None)",
             "return tuple(grads[1:4])"),
    Mutation("stack", "reversed(trace.layers), reversed(d_states)",
             "reversed(trace.layers), d_states"),
    Mutation("transformer", "past if mask is None else past & checks.",
             "past if mask is None else checks."),
    Mutation("transformer", "d_memory = d_key + d_value", "d_memory = d_key"),
    Mutation("transformer", "return d_sum + d_x, d_weights, d_norm",
             "return d_x, d_weights, d_norm"),
)  # fmt: skip

# Which checks and which oracles belong to a file.
CHECKS = {
    "activations": "sigmoid or tanh or relu or gelu or softmax",
    "additive_attention": "additive or concat",
    "attention_decoder": "decoder",
    "character_cnn": "characters",
    "contrast": "contrast",
    "dense": "dense",
    "lora": "rank",
    "losses": "entropy or squared",
    "multiplicative_attention": "general or concat or dot",
    "normalization": "norm",
    "optimizers": "check_4",
    "pointer_generator": "pointer",
    "positions": "positions or rotary or sinusoidal",
    "recurrence": "lstm or simple_rnn",
    "schedules": "decay or warmup or constant or square",
    "simple_rnn": "simple_rnn or rnn",
}
ORACLES = {
    "attention_decoder": "recurrent/test_attention_decoder.py",
    "bpe": "sequence/test_bpe.py",
    "character_cnn": "elementary/test_character_cnn.py",
    "crf": "sequence/test_crf.py",
    "decoding": "sequence/test_decoding.py",
    "lora": "elementary/test_lora.py",
    "ngram": "sequence/test_ngram.py",
    "pointer_generator": "sequence/test_pointer_generator.py",
    "positions": "attention/test_positions.py",
    "transformer": "attention/test_transformer.py",
    **dict.fromkeys(
        ("bidirectional", "gru", "lstm", "recurrence", "simple_rnn", "stack"),
        "recurrent/test_oracles.py",
    ),
    **dict.fromkeys(
        (
            "additive_attention",
            "scaled_dot_product",
            "multi_head_attention",
            "multiplicative_attention",
        ),
        "attention/test_attention.py",
    ),
}


def main(files):
    """Try the mutations of some files, or all of them; print what became of each."""
    chosen = [m for m in MUTATIONS if not files or m.file in files]
    hypothesis.settings.register_profile(
        "first failure", phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        database=None,
    )  # fmt: skip
    hypothesis.settings.load_profile("first failure")
    holes, equal = [], []
    for mutation in chosen:
        began = time.process_time()
        noticed = noticed_by(mutation)
        seconds = time.process_time() - began
        print(f"{noticed or 'SURVIVED':<52} {seconds:5.1f} s  {mutation.file}: {mutation.old!r}",
              flush=True)  # fmt: skip
        if not noticed:
            (equal if mutation.equal else holes).append(mutation)
        elif mutation.equal:
            print(f"    (it was said to be equal: {mutation.equal})")
    print(f"\n{len(chosen) - len(holes) - len(equal)} of {len(chosen)} noticed.")
    for title, left in (("Survived, and compute the same", equal), ("Survived: HOLES", holes)):
        print(f"{title}: {len(left)}")
        for m in left:
            print(f"    {m.file}.py: {m.old!r} → {m.new!r}  {m.equal}")
    return len(holes)


def noticed_by(mutation):
    """Return the first test that fails with a mutation, or None; the nearest tests run first."""
    checks = CHECKS.get(mutation.file, mutation.file)
    with planted(mutation):
        return (
            run("test_checks.py", "-k", f"check_1 and ({checks})")
            or run(ORACLES.get(mutation.file, "elementary/test_oracles.py"))
            or run("test_checks.py", "-k", f"({checks}) and not check_1")
            or (None if mutation.equal else run("."))
        )


def where(name):
    """Return the path of a file of the reference."""
    (path,) = REFERENCE.glob(f"*/{name}.py")
    return path


@contextlib.contextmanager
def planted(mutation):
    """Exchange the code of the functions that a mutation changes, while the block lasts."""
    path = where(mutation.file)
    source = path.read_text(encoding="utf-8")
    if source.count(mutation.old) != 1:
        raise ValueError(
            f"expected {mutation.old!r} once in {path.name}, found it {source.count(mutation.old)} "
            "times: mend the entry of MUTATIONS."
        )
    module = importlib.import_module(f"kerasllm.reference.{path.parent.name}.{path.stem}")
    changed = {"__name__": module.__name__, "__package__": module.__package__}
    exec(compile(source.replace(mutation.old, mutation.new), str(path), "exec"), changed)
    kept = dict(vars(module))
    for name, value in kept.items():
        if inspect.isfunction(value) and value.__module__ == module.__name__:
            value.__code__, changed[name].__code__ = changed[name].__code__, value.__code__
        elif isinstance(value, dict) and not name.startswith("__"):
            kept[name] = dict(value)
            value.update(changed[name])  # a table of functions, such as ACTIVATIONS
    try:
        yield
    finally:
        for name, value in vars(module).items():
            if inspect.isfunction(value) and value.__module__ == module.__name__:
                value.__code__ = changed[name].__code__
            elif isinstance(value, dict) and not name.startswith("__"):
                value.update(kept[name])


class _First:
    """A pytest plugin that remembers the first test that fails."""

    name = None

    def pytest_runtest_logreport(self, report):
        if report.failed and self.name is None:
            self.name = report.nodeid.rsplit("::test_", 1)[-1]

    def pytest_collectreport(self, report):
        if report.failed and self.name is None:
            self.name = f"{report.nodeid} (cannot be collected)"


def run(target, *options):
    """Run tests; return the first that fails, or None."""
    first = _First()
    paths = [str(TESTS / target)]
    quiet = ["-x", "-q", "-n", "0", "-p", "no:cacheprovider", "-W", REWRITE, *options]
    signal.signal(signal.SIGALRM, _too_long)
    signal.alarm(SECONDS)
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            status = pytest.main([*paths, *quiet], plugins=[first])
    except TimeoutError:
        return "never ends"
    finally:
        signal.alarm(0)
    if status in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        return None
    return (first.name or f"pytest: {status}")[:52]


def _too_long(*_):
    raise TimeoutError


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
