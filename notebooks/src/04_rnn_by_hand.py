# %% [markdown]
# # 04 · RNN by hand
#
# **What you will do.** Take a recurrent step with a pencil, send a gradient back through a
# sentence, watch it vanish or explode, and train thirty-six networks to find out what that costs.
#
# **What you will learn.** What a hidden state (隐状态) is; back-propagation through time
# (随时间反向传播); when a gradient vanishes (梯度消失) or explodes (梯度爆炸); what clipping
# (梯度裁剪) mends and what it does not.
#
# **What you need.** [Lesson 02](02_neuron_layer_downhill.ipynb): a layer and its gradient.
# 40 minutes; the cells run in about half a minute on a laptop, without network.
#
# **Where it comes from.** Document 000, §4, prints the step; document 004, §3.3.2, says that the
# LSTM is meant to solve the 长期依赖 (long-range dependency) problem of the RNN. Here you see the
# problem.

# %%
from kerasllm import lessons

lessons.start()

# %%
import keras
import numpy as np

from kerasllm import exercises, plots, reference
from kerasllm.plots import fonts
from kerasllm.plots.style import COLOURS, MARKERS, panels, tidy

lessons.quote("000", 28)

# %% [markdown]
# ## 1. One step
#
# A recurrent network (循环神经网络) reads one token after another. Its state $h$ mixes the new
# input with the old state, at every step with the same weights:
#
# $$h_t = \tanh(x_t W + h_{t-1} U + b)$$
#
# (The document has its vectors as columns, so its weights stand on the left.) With one input and
# one unit all are numbers. Let it see a 1, then zeros:

# %%
series = np.array([[[1.0], [0.0], [0.0]]])  # (B, T, D)
pencil = [np.array([[0.5]]), np.array([[0.9]]), np.array([0.0])]  # W, U, b
state = 0.0
for x_t in series[0, :, 0]:
    state = float(np.tanh(x_t * 0.5 + state * 0.9))
    print(f"h = {state:.4f}")

in_numpy, _ = reference.simple_rnn(series, *pencil)
layer = keras.layers.SimpleRNN(1, dtype="float64")
layer.build(series.shape)
layer.set_weights(pencil)
assert np.allclose([in_numpy.item(), float(layer(series)[0, 0])], state, rtol=0, atol=1e-12)

# %% [markdown]
# ## 2. The boat and the verb
#
# *this **boat** near two rivers **sings***, *these **boats** near two rivers **sing***. The verb
# agrees with the first noun, however many others stand between. So the network must carry "one" or
# "many" over a distance that we can choose.
#
# **Predict first:** how often is a guess from the nearest noun right?
#
# <details><summary>Answer</summary>
#
# Half of the time: the nouns between are drawn by lot. No model that sees only the last few words
# (an n-gram) can do better, if the first noun is not among them.
#
# </details>

# %%
ONE = ["this boat", "a river", "every child", "one teacher", "a fox"]
MANY = ["these boats", "two rivers", "many children", "several teachers", "two foxes"]
PLACES = ["near", "behind", "under", "beside"]
WORDS = sorted({word for phrase in ONE + MANY + PLACES for word in phrase.split()})
PLACE_OF = {word: place for place, word in enumerate(WORDS)}


def draw(count, phrases, rng):
    """Return sentences without their verb; 0: sings or 1: sing; and the number of the last noun."""
    many, noun, where = (rng.integers(0, n, (count, phrases + 1)).tolist() for n in (2, 5, 4))
    texts = []
    for row in zip(many, noun, where, strict=True):
        parts = [f"{PLACES[p]} {(ONE, MANY)[m][n]}" for m, n, p in zip(*row, strict=True)]
        texts.append(" ".join(parts).split(" ", 1)[1])  # the first noun stands nowhere
    return texts, np.array(many)[:, 0], np.array(many)[:, -1]


def one_hot(texts):
    return np.eye(len(WORDS))[[[PLACE_OF[word] for word in text.split()] for text in texts]]


texts, verbs, nearest = draw(2000, 4, np.random.default_rng(0))
by_nearest = (nearest == verbs).mean()
print(texts[0], "…", "sing" if verbs[0] else "sings")
print(f"a guess from the nearest noun is right in {by_nearest:.0%}")
assert 0.45 < by_nearest < 0.55

# %% [markdown]
# ## 3. Backward through time
#
# Let $dh_t$ be the slope of the loss when $h_t$ moves. The way back from one step to the one before
# goes through the bend, whose slope is $1 - h_t^2$, and through $U$:
#
# $$da_t = dh_t \cdot (1 - h_t^2) \qquad\quad dh_{t-1} = da_t\, U^\top \qquad\quad
# dU = \sum_t h_{t-1}^\top da_t$$
#
# The same $U$ works at every step, so what the steps say about it is added up. That is all:


# %%
def weights_of(radius, seed, units=24):
    """Return the weights of an RNN whose U stretches every state by `radius`, and of its head."""
    rng = np.random.default_rng(seed)
    rotation, _ = np.linalg.qr(rng.normal(size=(units, units)))  # keeps every length
    kernel = 2 * rng.normal(size=(len(WORDS), units)) / np.sqrt(len(WORDS))
    head = rng.normal(size=(units, 2)) / np.sqrt(units)
    return [kernel, radius * rotation, np.zeros(units), head, np.zeros(2)]


def loss_and_gradients(weights, x, verbs):
    """Return the loss, the gradients of all weights, and those of every state."""
    h, rnn = reference.simple_rnn(x, *weights[:3])
    logits, dense = reference.dense(h, *weights[3:])
    loss, entropy = reference.cross_entropy(logits, verbs)
    d_logits = reference.cross_entropy_backward(1.0, entropy).d_logits
    d_h, *d_head = reference.dense_backward(d_logits, dense)
    back = reference.simple_rnn_backward(d_h, rnn)
    grads = [back.d_kernel, back.d_recurrent_kernel, back.d_bias, *d_head]
    return loss, grads, (h, d_h, rnn, back)


sentence = ["this boat near two rivers beside a fox"]
x, verb = one_hot(sentence), np.array([0])
weights = weights_of(1.0, seed=0)
U = weights[1]
_, grads, (_, d_h, rnn, back) = loss_and_gradients(weights, x, verb)

d_state, d_U = d_h, np.zeros_like(U)
for t in reversed(range(x.shape[1])):  # by hand, one text
    d_a = d_state * (1 - rnn.h[:, t] ** 2)
    before = rnn.h[:, t - 1] if t else np.zeros_like(d_state)
    d_U, d_state = d_U + before.T @ d_a, d_a @ U.T
assert np.allclose(d_U, grads[1], rtol=0, atol=1e-14)

nudge = np.zeros_like(U)
nudge[3, 5] = 1e-5
up, down = (
    loss_and_gradients([weights[0], U + n, *weights[2:]], x, verb)[0] for n in (nudge, -nudge)
)
print(f"dU[3, 5]: derived {d_U[3, 5]:.10f}, measured {(up - down) / 2e-5:.10f}")
assert abs(d_U[3, 5] - (up - down) / 2e-5) < 1e-9
words = sentence[0].split()
plots.diagram("rnn", rnn, grads=back, tokens=words, language="both")

# %% [markdown]
# The verb stands at the right end; the arrows are the gradient on its way back to *boat*, where
# 0.13 of 0.54 is left. Halve $U$, and nothing else, and 0.0035 of 0.60 is left:

# %%
halved = loss_and_gradients(weights_of(0.5, seed=0), x, verb)[2]
plots.diagram("rnn", halved[2], grads=halved[3], tokens=words, language="both")

# %% [markdown]
# ## 4. Vanishing and exploding
#
# Our $U$ is a rotation times a number $\rho$, its *radius*: it stretches every vector by $\rho$.
# Each step back multiplies by $U$, and by the slopes of the bend, which are at most 1. Over $n$
# steps:
#
# $$\frac{|dh_{T-n}|}{|dh_T|} \approx (\rho\, s)^n \qquad s: \text{the usual slope}$$
#
# **Predict first:** ρ = 1, so U neither shrinks nor stretches. Does the gradient survive 40 steps?
#
# <details><summary>Answer</summary>
#
# Some of it, with inputs as small as here: s is nearly 1, and six hundredths arrive. Larger inputs
# bend the tanh and s falls: with 0.8 it would be $0.8^{40}$, a ten-thousandth.
#
# </details>

# %%
noise = np.random.default_rng(1).normal(size=(8, 41, 24))
share = {}
for radius in (0.5, 1.0, 2.0, 3.0):
    rotation = weights_of(radius, seed=0)[1]
    output, seen = reference.simple_rnn(0.1 * noise, np.eye(24), rotation)
    sizes = np.linalg.norm(reference.simple_rnn_backward(output, seen).d_h, axis=-1).mean(axis=0)
    share[f"ρ = {radius}"] = sizes / sizes[-1]
print({name: f"{curve[0]:.0e}" for name, curve in share.items()})
plots.lines(
    share, range(-40, 1), log="y", xlabel="step, 0 is the loss · 步", ylabel="|dh_t| / |dh_T|",
    title="0.5 vanishes, 3.0 explodes · 消失与爆炸",
)  # fmt: skip

# %% [markdown]
# With $\rho = 3$ the gradient grows 40,000 times, and not $3^{40}$ times: the bend holds it back.
# By the formula $s$ is 0.43 there.
#
# ## 5. What it costs
#
# Does a network forget *because* the gradient vanishes? Then changing only the radius that $U$
# starts with must decide whether the network learns. Three radii, four distances, three seeds:
# 36 networks, trained alike (300 steps of Adam on fresh sentences). Before training we note what
# share of the gradient arrives at the noun; afterwards, how often the verb of new sentences is
# right.


# %%
def right_of(weights, phrases):
    """Return how often the verb of a new sentence is right."""
    texts, verbs, _ = draw(400, phrases, np.random.default_rng(99))
    h, _ = reference.simple_rnn(one_hot(texts), *weights[:3])
    return (reference.dense(h, *weights[3:])[0].argmax(-1) == verbs).mean()


def train(weights, phrases, seed, rule, steps=300):
    """Return the share of the gradient at the noun at first, the losses, accuracy and weights."""
    rng, state, losses = np.random.default_rng(seed + 10), None, []
    for step in range(steps):
        count = phrases if isinstance(phrases, int) else int(rng.integers(*phrases))
        texts, verbs, _ = draw(32, count, rng)
        loss, grads, (_, _, _, back) = loss_and_gradients(weights, one_hot(texts), verbs)
        if step == 0:
            sizes = np.linalg.norm(back.d_h, axis=-1).mean(axis=0)
        weights, state = rule(weights, grads, state)
        losses.append(loss)
    return sizes[1] / sizes[-1], losses, right_of(weights, np.max(phrases)), weights


def adam_rule(rate=0.005, hold_u=False):
    def rule(weights, grads, state):
        kept = reference.clip_by_global_norm(grads, 1.0)
        new, state = reference.adam(weights, kept, state, learning_rate=rate)
        return ([new[0], weights[1], *new[2:]] if hold_u else new), state

    return rule


runs = {
    (radius, phrases, seed): train(weights_of(radius, seed), phrases, seed, adam_rule())
    for radius in (0.5, 0.8, 1.0) for phrases in (2, 4, 6, 12) for seed in range(3)
}  # fmt: skip
learned = {key: right > 0.9 for key, (_, _, right, _) in runs.items()}
print("words to carry over   ", *(f"{3 * n:6}" for n in (2, 4, 6, 12)))
for radius in (0.5, 0.8, 1.0):
    counts = [sum(learned[radius, n, seed] for seed in range(3)) for n in (2, 4, 6, 12)]
    print(f"ρ = {radius}: learned, of 3", *(f"{count:6}" for count in counts))

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7.4, height=4.0)
for radius, colour in zip((0.5, 0.8, 1.0), COLOURS, strict=False):
    for phrases, marker in zip((2, 4, 6, 12), MARKERS, strict=False):
        found = [runs[radius, phrases, seed] for seed in range(3)]
        label = f"ρ = {radius}" if phrases == 2 else None
        xs, ys = zip(*((one[0], one[2]) for one in found), strict=True)
        axes.plot(xs, ys, marker, color=colour, ms=8, alpha=0.8, label=label)
axes.axhline(0.5, color="grey", lw=1, ls=":")
axes.set(xscale="log", xlabel="share of the gradient that arrives · 到达的梯度份额",
         ylabel="accuracy · 准确率", ylim=(0.4, 1.05))  # fmt: skip
axes.legend(frameon=False)
tidy(axes)
fonts.use_fonts(figure)

# %% [markdown]
# Markers: circle 6 words, square 12, triangle 18, diamond 36. On the left, where less than a
# millionth arrives, no network beats a coin; on the right, from a thousandth, all learn; of the
# nine between, one does. The radius is the only thing that differs between the colours, so at 18
# words it *is* the cause: at this learning rate. A sceptic tries another.
#
# **Predict first:** $\rho = 0.5$, 18 words, four times the rate. Still lost?
#
# <details><summary>Answer</summary>
#
# Two of three learn it, the third in part. Adam moves every weight by about the rate, however
# small its gradient; so $U$ can grow until something arrives. If this is the way out, then holding
# $U$ where it was must close it. It does.
#
# </details>

# %%
for name, rule in {"U free": adam_rule(0.02), "U held": adam_rule(0.02, hold_u=True)}.items():
    for seed in range(3):
        runs[name, seed] = train(weights_of(0.5, seed), 6, seed, rule)
    rights = [round(float(runs[name, seed][2]), 2) for seed in range(3)]
    radii = [np.abs(np.linalg.eigvals(runs[name, seed][3][1])).max() for seed in range(3)]
    print(f"{name}: accuracy {rights}, radius of U afterwards {np.round(radii, 2)}")

# %% [markdown]
# Two more stories fail. "An RNN forgets after a few words": with $\rho = 1$ it carries the number
# over 18. And "the gradient vanishes, but the memory is there": the factors that bring no gradient
# back are those that carry the noun forward. A small change of $h_1$ reaches $h_T$ through the same
# product.
#
# And do those that learned *remember* the noun? Three of them were trained with six phrases between
# noun and verb. Ask them about other numbers.
#
# **Predict first:** how often is the verb right after five phrases, or seven?
#
# <details><summary>Answer</summary>
#
# Never, or nearly. In two of them what is carried turns round with each phrase, the third is right
# after three, six and nine. They have learned a clock that shows the right side after six, and no
# test with six could tell. Is the single length to blame? Three more networks get between three
# and seven phrases, changed from batch to batch, and are alike in all else. They are right
# everywhere, after eight and nine phrases as well.
#
# </details>

# %%
lengths = range(2, 10)
carriers = {
    "6 · 固定": [runs[1.0, 6, seed][3] for seed in range(3)],
    "3-7 · 混合": [train(weights_of(1.0, s), (3, 8), s, adam_rule())[3] for s in range(3)],
}
held = {
    name: np.array([[right_of(weights, n) for n in lengths] for weights in trained])
    for name, trained in carriers.items()
}
for name, table in held.items():
    print(f"trained on {name}, asked about 2 to 9 phrases:\n{table.round(2)}")

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7.4, height=3.4)
for (name, table), colour, style in zip(held.items(), COLOURS, ("o-", "s--"), strict=False):
    axes.plot(lengths, table.T, style, color=colour, alpha=0.7)
    axes.plot([], [], style, color=colour, label=name)
axes.axhline(0.5, color="grey", lw=1, ls=":")
axes.set(
    xlabel="phrases between noun and verb · 名词与动词之间的短语数", ylabel="accuracy · 准确率"
)
axes.legend(frameon=False, loc="lower center", ncols=2, bbox_to_anchor=(0.5, 1.0))
tidy(axes)
fonts.use_fonts(figure)

# %% [markdown]
# ## 6. When it explodes: clip
#
# A gradient that is too long throws the weights far away. **Clipping** keeps its direction and
# limits its length over *all* weights together:
#
# $$g \leftarrow g \cdot \min\left(1, \frac{c}{|g|}\right)$$
#
# (Clipping each number by itself would turn the direction.) Plain SGD, a large rate, four phrases,
# a $U$ that begins at $\rho = 1.5$, with and without clipping:
#
# **Predict first:** would a rate five times smaller do as well?
#
# <details><summary>Answer</summary>
#
# It does here: the third arm. Clipping is one cure of two; it lets the rate stay large where the
# gradients are tame.
#
# </details>


# %%
def sgd_rule(rate, limit=None):
    def rule(weights, grads, state):
        kept = reference.clip_by_global_norm(grads, limit) if limit else grads
        return reference.sgd(weights, kept, state, learning_rate=rate)

    return rule


arms = {"0.5": sgd_rule(0.5), "0.5, clipped · 裁剪": sgd_rule(0.5, 1.0), "0.1": sgd_rule(0.1)}
clipped = {
    name: np.array([train(weights_of(1.5, seed), 4, seed, rule)[1] for seed in range(5)])
    for name, rule in arms.items()
}
late = {name: curves[:, -50:].mean(axis=1) for name, curves in clipped.items()}
for name, values in late.items():
    print(f"{name:18} loss at the end, 5 seeds: {values.round(2)}")

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7.4, height=3.8)
for (name, curves), colour in zip(clipped.items(), COLOURS, strict=False):
    smooth = np.stack([np.convolve(curve, np.ones(15) / 15, "valid") for curve in curves])
    axes.plot(smooth.T, color=colour, lw=1)
    axes.plot([], [], color=colour, label=name)
axes.axhline(np.log(2), color="grey", lw=1, ls=":")
axes.set(xlabel="step · 步", ylabel="loss, nats · 损失")
axes.legend(frameon=False)
tidy(axes)
fonts.use_fonts(figure)

# %% [markdown]
# Without clipping, four of five seeds end far above the loss of a coin (0.69). Clipping shortens
# what is too long. It cannot lengthen what has vanished: for that the network itself has to
# change. [Lesson 05](05_lstm_by_hand.ipynb) gives the state a way back that $U$ does not
# touch.
#
# ## Exercises
#
# One step back, with a slip:


# %%
def my_step_backward(d_output, trace):
    d_projected = d_output * (1 - trace.h**2)
    return d_projected, d_projected @ trace.recurrent_kernel  # where is the slip?


verdict = exercises.check("simple_rnn_step_backward", my_step_backward)
assert not verdict.ok

# %% [markdown]
# 1. *Fill a line*: `simple_rnn_step`, `tanh_backward`.
# 2. *Write it*: `simple_rnn_step_backward` (mend the one above), `simple_rnn_backward` (section 3
#    is the plan), `clip_by_global_norm`. `exercises.hint(NAME)` helps.
# 3. *Break it*: in section 5 let $\rho = 2$. Predict first: what happens to the share, and do the
#    networks learn 36 words now?

# %%
exercises.show("simple_rnn_backward")

# %% [markdown]
# ## What this lesson claims
#
# One cell, all claims. If it runs, they hold on your machine.

# %%
assert np.isclose(state, 0.3400, atol=1e-4) and np.isclose(in_numpy.item(), state)  # by hand
assert np.allclose(d_U, grads[1], rtol=0, atol=1e-14)  # back-propagation through time is this loop
assert share["ρ = 0.5"][0] < 1e-10 < 1e-3 < share["ρ = 1.0"][0] < 1 < 100 < share["ρ = 3.0"][0]
assert by_nearest < 0.55  # the nearest noun does not tell
tiny = [runs[key][2] for key in learned if runs[key][0] < 1e-6]
assert len(tiny) >= 6 and max(tiny) < 0.6  # where nearly nothing arrives, nothing is learned
for seed in range(3):  # the radius alone decides at 18 words, and an RNN can carry so far
    assert learned[1.0, 6, seed] and not learned[0.5, 6, seed]
    assert runs["U held", seed][2] < 0.6  # with a larger rate the way out leads through U
assert max(runs["U free", seed][2] for seed in range(3)) > 0.9
fixed, mixed = held.values()
assert fixed[:, 4].min() > 0.9 and fixed[:, [3, 5]].mean() < 0.6  # a clock, and no memory …
assert mixed.min() > 0.9  # … which mixed lengths cure
assert (late["0.5"] > 0.6).sum() >= 2 and max(late["0.5, clipped · 裁剪"]) < 0.4  # clipping mends …
assert late["0.1"].max() < 0.4  # … and so does a smaller rate

# %% [markdown]
# ## Where to go next
#
# - [05 LSTM by hand](05_lstm_by_hand.ipynb): a cell with a way of its own.
# - [09 Attention](09_attention.ipynb): do not carry a fact from step to step, look back at it.
# - In the code: `kerasllm/reference/recurrent/simple_rnn.py`, and
#   `kerasllm/reference/training/clipping.py`.
