# %% [markdown]
# # 05 · LSTM by hand
#
# **What you will do.** Compute one step of an LSTM (长短期记忆网络) with a pencil, derive its way
# back, measure how long it remembers, and operate on six trained networks to find out where they
# keep the number of a boat.
#
# **What you will learn.** What each gate (门) is for; how long a memory a forget gate (遗忘门)
# gives; why a cell (记忆元) that differs need not be a cell that matters; what shows a cause.
#
# **What you need.** [Lesson 04](04_rnn_by_hand.ipynb): back-propagation through time. 40 minutes;
# the cells run in about a minute on a laptop, without network.
#
# **Where it comes from.** Document 000, §4, prints these equations, and §2 says that gates catch
# dependencies over long distances better. Here you see when.

# %%
from kerasllm import lessons

lessons.start()

# %%
import keras
import numpy as np

from kerasllm import datasets, exercises, models, plots, reference, text, verify
from kerasllm.plots import fonts
from kerasllm.plots.style import COLOURS, MARKERS, panels, tidy

lessons.quote("000", 41)

# %% [markdown]
# ## 1. One step with a pencil
#
# In lesson 04 everything that a network remembers passes through $U$ and a $\tanh$ at *every* step.
# An LSTM has a second state beside $h$, the **cell** $c$, and gates: numbers between 0 (shut) and 1
# (open), made by the sigmoid $\sigma$.
#
# $$f = \sigma(x W_f + h_{t-1} U_f + b_f) \quad \text{forget: how much of the old cell is kept}$$
# $$i = \sigma(x W_i + h_{t-1} U_i + b_i) \quad \text{input: how much of the new is written}$$
# $$g = \tanh(x W_g + h_{t-1} U_g + b_g) \quad \text{candidate: what would be written}$$
# $$o = \sigma(x W_o + h_{t-1} U_o + b_o) \quad \text{output: how much of the cell is shown}$$
# $$c_t = f \cdot c_{t-1} + i \cdot g \qquad\quad h_t = o \cdot \tanh(c_t)$$
#
# No matrix and no $\tanh$ stands between $c_{t-1}$ and $c_t$. One input, one unit, and old states
# $h_{t-1} = 0.5$, $c_{t-1} = 2$:

# %%
x, h_previous, c_previous = 1.0, 0.5, 2.0
#              i    f    g    o          Keras' order
W = np.array([[0.2, 1.0, 1.5, -0.4]])  # from the input
U = np.array([[0.6, 2.0, -1.0, 0.8]])  # from the old state
b = np.array([0.0, 1.0, 0.0, 0.0])


def squash(a):
    return 1 / (1 + np.exp(-a))


i, f, o = squash(0.2 + 0.6 * 0.5), squash(1.0 + 2.0 * 0.5 + 1.0), squash(-0.4 + 0.8 * 0.5)
g = np.tanh(1.5 - 1.0 * 0.5)
c = f * c_previous + i * g
h = o * np.tanh(c)
print(f"f = σ(3.0) = {f:.4f}   i = σ(0.5) = {i:.4f}   g = tanh(1.0) = {g:.4f}   o = σ(0) = {o}")
print(f"c = {f:.4f}·2 + {i:.4f}·{g:.4f} = {c:.4f}   h = {o}·tanh({c:.4f}) = {h:.4f}")

first = (np.array([[h_previous]]), np.array([[c_previous]]))
_, pencil = reference.lstm(np.array([[[x]]]), W, U, b, initial_state=first)
cell = keras.layers.LSTMCell(1, dtype="float64")
cell.build((1, 1))
cell.set_weights([W, U, b])
_, in_keras = cell(np.array([[x]]), list(first))
by_three = [(h, c), [state.item() for state in pencil.state], [float(s[0, 0]) for s in in_keras]]
assert np.allclose(by_three, (h, c), rtol=0, atol=1e-12)
plots.diagram("lstm", pencil, language="both")

# %% [markdown]
# Each symbol of the documents is one array here. `reference.lstm` takes this step for every token;
# `verify.compare` gives the same random weights to it and to Keras, and compares outputs and
# gradients. (Equal weights would not show two gates in the wrong order.)

# %%
rng = np.random.default_rng(7)
layer = keras.layers.LSTM(11, return_sequences=True, dtype="float64")
texts = rng.normal(size=(2, 5, 3))  # (B, T, D)
layer.build(texts.shape)
layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
proof = verify.compare(layer, texts)
assert proof.ok
proof

# %% [markdown]
# ## 2. The way back
#
# Write $dv$ for the slope of the loss when $v$ alone moves. Let $dh$ and $dc$ arrive from later.
# Each factor of a product gets the other one:
#
# $$do = dh \cdot \tanh(c) \qquad dc \leftarrow dc + dh \cdot o \cdot (1 - \tanh^2 c)$$
# $$df = dc \cdot c_{t-1} \qquad di = dc \cdot g \qquad dg = dc \cdot i \qquad
# dc_{t-1} = dc \cdot f$$
#
# The cell $c$ is used twice, in $h$ and in the next step, so its two slopes are added. Then
# through the bends, where the slope is $\sigma(1 - \sigma)$ or $1 - \tanh^2$; below that all is as
# in lesson 04. With our numbers and the loss $L = h$:

# %%
dc = o * (1 - np.tanh(c) ** 2)  # dh = 1
by_hand = [dc * g * i * (1 - i), dc * c_previous * f * (1 - f), dc * i * (1 - g**2),
           np.tanh(c) * o * (1 - o)]  # fmt: skip
(h_step, _), step = reference.lstm_step(np.array([[x]]) @ W + b, *first, U)
back = reference.lstm_step_backward((np.ones((1, 1)), np.zeros((1, 1))), step)


def hidden_after(nudge):
    (moved, _), _ = reference.lstm_step(np.array([[x]]) @ W + b + nudge * np.eye(4)[1], *first, U)
    return moved.item()


measured_slope = (hidden_after(1e-5) - hidden_after(-1e-5)) / 2e-5
print("slopes under i, f, g, o, by hand:", np.round(by_hand, 6))
print(f"under f, measured by a nudge:     {measured_slope:.6f}")
assert np.allclose(by_hand, back.d_projected[0], rtol=1e-12)
assert abs(measured_slope - by_hand[1]) < 1e-9

# %% [markdown]
# ## 3. How long is a memory?
#
# Along the cell one step back multiplies by $f$ alone: $dc_{t-1} = dc \cdot f$. If $f$ stays, a
# share $f^n$ is left after $n$ steps. Call memory the $n$ at which $1/e$ is left, about a third:
#
# $$f^n = e^{-1} \qquad\Longrightarrow\qquad n = -\frac{1}{\ln f}$$
#
# **Predict first:** how many steps are $f = 0.5$, $0.9$ and $0.99$ worth?
#
# <details><summary>Answer</summary>
#
# 1.4, 9.5 and 99.5. Keras starts the bias of the forget gate at 1 and not at 0 for this reason.
#
# </details>
#
# Untrained cells read 60 steps of noise. What share of the last step's gradient arrives at each
# earlier step?

# %%
flow = verify.gradient_flow(("simple", "lstm"), 60)
wider = verify.gradient_flow("lstm", 60, forget_bias=2.0)["lstm"]
arrives = {
    "simple RNN": flow["simple"].d_h,
    "LSTM, b_f = 1": flow["lstm"].d_c,
    "LSTM, b_f = 2": wider.d_c,
}
arrives = {name: sizes / sizes[-1] for name, sizes in arrives.items()}
print({name: f"{curve[0]:.0e}" for name, curve in arrives.items()})
plots.lines(
    arrives, range(-59, 1), log="y", xlabel="step, 0 is the loss · 步",
    ylabel="share of the gradient · 梯度份额", title="",
)  # fmt: skip

# %% tags=["figure"]
biases = [-1, 0, 1, 2, 3]
flows = [verify.gradient_flow("lstm", 120, forget_bias=bias)["lstm"] for bias in biases]
implied = [float(np.median(flow.implied)) for flow in flows]
measured = [flow.measured for flow in flows]
plots.lines(
    {"-1 / ln f": implied, "measured · 实测: |dc| → 1/e": measured}, biases, log="y",
    xlabel="bias of the forget gate · 遗忘门偏置", ylabel="memory, steps · 记忆，步", title="",
)  # fmt: skip

# %% [markdown]
# At each bias the measured memory is longer than $-1 / \ln f$, and less than three times as long.
# The rule counts the way along the cell alone; another leads through $h$ and the gates. Note what
# this does *not* say. A gate that is half shut forgets, too. An LSTM *can* remember; training has
# to open its gates.
#
# ## 4. The boat, carried
#
# *this **boat** that two hungry farmers find **sings***. The built-in `grammar` draws sentences
# with a relative clause between subject and verb. Six small LSTMs read 3,000 of them; only the seed
# differs.

# %%
data = datasets.load("grammar", n_texts=3000)
tokenizer = text.train_tokenizer(data.texts, "word", 200)
ids = text.pad_sequences(tokenizer.encode_batch(data.texts, bos=True, eos=True), length=24)


def trained(seed):
    keras.utils.set_random_seed(seed)
    settings = models.RecurrentConfig(
        tokenizer.vocabulary_size, hidden_dim=16, units=24, num_layers=1, cell="lstm", dropout=0.0
    )
    model = models.CausalLM(models.RecurrentBackbone(settings))
    model.compile(keras.optimizers.Adam(0.01), models.TokenCrossEntropy(), jit_compile=False)
    model.fit(ids[:, :-1], ids[:, 1:], batch_size=64, epochs=8, verbose=0)
    return model


networks = {seed: trained(seed) for seed in range(1, 7)}
fresh = tokenizer.encode_batch(datasets.load("grammar", "test").texts, bos=True, eos=True)
fresh = text.pad_sequences(fresh, length=24)
loss = networks[2].evaluate(fresh[:, :-1], fresh[:, 1:], batch_size=500, verbose=0)
entropy = data.info["entropy_rate"]
print(f"network 2: {loss:.2f} nats a word on new sentences, the best possible is {entropy:.2f}")


def read_with(network, subject):
    words = tokenizer.encode(f"{subject} that two hungry farmers find")
    return verify.intervene(network, [tokenizer.bos_id, *words], tokenizer)


pairs = {seed: (read_with(network, "this boat"), read_with(network, "these boats"))
         for seed, network in networks.items()}  # fmt: skip
FORMS = ("sleeps waits sings falls returns sees follows paints loves finds forgets",
         "sleep wait sing fall return see follow paint love find forget")  # fmt: skip


def many_share(seen):
    """Return which share of the probability of verbs has those for many."""
    one, many = (
        sum(seen.probabilities[-1][tokenizer.token_to_id(verb)] for verb in verbs.split())
        for verbs in FORMS
    )
    return float(many / (one + many))


says = {seed: [many_share(read.before) for read in pair] for seed, pair in pairs.items()}
for seed, (this, these) in says.items():
    print(f"network {seed}: verbs for many after 'this boat' {this:.2f}, 'these boats' {these:.2f}")

# %% [markdown]
# The last words are the same, and yet every network leans to the right side of one half. Where
# does it keep the number? Take, in network 2, the cell whose difference stays largest all the way
# from the subject to the last word:


# %%
def differences(pair):
    """Return the smallest difference of each cell since the subject: (H,)."""
    this, these = (read.before.array("lstm_0", "c")[2:] for read in pair)
    return np.abs(this - these).min(axis=0)


one, many = (read.before for read in pairs[2])
unit = int(differences(pairs[2]).argmax())
figure = plots.lines(
    {"this boat": one.array("lstm_0", "c")[:, unit],
     "these boats": many.array("lstm_0", "c")[:, unit]},
    xlabel="", ylabel=f"cell · 记忆元 {unit}", title="", size=(7.5, 3.4),
)  # fmt: skip
places = zip(one.tokens, many.tokens, strict=True)
figure.axes[0].set_xticks(range(8), [a if a == b else f"{a}\n{b}" for a, b in places])
figure

# %% [markdown]
# A difference is no cause. **Intervene:** at *two*, give cells the value that they have in the
# *other* sentence, and let the network read on.
#
# **Predict first:** does swapping this one cell flip the verb in network 2? And the cell that
# differs most in each of the others?
#
# <details><summary>Answer</summary>
#
# In network 2 it does, in none of the others; the best of all 24 cells does in one more, and there
# it is not the one that differs most. "One cell remembers the subject" is true of network 2 and
# false as a rule. Swapping all cells flips every network.
#
# </details>

# %%
MIDDLE = one.tokens.index("two")


def follows(pair, units=None, symbol="c"):
    """Return the share of the verbs that go with what was swapped, the lower of both ways."""
    (this, these), shares = pair, []
    for read, other in ((this, these), (these, this)):
        share = many_share(read.swap("lstm_0", symbol, other, unit=units, position=MIDDLE).after)
        shares.append(share if read is this else 1 - share)
    return min(shares)


single = {seed: [follows(pair, unit) for unit in range(24)] for seed, pair in pairs.items()}


def largest(seed):
    """Swapping the cell that differs most flips the verb."""
    share = single[seed][int(differences(pairs[seed]).argmax())]
    return share > 0.5, round(share, 2)


def some(seed):
    """Swapping the best single cell of 24 flips the verb."""
    return max(single[seed]) > 0.5, round(max(single[seed]), 2)


def every(seed):
    """Swapping all cells flips the verb."""
    share = follows(pairs[seed])
    return share > 0.5, round(share, 2)


def hidden(seed):
    """Swapping the hidden state h instead flips the verb (the control)."""
    share = follows(pairs[seed], symbol="h")
    return share > 0.5, round(share, 2)


found = {
    claim.__name__: verify.over_seeds(claim, n=6, first=1, train=lambda seed: seed)
    for claim in (largest, some, every, hidden)
}
for claim in found.values():
    print(f"{claim}\n")

# %% tags=["figure"]
ranked = {seed: np.argsort(single[seed])[::-1].tolist() for seed in pairs}
figure, ((axes,),) = panels(width=7.4, height=3.8)
for (seed, pair), colour, marker in zip(pairs.items(), COLOURS, MARKERS, strict=False):
    shares = [follows(pair, ranked[seed][:count]) for count in range(1, 25)]
    axes.plot(range(1, 25), shares, marker, ls="-", ms=4, color=colour, label=str(seed))
axes.axhline(0.5, color="grey", lw=1, ls=":")
axes.set(xlabel="cells swapped, the most effective first · 交换的记忆元个数", ylim=(0, 1),
         ylabel="verbs that follow · 跟着变的动词")  # fmt: skip
axes.legend(frameon=False, ncols=3, title="network · 网络", loc="lower right")
tidy(axes)
fonts.use_fonts(figure)

# %% [markdown]
# ## 5. Does the gate carry it?
#
# The story of this lesson is: the number crosses the clause in the cell, through an open forget
# gate. If that is so, shutting all forget gates for *one* word, at *two*, must erase it, though
# $h_{t-1}$ still comes in. And opening them fully must not.

# %%
kinds = {"untouched · 不动": None, "f = 0": 0.0, "f = 1": 1.0}
tells = {}
for name, value in kinds.items():
    for seed, pair in pairs.items():
        seen = [read.before if value is None else
                read.set("lstm_0", "f", value, position=MIDDLE).after for read in pair]  # fmt: skip
        tells[name, seed] = many_share(seen[1]) - many_share(seen[0])
    print(f"{name:14}", *(f"{tells[name, seed]:5.2f}" for seed in pairs))

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7.4, height=2.8)
for place, (name, colour) in enumerate(zip(kinds, COLOURS, strict=False)):
    axes.plot([tells[name, seed] for seed in pairs], [place] * 6, "o", color=colour, alpha=0.7)
axes.axvline(0, color="grey", lw=1, ls=":")
axes.set_yticks(range(3), kinds)
axes.set(xlabel="difference that the subject makes at the verb · 主语在动词处造成的差别",
         ylim=(2.5, -0.5), xlim=(-0.1, 1))  # fmt: skip
tidy(axes)
fonts.use_fonts(figure)

# %% [markdown]
# One word with shut gates, and little or nothing of the subject is left: less than 0.1 in five
# networks, a quarter in network 5: with $f = 0$ only $h_{t-1}$ can bring it in. With the gates wide
# open all of it stays, and in most networks more than before. So the gate carries, here. With shut
# gates, which number does the verb have? That of the two farmers? Exercise 3 asks.
#
# The forget gates of network 2 on *this boat …*, one row a unit: a row that stays bright keeps what
# it holds.

# %%
one.figure("lstm_0", "f", "f")

# %% [markdown]
# ### And on real text?
#
# A toy shows how; it does not show how well. On the Penn Treebank an LSTM of ours, given 0.3 of
# its training steps, has a perplexity of 151.7, and a Kneser-Ney model, which only counts words
# ([lesson 07](07_language_models.ipynb)), 141.1 on the same words (`docs/results.md`, by `kerasllm
# recipe word_lm --share 0.3`): a memory that can cross a clause is not yet a better model. [Lesson
# 09](09_attention.ipynb) looks back in place of carrying.
#
# ## Exercises
#
# An attempt with a slip:


# %%
def my_lstm_step(projected, h_previous, c_previous, recurrent_kernel):
    a = projected + h_previous @ recurrent_kernel
    i, f, o, g = np.split(a, 4, axis=-1)  # where is the slip?
    i, f, o = (reference.sigmoid(v)[0] for v in (i, f, o))
    c = f * c_previous + i * np.tanh(g)
    return o * np.tanh(c), c


verdict = exercises.check("lstm_step", my_lstm_step)
assert not verdict.ok

# %% [markdown]
# `exercises.show(NAME)` states a task, `exercises.hint(NAME)` helps.
#
# 1. *Fill a line*: mend `my_lstm_step`.
# 2. *Write it*: `lstm_step_backward` (section 2 is the plan), then `lstm` and `lstm_backward`.
# 3. *Break it*: in section 3 put -2 in front of `biases`. Predict first: $f = \sigma(-2)$, then
#    $n$. In section 5 set $h$ to 0 in place of $f$; then let *one hungry farmer finds* stand in the
#    clause and shut the gates again. Does the verb follow the farmers?

# %%
exercises.show("lstm_step_backward")

# %% [markdown]
# ## What this lesson claims
#
# One cell, all claims. If it runs, they hold on your machine.

# %%
assert np.isclose(c, 2.3793, atol=1e-4) and np.isclose(h, 0.4915, atol=1e-4)  # by hand
assert np.allclose(-1 / np.log([0.5, 0.9, 0.99]), [1.4, 9.5, 99.5], atol=0.05)  # memory of f
left = [curve[0] for curve in arrives.values()]
assert left[0] < 1e-8 < 1e-7 < left[1] < 1e-4 < 1e-2 < left[2]  # open gates let more arrive
assert all(n <= m < 3 * n + 1 for m, n in zip(measured, implied, strict=True))  # a floor
assert entropy - 0.1 < loss < entropy + 0.2  # the sample is finite
assert all(this < 0.5 < these for this, these in says.values())  # all carry the number …
assert found["every"].holds == 6 and found["hidden"].holds == 0  # … in c, and not in h;
assert found["largest"].outcomes[1].holds  # one cell alone in network 2,
assert 1 <= found["largest"].holds <= found["some"].holds <= 3  # and as a rule not
full, shut, wide = (np.array([tells[name, seed] for seed in pairs]) for name in kinds)
assert (shut < 0.4 * full).all() and np.median(shut) < 0.1  # shut gates erase it …
assert (wide > 0.9 * full).all()  # … and open ones keep it

# %% [markdown]
# ## Where to go next
#
# - [06 GRU, stacks, directions, masks](06_gru_stacks_directions_masks.ipynb): the other cell, and
#   what is built of cells.
# - [09 Attention](09_attention.ipynb): do not carry a fact from step to step, look back at it.
# - [21 The errata](21_the_errata.ipynb): what the documents get wrong about LSTMs (S6, S12, S14).
# - In the code: `kerasllm/reference/recurrent/lstm.py` is these equations and their way back,
#   `kerasllm/layers/recurrent/lstm.py` the Keras layer that trains with them.
