"""Compare a learner's function with the library's, and with every known mistake.

The same random inputs go into the learner's function, into the library's, and into the library's
with each mistake of the catalogue planted in it, and then each two of them. Whatever gives the
learner's own numbers in all trials is what the learner has written.
"""

from contextlib import ExitStack
from dataclasses import replace
from itertools import permutations

import numpy as np

from kerasllm import reference
from kerasllm.exercises.catalogue import find, signature
from kerasllm.exercises.keeping import keep
from kerasllm.exercises.outputs import outputs_of
from kerasllm.exercises.result import CLOSE, EXACT, Result, Verdict
from kerasllm.exercises.running import run_all, unexpected
from kerasllm.exercises.untouched import untouched_reference
from kerasllm.exercises.words import say, speaking, spoken_label
from kerasllm.utils.languages import chosen_language
from kerasllm.verify.mistakes.catalogue import mistakes_of
from kerasllm.verify.mistakes.mistake import planted


def check(name, function, *, time_limit=10.0, seed=0, language=None, quiet=False):
    """Run a function on random inputs and say whether it is right, and if not, why.

    Args:
        name: name of the exercise (`names()`).
        function: yours, called as `show(name)` says. It may return the output alone, or the output
            and a trace, as the library does.
        time_limit: seconds that one call may take; then it is ended. None calls the function in
            this process, without a limit, where a debugger can follow it.
        seed: of the random inputs.
        language: of what it says, "en" or "zh"; that of the environment variable
            KERASLLM_LANGUAGE if left out, else "en".
        quiet: do not print the result, and do not keep it for `progress()`.

    Returns:
        A `Result`: `.ok`, `.verdicts`, `.first_wrong_step`, `.mistake`. It is printed too; in a
        notebook, end the line with a semicolon or the cell shows it twice.

    Raises:
        ValueError: there is no such exercise, or another language.
        TypeError: `function` is not a function.

    Example:
        >>> result = check("sigmoid", lambda x: 1 / (1 + np.exp(x)))
        sigmoid: not yet (0 of 4 trials are right).
          output  wrong  0.0 digits  ...
        This is what you get when the minus in exp(-x) is missing.  [sigmoid_sign_forgotten]
        A hint: kerasllm.exercises.hint("sigmoid")
        >>> result.ok, check("sigmoid", lambda x: 1 / (1 + np.exp(-x)), quiet=True).ok
        (False, True)
    """
    exercise, language = find(name), chosen_language(language)
    if not callable(function):
        raise TypeError(
            f"expected a function, received {type(function).__name__}; pass the function itself, "
            f'without calling it: check("{name}", my_function)'
        )
    with untouched_reference(), speaking(language):
        result = replace(_result(exercise, function, time_limit, seed), language=language)
    if not quiet:
        keep(result, function)
        print(result)
    return result


def _result(exercise, function, time_limit, seed):
    trials = exercise.trials(np.random.default_rng(seed))
    trials, lacking, problem = _callable_with(exercise, function, trials)
    pairs, printed, call = [], "", lambda f, *given: exercise.call(f, None, given)
    for trial, got in zip(
        trials, run_all(call, function, trials, exercise.outputs, time_limit), strict=False
    ):
        printed = printed or got.printed
        if got.problem:
            label = spoken_label(trial.label)
            problem = say("problem_in_trial", problem=got.problem, label=label)
            break
        pairs.append((trial, got.outputs, _expected(exercise, trial)))
    if lacking and not problem:
        missing = say("between_lacking").join(sorted(lacking))
        problem = say("lacking", names=missing, signature=signature(exercise))
    return _judged(exercise, pairs, problem, printed)


def _callable_with(exercise, function, trials):
    """Return the trials that a function has parameters for, those that it lacks, and a problem."""
    if exercise.run:
        return trials, set(), ""
    whys = [unexpected(function, *trial[1:]) for trial in trials]
    lacking = {name for _, missing in whys for name in missing}
    known = [(t, why) for t, (why, missing) in zip(trials, whys, strict=True) if not missing]
    for k, (_, why) in enumerate(known):
        if why:
            problem = say("not_callable_so", signature=signature(exercise), why=why)
            return [trial for trial, _ in known[:k]], lacking, problem
    return [trial for trial, _ in known], lacking, ""


def _expected(exercise, trial):
    value = exercise.call(getattr(reference, exercise.name), trial)
    return outputs_of(value, exercise.outputs)


def _judged(exercise, pairs, problem, printed):
    verdicts = tuple(_verdict(exercise, name, pairs) for name in exercise.outputs) if pairs else ()
    right = {
        trial.label: all(distance(ours[k], theirs[k]) <= EXACT for k in exercise.outputs)
        for trial, ours, theirs in pairs
    }
    matches, together, notes = (), False, ()
    if not all(right.values()):
        matches, together = _matches(exercise, pairs)
        notes = () if matches else _observations(exercise, pairs)
    text = "\n".join(f"  {line}" for line in printed.splitlines()[:20])
    return Result(exercise.name, verdicts, right, problem, matches, together, notes, text)


def distance(ours, theirs):
    """Return the largest difference, relative to the largest expected value."""
    if ours.shape != theirs.shape:
        return np.inf
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    with np.errstate(invalid="ignore"):  # infinity less infinity, where the two are the same
        differences = np.where(same, 0.0, ours - theirs)
    if not np.isfinite(differences).all():
        return np.inf
    finite = np.abs(theirs[np.isfinite(theirs)])
    size = max(finite.max(initial=0.0), 1e-6)
    return float(np.abs(differences).max(initial=0.0) / size)


def _verdict(exercise, name, pairs):
    """Judge one output in all trials, and describe its first difference."""
    worst = max(distance(ours[name], theirs[name]) for _, ours, theirs in pairs)
    digits = 16.0 if worst == 0 else float(np.clip(-np.log10(worst), 0, 16)) + 0.0  # no -0.0
    if worst <= EXACT:
        return Verdict(name, "exact", digits)
    wrong = [p for p in pairs if distance(p[1][name], p[2][name]) > EXACT]
    axes = max(theirs[name].ndim for _, _, theirs in pairs)  # fewer in trials without time
    timed = (exercise.time_axis or {}).get(name)
    with_time = [p for p in wrong if p[2][name].ndim == axes]
    if timed is not None and with_time:
        wrong = with_time
    trial, ours, theirs = wrong[0]
    timed = timed if theirs[name].ndim == axes else None
    note, step = _difference(ours[name], theirs[name], timed, exercise.backward)
    verdict = "close" if worst <= CLOSE else "wrong"
    note = say("in_trial", note=note, label=spoken_label(trial.label))
    return Verdict(name, verdict, digits, note, step)


def _difference(ours, theirs, axis, backward):
    """Describe where an array first differs; in a backward pass, "first" is from the end."""
    if ours.shape != theirs.shape:
        return say("shape", theirs=theirs.shape, ours=ours.shape), None
    with np.errstate(invalid="ignore"):
        size = max(np.abs(theirs[np.isfinite(theirs)]).max(initial=0.0), 1e-6)
        wrong = ~(np.abs(ours - theirs) <= EXACT * size) & ~(ours == theirs)
    wrong &= ~(np.isnan(ours) & np.isnan(theirs))
    places, step, where = np.argwhere(wrong), None, ""
    if axis is not None:
        step = int(places[:, axis].max() if backward else places[:, axis].min())
        places = places[places[:, axis] == step]
        last = theirs.shape[axis] - 1
        where = say("first_step_from_the_end" if backward else "first_step", step=step, last=last)
    index = tuple(int(k) for k in places[0])
    at = say("place", index=list(index)) if index else ""
    return where + say("number", theirs=theirs[index], ours=ours[index]) + at, step


def _matches(exercise, pairs):
    """Return the known mistakes that give the same numbers in all trials, and whether together.

    One mistake that explains everything goes before two at once. Two are planted in both orders:
    the outer one may hide the inner.
    """
    own, parts = mistakes_of(exercise.name), mistakes_of(*exercise.parts)
    for group in (own, parts):
        found = [mistake for mistake in group if _are((mistake,), exercise, pairs)]
        if found:
            return tuple(found)[:2], False
    for two in permutations((*own, *parts), 2):
        if _are(two, exercise, pairs):
            return two, True
    return (), False


def _are(mistakes, exercise, pairs):
    """Whether these mistakes, planted together, give the learner's numbers in all trials."""
    for trial, ours, _ in pairs:
        try:
            with ExitStack() as stack:
                for mistake in mistakes:
                    stack.enter_context(planted(mistake))
                stack.enter_context(np.errstate(all="ignore"))
                wrong = _expected(exercise, trial)
        except Exception:  # a mistake that cannot be made with these inputs
            return False
        if any(distance(ours[name], wrong[name]) > EXACT for name in exercise.outputs):
            return False
    return True


def _observations(exercise, pairs):
    """Say what can be said about numbers that match no known mistake."""
    for name in exercise.outputs:
        ours = [p[1][name] for p in pairs]
        theirs = [p[2][name] for p in pairs]
        if any(a.dtype != "float64" for a in ours):
            return (say("dtype_of_output", name=name, dtype=ours[0].dtype),)
        if any(not np.isfinite(a).all() for a in ours):
            return (say("not_finite", name=name),)
        if all(a.T.shape == b.shape and distance(a.T, b) <= EXACT for a, b in zip(
            ours, theirs, strict=True
        )) and any(distance(a, b) > EXACT for a, b in zip(ours, theirs, strict=True)):  # fmt: skip
            return (say("transpose", name=name),)
        factors = [_factor(a, b) for a, b in zip(ours, theirs, strict=True)]
        if None not in factors and np.ptp(factors) < 1e-6 and abs(factors[0] - 1) > EXACT:
            return (say("factor", name=name, factor=factors[0]),)
    return ()


def _factor(ours, theirs):
    """Return the number that turns theirs into ours, or None."""
    if ours.shape != theirs.shape or not np.any(theirs) or not np.isfinite(theirs).all():
        return None
    factor = float((ours * theirs).sum() / (theirs**2).sum())
    return factor if distance(ours, factor * theirs) <= EXACT else None
