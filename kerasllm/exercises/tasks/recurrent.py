"""Exercises: one step of a recurrent layer, forward and backward."""

from kerasllm.exercises.exercise import Exercise
from kerasllm.exercises.trials import Trial, arrays, backward_of

SIZES = ((2, 5, 3, 7), (3, 7, 2, 5))  # B, T, D, H
GATES = {"simple_rnn": 1, "lstm": 4, "gru": 3}


def _step_arguments(rng, name, B, H):
    width = GATES[name] * H
    states = [(B, H)] * (2 if name == "lstm" else 1)
    return arrays(rng, (B, width), *states, (H, width))


def _step_trials(name, *variants):
    """Return trials of one step, for each variant of the last arguments."""

    def trials(rng):
        made = []
        for B, _, _, H in SIZES:
            for label, extra in variants or (("", None),):
                more = extra(rng, H) if extra else ()
                arguments = (*_step_arguments(rng, name, B, H), *more)
                made.append(Trial(f"B={B}, H={H}{label}", arguments))
        return made

    return trials


_AFTER = (", reset after", lambda rng, H: (rng.standard_normal(3 * H), True))
_BEFORE = (", reset before", lambda rng, H: (0.0, False))  # noqa: ARG005 - called like the other

EXERCISES = (
    Exercise(
        name="simple_rnn_step",
        level="one line",
        task="take one step of the simple recurrent network.",
        statement="""
            h = tanh(projected + h_previous @ recurrent_kernel)

            projected: (B, H), the input's share x @ kernel + bias. h_previous: (B, H).
            recurrent_kernel: (H, H). Return h (B, H).""",
        hint="Write the equation as it stands; @ is the matrix product.",
        outputs=("h",),
        trials=_step_trials("simple_rnn"),
    ),
    Exercise(
        name="lstm_step",
        level="a few lines",
        task="take one step of the LSTM.",
        statement="""
            a = projected + h_previous @ recurrent_kernel          four blocks: i, f, g, o
            i = σ(a_i),  f = σ(a_f),  g = tanh(a_g),  o = σ(a_o)
            c = f · c_previous + i · g
            h = o · tanh(c)

            projected: (B, 4H), the input's share of all gates. h_previous, c_previous: (B, H).
            recurrent_kernel: (H, 4H), the gates side by side in Keras' order i, f, g, o.
            Return h, c, each (B, H).""",
        hint="""One matrix product serves all gates; np.split(a, 4, axis=-1) cuts it into the four.
            f decides what is kept of the old cell, i what is taken from the candidate g.""",
        outputs=("h", "c"),
        trials=_step_trials("lstm"),
    ),
    Exercise(
        name="gru_step",
        level="a few lines",
        task="take one step of the GRU, as Keras computes it.",
        statement="""
            z = σ(x_z + h_previous @ U_z + c_z),   r = σ(x_r + h_previous @ U_r + c_r)
            inner     = r · (h_previous @ U_h + c_h)               reset_after
            inner     = (r · h_previous) @ U_h                     not reset_after
            candidate = tanh(x_h + inner)
            h         = z · h_previous + (1 - z) · candidate

            projected: (B, 3H), x_z, x_r, x_h side by side. h_previous: (B, H). recurrent_kernel:
            (H, 3H), U_z, U_r, U_h side by side. recurrent_bias: (3H,), c_z, c_r, c_h, or 0.
            reset_after: a boolean. Return h (B, H).""",
        hint="""Mind which of z and 1 - z belongs to the old state, and on which side of the matrix
            product the reset gate acts.""",
        outputs=("h",),
        trials=_step_trials("gru", _AFTER, _BEFORE),
    ),
    Exercise(
        name="simple_rnn_step_backward",
        level="a few lines",
        task="send the gradient of h back through one step.",
        statement="""
            h = tanh(projected + h_previous @ recurrent_kernel)

            d_output: d_h (B, H). trace: h, h_previous, recurrent_kernel, activation ("tanh").
            Return d_projected (B, H), d_h_previous (B, H).""",
        hint="The slope of tanh can be written with its result: 1 - h².",
        outputs=("d_projected", "d_h_previous"),
        trials=backward_of("simple_rnn_step", _step_trials("simple_rnn")),
    ),
    Exercise(
        name="lstm_step_backward",
        level="a backward pass",
        task="send the gradients of h and c back through one step.",
        statement="""
            c = f · c_previous + i · g,   h = o · tanh(c)

            d_output: (d_h, d_c), each (B, H). trace: i, f, g, o, c, h, c_previous, h_previous,
            recurrent_kernel. Return d_projected (B, 4H) for the gates before their activations,
            d_h_previous (B, H), d_c_previous (B, H).""",
        hint="""The cell's gradient comes from two sides: d_c from the next step, and d_h through
            o · tanh(c). Then four products, each times the slope of its gate: s (1 - s) for a
            sigmoid, 1 - g² for the tanh.""",
        outputs=("d_projected", "d_h_previous", "d_c_previous"),
        trials=backward_of("lstm_step", _step_trials("lstm")),
    ),
    Exercise(
        name="gru_step_backward",
        level="a backward pass",
        task="send the gradient of h back through one step of the GRU.",
        statement="""
            the step of the exercise gru_step

            d_output: d_h (B, H). trace: z, r, inner, candidate, h, h_previous, recurrent_kernel,
            reset_after. Return d_projected (B, 3H), d_h_previous (B, H), and d_recurrent (B, 3H),
            the gradient of h_previous @ recurrent_kernel (reset_after) or of the products in the
            equation (not reset_after).""",
        hint="""h_previous is reached by three ways: directly through z, through the gates, and
            through inner. With reset_after the reset gate multiplies the gradient behind the matrix
            product, without it before.""",
        outputs=("d_projected", "d_h_previous", "d_recurrent"),
        trials=backward_of("gru_step", _step_trials("gru", _AFTER, _BEFORE)),
    ),
)
