# %% [markdown]
# # 05 · LSTM and GRU by hand
#
# **What you will do.** Compute one step of an LSTM (长短期记忆网络) with a pencil's worth of
# numbers, derive its backward pass, watch a trained one carry a fact across a sentence, and train
# a NumPy copy beside Keras until both curves are one.
#
# **What you will learn.** What each gate (门) is for; why a simple recurrent network forgets and
# an LSTM need not; how long a memory a forget gate gives; why padding (填充) needs a mask (掩码);
# which of the two GRUs (门控循环单元) you are looking at.
#
# **What you need.** Python, matrix products, and the chain rule from school. 40 minutes; the cells
# run in about a minute on a laptop, without network.

# %%
from kerasllm import lessons

lessons.start()

# %%
from collections import Counter

import keras
import numpy as np
from sklearn.metrics import roc_auc_score

from kerasllm import datasets, exercises, models, plots, reference, text, verify

# %% [markdown]
# ## 1. A network that reads: the simple RNN
#
# A recurrent network (循环神经网络, RNN) reads one token after another and keeps a state $h$, the
# hidden state (隐状态). Each step mixes the new input $x_t$ with the old state:
#
# $$h_t = \tanh(x_t W + h_{t-1} U + b)$$
#
# $W$ weighs the input, $U$ the old state, $b$ is a bias (偏置), and $\tanh$ keeps the result
# between -1 and 1. (The documents print the weights on the left, $W x_t$: there $x_t$ is a column.
# Keras stores a batch as rows, so here the weights stand on the right.)
#
# With one input and one unit every symbol is one number. Let $W = 0.5$, $U = 0.9$, $b = 0$, and let
# the network see a 1, then zeros:

# %%
series = np.array([[[1.0], [0.0], [0.0]]])  # (B, T, D): 1 text, 3 steps, 1 feature
simple_weights = [np.array([[0.5]]), np.array([[0.9]]), np.array([0.0])]  # W, U, b

state = 0.0
for t in range(3):
    old, state = state, float(np.tanh(series[0, t, 0] * 0.5 + state * 0.9))
    print(f"h_{t + 1} = tanh({series[0, t, 0]:.0f}·0.5 + {old:.4f}·0.9) = {state:.4f}")

simple, _ = reference.simple_rnn(series, *simple_weights)
simple_layer = keras.layers.SimpleRNN(1, dtype="float64")
simple_layer.build(series.shape)
simple_layer.set_weights(simple_weights)
assert np.allclose([simple.item(), float(simple_layer(series)[0, 0])], state, rtol=0, atol=1e-12)
assert 0.9**50 < 0.006

# %% [markdown]
# The 1 fades. Everything that the network remembers has to pass through $U$ and the $\tanh$ at
# *every* step, and a number that has to survive fifty steps is multiplied by 0.9 fifty times: less
# than 0.6 % of it is left, the $\tanh$ not yet counted (section 5).

# %% [markdown]
# ## 2. The LSTM, one gate at a time
#
# An LSTM adds a second state, the **cell** $c$ (记忆元), and three gates (门) that decide what
# happens to it. A gate is a number between 0 (shut) and 1 (open), made by the sigmoid function:
#
# $$\sigma(a) = \frac{1}{1 + e^{-a}}$$
#
# Again one input and one unit. The old states are $h_{t-1} = 0.5$ and $c_{t-1} = 2$, and the input
# is $x_t = 1$. Each gate has a $W$, a $U$ and a $b$ of its own:

# %%
x, h_previous, c_previous = 1.0, 0.5, 2.0

#        i     f     g    o          Keras' order: input, forget, candidate, output
W = np.array([[0.2, 1.0, 1.5, -0.4]])  # from the input
U = np.array([[0.6, 2.0, -1.0, 0.8]])  # from the old state
b = np.array([0.0, 1.0, 0.0, 0.0])


def squash(a):
    return float(reference.sigmoid(np.array(a))[0])


# %% [markdown]
# **Forget gate** 遗忘门: how much of the old cell is kept.
#
# $$f = \sigma(x W_f + h_{t-1} U_f + b_f)$$

# %%
f = squash(1.0 * x + 2.0 * h_previous + 1.0)
print(f"f = σ(1.0·1 + 2.0·0.5 + 1.0) = σ(3.0) = {f:.4f}")

# %% [markdown]
# **Input gate** 输入门: how much of the new candidate is written.
#
# $$i = \sigma(x W_i + h_{t-1} U_i + b_i)$$

# %%
i = squash(0.2 * x + 0.6 * h_previous + 0.0)
print(f"i = σ(0.2·1 + 0.6·0.5 + 0.0) = σ(0.5) = {i:.4f}")

# %% [markdown]
# **Candidate** 候选值: what would be written. It is no gate: it may be negative, hence $\tanh$.
#
# $$g = \tanh(x W_g + h_{t-1} U_g + b_g)$$

# %%
g = float(np.tanh(1.5 * x - 1.0 * h_previous + 0.0))
print(f"g = tanh(1.5·1 - 1.0·0.5 + 0.0) = tanh(1.0) = {g:.4f}")

# %% [markdown]
# **Cell**: keep a share of the old, add a share of the new. No $\tanh$ and no matrix stands
# between $c_{t-1}$ and $c_t$.
#
# $$c_t = f \cdot c_{t-1} + i \cdot g$$

# %%
c = f * c_previous + i * g
print(f"c = {f:.4f}·2 + {i:.4f}·{g:.4f} = {c:.4f}")

# %% [markdown]
# **Output gate** 输出门: how much of the cell the others may see.
#
# $$o = \sigma(x W_o + h_{t-1} U_o + b_o) \qquad h_t = o \cdot \tanh(c_t)$$

# %%
o = squash(-0.4 * x + 0.8 * h_previous + 0.0)
h = float(o * np.tanh(c))
print(f"o = σ(-0.4·1 + 0.8·0.5 + 0.0) = σ(0.0) = {o:.4f}")
print(f"h = {o:.4f}·tanh({c:.4f}) = {h:.4f}")

# %% [markdown]
# The same step three times: ours, the library's NumPy, and Keras.

# %%
row = np.array([[x]])  # (B, D) = (1, 1)
(h_numpy, c_numpy), step = reference.lstm_step(
    row @ W + b, np.array([[h_previous]]), np.array([[c_previous]]), U
)

cell = keras.layers.LSTMCell(1, dtype="float64")
cell.build((1, 1))
cell.set_weights([W, U, b])
_, (h_keras, c_keras) = cell(row, [np.array([[h_previous]]), np.array([[c_previous]])])

for name, values in {
    "by hand": (h, c),
    "NumPy": (h_numpy.item(), c_numpy.item()),
    "Keras": (float(h_keras[0, 0]), float(c_keras[0, 0])),
}.items():
    print(f"{name:8} h = {values[0]:.12f}   c = {values[1]:.12f}")
    assert np.allclose(values, (h, c), rtol=0, atol=1e-12)

# %% [markdown]
# ## 3. A whole sequence, and a proof
#
# `reference.lstm` takes that step once per token. With $D$ features and $H$ units, $x W$ and
# $h_{t-1} U$ are matrix products, and $f \cdot c$ multiplies unit by unit (the documents write
# $\odot$). Weights go in as Keras hands them out, the four gates side by side, and the trace keeps
# every symbol of every step.

# %%
rng = np.random.default_rng(7)
layer = keras.layers.LSTM(11, return_sequences=True, dtype="float64")
x = rng.normal(size=(2, 5, 3))  # (B, T, D): 2 texts, 5 tokens, 3 features
layer.build(x.shape)
layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])

output, trace = reference.lstm(x, *layer.get_weights(), return_sequences=True)
print("output", output.shape, "  forget gates", trace.f.shape)

# %% [markdown]
# `verify.compare` gives the same layer to both and compares the output and the gradient of every
# weight. The weights are random: with all weights equal, two gates in the wrong order would not
# show.

# %%
proof = verify.compare(layer, x)
assert proof.ok
proof

# %% [markdown]
# ## 4. Backward, with the chain rule
#
# Training needs to know how the loss $L$ (one number, the smaller the better) changes when a weight
# changes. Write $dv$ for $\partial L / \partial v$, the slope of $L$ when $v$ alone moves. Suppose
# $dh$ and $dc$ have arrived from later steps. We walk through the equations of section 2 in the
# opposite order.
#
# **From** $h = o \cdot \tanh(c)$. This is a product, and each factor gets the other one:
#
# $$do = dh \cdot \tanh(c) \qquad\quad dc \leftarrow dc + dh \cdot o \cdot (1 - \tanh^2 c)$$
#
# because the slope of $\tanh$ is $1 - \tanh^2$. The cell is used twice, by $h$ and by the next
# step, so its two gradients are *added*.
#
# **From** $c = f \cdot c_{t-1} + i \cdot g$. Again products:
#
# $$df = dc \cdot c_{t-1} \qquad di = dc \cdot g \qquad dg = dc \cdot i \qquad
# dc_{t-1} = dc \cdot f$$
#
# **Through the bends.** The slope of the sigmoid is the product of its two shares:
#
# $$\sigma'(a) = \frac{e^{-a}}{(1 + e^{-a})^2}
# = \frac{1}{1 + e^{-a}} \cdot \frac{e^{-a}}{1 + e^{-a}} = \sigma(a)\,(1 - \sigma(a))$$
#
# If $a_f$ is the sum under the sigmoid of $f$, and so on:
#
# $$da_f = df \cdot f (1 - f) \qquad da_i = di \cdot i (1 - i) \qquad da_g = dg \cdot (1 - g^2)
# \qquad da_o = do \cdot o (1 - o)$$
#
# **From** $a = x W + h_{t-1} U + b$, for all gates at once. The weight $W_{jk}$ stands in $a_k$
# alone, times $x_j$; so $dW_{jk} = x_j \, da_k$. The state $h_j$ stands in *every* $a_k$, times
# $U_{jk}$; so $dh_j = \sum_k da_k\, U_{jk}$. As matrices these are the transposes:
#
# $$dW = x^\top da \qquad dU = h_{t-1}^\top da \qquad db = da \qquad dh_{t-1} = da\, U^\top
# \qquad dx = da\, W^\top$$
#
# With the numbers of section 2, for a loss $L = h$ (so $dh = 1$ and $dc = 0$):

# %%
dc = o * (1 - np.tanh(c) ** 2)  # dh = 1
by_hand = {
    "i": dc * g * i * (1 - i),
    "f": dc * c_previous * f * (1 - f),
    "g": dc * i * (1 - g**2),
    "o": np.tanh(c) * o * (1 - o),
}
grads = reference.lstm_step_backward((np.ones((1, 1)), np.zeros((1, 1))), step)

for (name, ours), theirs in zip(by_hand.items(), grads.d_projected[0], strict=True):
    print(f"da_{name}:  by hand {ours:.6f}   reference.lstm_step_backward {theirs:.6f}")
assert np.allclose(list(by_hand.values()), grads.d_projected[0], rtol=1e-12)

# %% [markdown]
# Check it: nudge one number and see how the result moves. The centred difference
# $(L(a + \varepsilon) - L(a - \varepsilon)) / 2\varepsilon$ needs no calculus.


# %%
def hidden_after(nudge):
    """Return h when the sum under the forget gate is changed by `nudge`."""
    changed = row @ W + b + np.array([0.0, nudge, 0.0, 0.0])
    (h, _), _ = reference.lstm_step(changed, np.array([[h_previous]]), np.array([[c_previous]]), U)
    return h.item()


measured = (hidden_after(1e-5) - hidden_after(-1e-5)) / 2e-5
print(f"da_f: derived {by_hand['f']:.9f}, measured {measured:.9f}")
assert abs(measured - by_hand["f"]) < 1e-9

# %% [markdown]
# A whole sequence is this step, from the last token to the first. The same $U$ works at every step,
# so what the steps have to say about it is added up: *backpropagation through time*
# (随时间反向传播). With the layer of section 3, and a random gradient arriving at each output:

# %%
kernel, recurrent, bias = layer.get_weights()
h_t, c_t, steps = np.zeros((2, 11)), np.zeros((2, 11)), []
for t in range(5):  # forward, and keep the trace of each step
    (h_t, c_t), kept_step = reference.lstm_step(x[:, t] @ kernel + bias, h_t, c_t, recurrent)
    steps.append(kept_step)

d_output = np.random.default_rng(8).normal(size=output.shape)
d_h, d_c, d_recurrent = np.zeros((2, 11)), np.zeros((2, 11)), np.zeros_like(recurrent)
for t in reversed(range(5)):
    back = reference.lstm_step_backward((d_h + d_output[:, t], d_c), steps[t])
    d_recurrent += steps[t].h_previous.T @ back.d_projected
    d_h, d_c = back.d_h_previous, back.d_c_previous

whole = reference.lstm_backward(d_output, trace)
agree = np.allclose(d_recurrent, whole.d_recurrent_kernel, rtol=0, atol=1e-12)
print("dU of the loop = dU of reference.lstm_backward:", agree)
assert agree

# %% [markdown]
# `reference.lstm_backward` is this loop, and its gradients are the rows of the proof in section 3.
#
# ## 5. Vanishing gradients, measured
#
# In the simple RNN, one step back multiplies the gradient by $1 - h_t^2$, the slope of
# the $\tanh$, and by $U^\top$. Where these
# factors are below one, fifty of them leave nothing: the **vanishing gradient** (梯度消失). In the
# LSTM the cell offers another way, $dc_{t-1} = dc \cdot f$, and $f$ may be close to one.
#
# Three untrained cells read 60 steps of noise. The loss is read off the last state; how much of
# its gradient arrives at each step before? (What the table calls memory is explained in section 6.)

# %%
flow = verify.gradient_flow(("simple", "gru", "lstm"), 60)
flow

# %%
flow.figure("The further back, the less gradient arrives (loss at step 59)")

# %%
simple_left = flow["simple"].d_h[0] / flow["simple"].d_h[-1]
gru_left = flow["gru"].d_h[0] / flow["gru"].d_h[-1]
lstm_left = flow["lstm"].d_c[0] / flow["lstm"].d_c[-1]
wider = verify.gradient_flow("lstm", 60, forget_bias=2.0)["lstm"]
open_left = wider.d_c[0] / wider.d_c[-1]
print("share of the gradient that reaches the first of 60 steps")
print(f"  simple RNN                             {simple_left:.0e}")
print(f"  LSTM, forget bias 1 (as Keras starts)  {lstm_left:.0e}")
print(f"  LSTM, forget bias 2                    {open_left:.0e}")
assert simple_left < 1e-8 < 1e-7 < lstm_left < 1e-4 < 1e-2 < open_left
assert gru_left < simple_left

# %% [markdown]
# Note what this does *not* say. Gates that are half shut forget, too: the untrained GRU, whose
# gate starts at ½, loses even more than the simple RNN. An LSTM *can* remember because its gates
# can open; training has to open them. And nothing here stops a gradient from growing: for that,
# clip it (`reference.clip_by_global_norm`).
#
# ## 6. How long is a memory?
#
# If the forget gate stays at $f$, a share $f^n$ of the cell is left after $n$ steps. Call
# memory the $n$ at which it has fallen to $1/e$, about a third. Take logarithms of $f^n = e^{-1}$:
#
# $$n \ln f = -1 \qquad\Longrightarrow\qquad n = -\frac{1}{\ln f}$$
#
# so $f = 0.5$ remembers for 1.4 steps, $f = 0.9$ for 9.5, and $f = 0.99$ for 99.5. Keras starts
# the forget gate's bias at 1 (`unit_forget_bias=True`) and not at 0 for this reason.

# %%
biases = [-1, 0, 1, 2, 3]
flows = [verify.gradient_flow("lstm", 120, forget_bias=bias)["lstm"] for bias in biases]
implied = [float(np.median(flow.implied)) for flow in flows]
measured = [flow.measured for flow in flows]

plots.lines(
    {"from the gates: -1 / ln f": implied, "measured: |dL/dc| down to 1/e": measured},
    biases,
    xlabel="bias of the forget gate",
    ylabel="memory, steps",
    title="An open forget gate is a long memory",
    log="y",
)

# %% [markdown]
# The measured memory is longer than $-1 / \ln f$, here up to three times. The rule of thumb is the
# floor, and it tells the order.

# %%
assert all(n <= m < 3 * n + 1 for m, n in zip(measured, implied, strict=True))
assert sorted(measured) == measured and sorted(implied) == implied

# %% [markdown]
# ## 7. A trained LSTM reads a sentence
#
# In English a verb agrees with its subject, however many words stand between: *this **boat** that
# two hungry farmers find **sings***. A model that predicts the verb has to carry "one" or "many"
# across the clause. `datasets.load("grammar")` draws such sentences and knows the best loss that a
# model can reach.

# %%
data = datasets.load("grammar", n_texts=3000)
tokenizer = text.train_tokenizer(data.texts, "word", 200)
ids = text.pad_sequences(tokenizer.encode_batch(data.texts, bos=True, eos=True), length=24)
print(data.texts[2])


def trained(seed):
    """Return a small LSTM that has read the 3,000 sentences eight times."""
    keras.utils.set_random_seed(seed)
    settings = models.RecurrentConfig(
        tokenizer.vocabulary_size, hidden_dim=16, units=24, num_layers=1, cell="lstm", dropout=0.0
    )
    model = models.CausalLM(models.RecurrentBackbone(settings))
    model.compile(keras.optimizers.Adam(0.01), models.TokenCrossEntropy(), jit_compile=False)
    model.fit(ids[:, :-1], ids[:, 1:], batch_size=64, epochs=8, verbose=0)
    return model


networks = {seed: trained(seed) for seed in range(1, 7)}  # the seed alone differs

fresh = tokenizer.encode_batch(datasets.load("grammar", "test").texts, bos=True, eos=True)
fresh = text.pad_sequences(fresh, length=24)
loss = networks[2].evaluate(fresh[:, :-1], fresh[:, 1:], batch_size=500, verbose=0)
entropy = data.info["entropy_rate"]
print(f"network 2: {loss:.2f} nats on {len(fresh)} fresh sentences, best possible {entropy:.2f}")
assert entropy - 0.1 < loss < entropy + 0.2  # the sample is finite

# %% [markdown]
# Two sentences that differ in their subject alone, and network 2:


# %%
def read_with(network, subject):
    words = tokenizer.encode(f"{subject} that two hungry farmers find")
    return verify.intervene(network, [tokenizer.bos_id, *words], tokenizer)


pairs = {
    seed: (read_with(network, "this boat"), read_with(network, "these boats"))
    for seed, network in networks.items()
}
one, many = (read.before for read in pairs[2])


def probability(seen, verbs):
    return sum(seen.probabilities[-1][tokenizer.token_to_id(verb)] for verb in verbs.split())


singular = "sleeps waits sings falls returns sees follows paints loves finds forgets"
plural = "sleep wait sing fall return see follow paint love find forget"
for name, seen in {"this boat …": one, "these boats …": many}.items():
    print(
        f"{name:14} p(verb for one) = {probability(seen, singular):.2f}   "
        f"p(verb for many) = {probability(seen, plural):.2f}"
    )
assert probability(one, singular) > 2 * probability(one, plural)
assert probability(many, plural) > 2 * probability(many, singular)

# %% [markdown]
# The words just before the verb are the same, and yet the model knows. Where does it keep the
# number? Look for the unit whose cell differs most from the subject to the verb:


# %%
def differences(pair):
    """Return the smallest difference of each cell since the subject: (H,)."""
    this, these = (read.before.array("lstm_0", "c")[2:] for read in pair)
    return np.abs(this - these).min(axis=0)


unit = int(differences(pairs[2]).argmax())
figure = plots.lines(
    {
        "this boat …": one.array("lstm_0", "c")[:, unit],
        "these boats …": many.array("lstm_0", "c")[:, unit],
    },
    xlabel="token (below: of the second sentence)",
    ylabel=f"cell of unit {unit}",
    title=f"Network 2: cell {unit} differs from the subject to the verb",
    size=(7.5, 4.0),
)
places = zip(one.tokens, many.tokens, strict=True)
labels = [a if a == b else f"{a}\n{b}" for a, b in places]
figure.axes[0].set_xticks(range(len(one.tokens)), labels)
figure

# %% [markdown]
# A difference is no cause. **Intervene:** at *two*, give cells their value in the *other* sentence,
# and let the network read on. Does the verb follow, both ways?

# %%
MIDDLE = one.tokens.index("two")


def follows(pair, units=None, symbol="c"):
    """Return the share of the verb that goes with what was swapped, the lower of both ways."""
    shares = []
    for read, other, verbs in ((*pair, plural), (*pair[::-1], singular)):
        after = read.swap("lstm_0", symbol, other, unit=units, position=MIDDLE).after
        number = probability(after, singular) + probability(after, plural)
        shares.append(probability(after, verbs) / number)
    return float(min(shares))


single = {seed: [follows(pair, unit) for unit in range(24)] for seed, pair in pairs.items()}


def largest(seed):
    """Swapping the cell that differs most flips the verb."""
    unit = int(differences(pairs[seed]).argmax())
    return single[seed][unit] > 0.5, f"cell {unit}: {single[seed][unit]:.2f}"


def some(seed):
    """Swapping some single cell flips the verb (all 24 tried)."""
    unit = int(np.argmax(single[seed]))
    return single[seed][unit] > 0.5, f"best is cell {unit}: {single[seed][unit]:.2f}"


def every(seed):
    """Swapping all cells flips the verb."""
    share = follows(pairs[seed])
    return share > 0.5, f"all: {share:.2f}"


def hidden(seed):
    """Swapping the whole hidden state h instead flips the verb (the control)."""
    share = follows(pairs[seed], symbol="h")
    return share > 0.5, f"all: {share:.2f}"


found = {
    claim.__name__: verify.over_seeds(claim, n=6, first=1, train=lambda seed: seed)  # trained above
    for claim in (largest, some, every, hidden)
}
for claim in found.values():
    print(f"{claim}\n")

# %% tags=["figure"]
ranked = {seed: np.argsort(single[seed])[::-1].tolist() for seed in pairs}
figure = plots.lines(
    {
        f"network {seed}": [follows(pair, ranked[seed][:count]) for count in range(1, 25)]
        for seed, pair in pairs.items()
    },
    range(1, 25),
    xlabel="cells swapped, the most effective first",
    ylabel="share of the verb that follows",
    title=f"One cell flips the verb in {found['some'].holds} of 6 networks, "
    f"all cells in {found['every'].holds}",
    level=("half", 0.5),
    size=(7.5, 4.0),
)
figure.axes[0].set_ylim(0, 1)
figure.axes[0].legend(frameon=False, ncols=2, loc="lower right")
figure

# %%
assert found["largest"].outcomes[1].holds  # network 2, whose cell is drawn above
assert found["some"].outcomes[3].holds and not found["largest"].outcomes[3].holds  # network 4
assert found["largest"].holds <= found["some"].holds <= 3
assert found["every"].holds == 6 and found["hidden"].holds == 0

# %% [markdown]
# So "one cell remembers the subject" is true of network 2 and false as a rule. All cells together
# carry it in every network, $h$ does not; others need several, and the one that differs most may do
# nothing (network 4).
#
# Here is how network 2 carries it, in trained numbers, at *two*: the forget gate $f_t$ is open, so
# nearly all of the old cell stays, and what is added to it is much the same in both sentences.

# %%
one.equations("lstm_0", step=MIDDLE, unit=unit)


# %%
def old_and_new(seen):
    """Return the two terms of the cell, f · c_previous and i · g, of this unit at *two*."""
    f, i, g, c = (seen.array("lstm_0", symbol)[:, unit] for symbol in "figc")
    return np.array([f[MIDDLE] * c[MIDDLE - 1], i[MIDDLE] * g[MIDDLE]])


terms = {"this boat …": old_and_new(one), "these boats …": old_and_new(many)}
for name, (old, new) in terms.items():
    print(f"{name:14} {old:5.2f} from the old cell, {new:5.2f} added")
carried, added = np.abs(terms["this boat …"] - terms["these boats …"])
kept = np.stack([seen.array("lstm_0", "f")[3:, unit] for seen in (one, many)])
print(f"difference: {carried:.2f} carried, {added:.2f} added")
print(f"forget gate of unit {unit} within the clause: {kept.mean():.2f} on average")
assert kept[:, 1].min() > 0.75 and carried > 4 * added  # kept[:, 1] is the gate at 'two'
assert kept.mean() > 0.6 and differences(pairs[2])[unit] > 0.5

# %% [markdown]
# Each word moves the cell much alike in both sentences; the *difference* was made at the subject.
# The forget gates of all units:

# %%
one.figure("lstm_0", "f", "Forget gates: some units hold, others reset")

# %% [markdown]
# A row that stays bright keeps what it holds; one that turns dark is reset there.
#
# ### And in real English?
#
# Let small LSTMs predict plain English, remarks and reviews, letter by letter; nobody tells them
# what a word is. The control reads the same texts without spaces.

# %%
english = datasets.load("topic_en").texts + datasets.load("sentiment_en").texts
new_lines = datasets.load("topic_en", "test").texts[:36]


def without_spaces(lines):
    return [line.replace(" ", "") for line in lines]


def rows_of(lines, letters):
    stream = np.concatenate([letters.encode(line, eos=True) for line in lines])
    return stream[: len(stream) // 65 * 65].reshape(-1, 65)  # rows of 64 letters and the next


def speller(lines, seed):
    """Return a language model of the letters of these lines, and its tokenizer."""
    keras.utils.set_random_seed(seed)
    letters = text.train_tokenizer(lines, "character")
    small = models.RecurrentConfig(letters.vocabulary_size, hidden_dim=32, units=64, num_layers=1)
    model = models.CausalLM(models.RecurrentBackbone(small))
    model.compile(keras.optimizers.Adam(0.01), models.TokenCrossEntropy(), jit_compile=False)
    rows = rows_of(lines, letters)
    model.fit(rows[:, :-1], rows[:, 1:], batch_size=32, epochs=6, verbose=0)
    return model, letters


spellers = {seed: speller(english, seed) for seed in (1, 2, 3)}
controls = {seed: speller(without_spaces(english), seed) for seed in (1, 2, 3)}
model, letters = spellers[1]
rows = rows_of(new_lines, letters)
loss = model.evaluate(rows[:, :-1], rows[:, 1:], batch_size=64, verbose=0)
print(
    f"knowing nothing {np.log(letters.vocabulary_size):.2f} nats a letter, on new lines {loss:.2f}"
)

# %% [markdown]
# On 12 new lines, pick the forget gate that best tells spaces from letters; in the control, first
# letters of words from others. On 24 more, score how often it has one of each kind in the right
# order (the area under the ROC curve; a coin has 0.5):


# %%
def score(trained, lines, marks):
    """Return the number of the gate picked on 12 lines, and its score on the other ones."""
    gates = [verify.trace(trained[0], line, trained[1]).array("lstm_0", "f") for line in lines]
    seen, new = np.concatenate(gates[:12]), np.concatenate(gates[12:])
    picked = [roc_auc_score(np.concatenate(marks[:12]), gate) for gate in seen.T]
    unit = int(np.abs(np.array(picked) - 0.5).argmax())
    area = roc_auc_score(np.concatenate(marks[12:]), new[:, unit])
    return unit, area if picked[unit] > 0.5 else 1 - area


space = [np.array([sign == " " for sign in line]) for line in new_lines]
first = [np.roll(marks, 1)[~marks] for marks in space]
for marks in first:
    marks[0] = True

starts = Counter(word[0] for line in english for word in line.split())
often = Counter("".join(without_spaces(english)))
by_letter = [starts[sign] / max(often[sign], 1) for sign in "".join(without_spaces(new_lines[12:]))]
table = roc_auc_score(np.concatenate(first[12:]), by_letter)

picked = {seed: score(each, new_lines, space) for seed, each in spellers.items()}
blind = {seed: score(each, without_spaces(new_lines), first) for seed, each in controls.items()}
for seed in picked:
    print(f"seed {seed}: spaces {picked[seed][1]:.2f}; control, first letters {blind[seed][1]:.2f}")
print(f"no network, how often each letter begins a word: first letters {table:.2f}")

# %% tags=["figure"]
line, word_unit = new_lines[18], picked[1][0]
gate = verify.trace(model, line, letters).array("lstm_0", "f")[:, word_unit]

figure = plots.lines(
    {"forget gate": gate},
    xlabel="letter (grey: space)",
    ylabel=f"forget gate of unit {word_unit}",
    title="This gate is lower at spaces than at letters",
    size=(9, 3.2),
)
for place in np.flatnonzero(space[18]):
    figure.axes[0].axvspan(place - 0.5, place + 0.5, color="#dddddd", zorder=0)
figure.axes[0].set_xticks(range(len(line)), line)
figure

# %%
assert gate[space[18]].mean() < gate[~space[18]].mean() - 0.2
assert min(area for _, area in picked.values()) > 0.85
assert max(area for _, area in blind.values()) < table

# %% [markdown]
# In every network a gate knows the space. That it knows words is not shown: without spaces, no
# picked gate marks first letters as well as a table of letters does.
#
# ## 8. Padding needs a mask
#
# Texts of a batch have different lengths and are filled up with id 0 on the right. To an LSTM, a
# padded step is a step like any other: the final state is no longer that of the text. A **mask**
# (掩码) tells it to keep its state where there is no token.

# %%
short = rng.normal(size=(1, 4, 3))  # a text of 4 tokens
padded = np.concatenate([short, np.zeros((1, 6, 3))], axis=1)  # filled up to 10
mask = np.arange(10)[None] < 4  # True where a token is real
weights = layer.get_weights()

alone, _ = reference.lstm(short, *weights)
masked, masked_trace = reference.lstm(padded, *weights, mask=mask)
unmasked, unmasked_trace = reference.lstm(padded, *weights)


def change(state):
    return float(np.abs(state - alone).max() / np.abs(alone).max())


print(f"final state of the padded text, with mask:    changed by {change(masked):.1%}")
print(f"final state of the padded text, without mask: changed by {change(unmasked):.1%}")
assert change(masked) == 0 and change(unmasked) > 0.2

# %%
moved = {
    name: np.linalg.norm(seen.c[0] - seen.c[0, 3], axis=-1)
    for name, seen in {"without mask": unmasked_trace, "with mask": masked_trace}.items()
}
figure = plots.lines(
    moved,
    range(1, 11),
    xlabel="step (grey: padding)",
    ylabel="distance of c from its value at step 4",
    title="Without a mask the cell walks away from the text",
)
figure.axes[0].axvspan(4.5, 10.2, color="#eeeeee", zorder=0)
figure

# %% [markdown]
# In Keras the mask is made by `Embedding(mask_zero=True)` (the library's `TokenEmbedding` always
# makes it) and handed on by layers. `verify.check_masks` tries it out on any model:

# %%
tokens = keras.Input((None,), dtype="int32")
with_mask = keras.Model(
    tokens,
    keras.layers.LSTM(5)(keras.layers.Embedding(11, 3, mask_zero=True)(tokens)),
    name="with_mask",
)
without = keras.Model(
    tokens, keras.layers.LSTM(5)(keras.layers.Embedding(11, 3)(tokens)), name="without_mask"
)
assert verify.check_masks(with_mask).ok and not verify.check_masks(without).ok
verify.check_masks(without)

# %% [markdown]
# ## 9. GRU: two layers under one name
#
# The GRU (门控循环单元) has one state and two gates: the update gate (更新门) $z$ and the reset
# gate (重置门) $r$.
#
# $$z = \sigma(x W_z + h_{t-1} U_z + b_z) \qquad r = \sigma(x W_r + h_{t-1} U_r + b_r)$$
# $$h_t = z \cdot h_{t-1} + (1 - z) \cdot \tilde h$$
#
# There is no cell: $z$ says how much of the old state stays, and the rest is filled with the
# candidate $\tilde h$. The reset gate says how much of the old state the candidate may see. For
# this there are two conventions, and they are different functions:
#
# $$\text{reset before (Cho et al.):}\quad \tilde h = \tanh(x W_h + (r \cdot h_{t-1}) U_h + b_h)$$
# $$\text{reset after (Keras, cuDNN):}\quad
# \tilde h = \tanh(x W_h + b_h + r \cdot (h_{t-1} U_h + c_h))$$
#
# The second has one more bias, because $c_h$ stands inside of the reset. Keras calls the choice
# `reset_after`, and it is `True` unless you say otherwise. With numbers, for $x = 1$ and
# $h_{t-1} = 0.5$:

# %%
#              z     r     h          Keras' order: update, reset, candidate
W = np.array([[0.5, -0.5, 1.0]])
U = np.array([[1.0, 1.0, 2.0]])
b = np.array([0.0, 0.0, 0.0])
c_h = 0.4

z, r = squash(0.5 * 1 + 1.0 * 0.5), squash(-0.5 * 1 + 1.0 * 0.5)
print(f"z = σ(0.5·1 + 1.0·0.5) = σ(1.0) = {z:.4f}     r = σ(-0.5·1 + 1.0·0.5) = σ(0.0) = {r:.4f}")
h_before, h_after = np.tanh(1.0 + (r * 0.5) * 2.0), np.tanh(1.0 + r * (0.5 * 2.0 + c_h))
print(f"reset before: candidate = tanh(1.0 + (0.5·0.5)·2.0)       = {h_before:.4f}")
print(f"reset after:  candidate = tanh(1.0 + 0.5·(0.5·2.0 + 0.4)) = {h_after:.4f}")

for reset_after, candidate, c in ((False, h_before, 0.0), (True, h_after, np.array([0, 0, c_h]))):
    by_hand_h = z * 0.5 + (1 - z) * candidate
    step_h, _ = reference.gru_step(np.array([[1.0]]) @ W + b, np.array([[0.5]]), U, c, reset_after)
    print(f"  h = {z:.4f}·0.5 + {1 - z:.4f}·{candidate:.4f} = {by_hand_h:.4f}")
    assert np.isclose(step_h.item(), by_hand_h, rtol=0, atol=1e-12)

# %% [markdown]
# And as layers with random weights, NumPy against Keras:

# %%
for reset_after in (True, False):
    gru = keras.layers.GRU(7, reset_after=reset_after, dtype="float64")
    gru.build(x.shape)
    gru.set_weights([rng.normal(size=w.shape) for w in gru.get_weights()])
    kernel, recurrent, bias = gru.get_weights()
    ours, _ = reference.gru(x, kernel, recurrent, bias, reset_after=reset_after)
    theirs = keras.ops.convert_to_numpy(gru(x))
    agree = np.abs(ours - theirs).max() < 1e-12
    print(f"reset_after={reset_after!s:5}  bias {bias.shape!s:8}  NumPy = Keras to 1e-12: {agree}")
    assert np.abs(ours - theirs).max() < 1e-12

# %% [markdown]
# Weights trained for one are wrong for the other, even without any bias:

# %%
after, _ = reference.gru(x, kernel, recurrent, reset_after=True)
before, _ = reference.gru(x, kernel, recurrent, reset_after=False)
print(f"same weights, two conventions: outputs differ by up to {np.abs(after - before).max():.2f}")
assert np.abs(after - before).max() > 0.1

# %% [markdown]
# A second trap: in Keras (and in Cho et al. 2014) $z$ keeps the *old* state. Chung et al. 2014 and
# many textbooks let $z$ take the *new* one. Both can express the same networks, with the sign of
# $W_z$, $U_z$ and $b_z$ turned round, since $\sigma(-a) = 1 - \sigma(a)$:

# %%
taken = squash(-(0.5 * 1 + 1.0 * 0.5))  # their z: the share of the new
assert np.isclose((1 - taken) * 0.5 + taken * h_after, z * 0.5 + (1 - z) * h_after)

# %% [markdown]
# **Backward** there is nothing new. From $h_t = z \cdot h_{t-1} + (1 - z) \cdot \tilde h$ each
# factor gets the other one, and the old state gets its direct share:
#
# $$dz = dh \cdot (h_{t-1} - \tilde h) \qquad d\tilde h = dh \cdot (1 - z) \qquad
# dh_{t-1} = dh \cdot z + \dots$$
#
# The dots are what comes back through the three sums, as for the LSTM; where $z$ is near one, the
# direct share is what keeps a gradient alive. Forward and backward against Keras (this one resets
# before, as the loop above left it):

# %%
gru_proof = verify.compare(gru, x)
assert gru_proof.ok
gru_proof

# %% [markdown]
# ## 10. NumPy trains beside Keras
#
# If forward, backward and optimizer are right, then a NumPy copy that starts with the same
# weights and sees the same batches *is* the same training. `verify.twin` builds this copy from
# any model. In float64, because in float32 the rounding of each step would grow over 300 of them.

# %%
classifier = keras.Sequential(
    [
        keras.Input((5, 2), dtype="float64"),
        keras.layers.LSTM(7, dtype="float64"),
        keras.layers.Dense(3, dtype="float64"),
    ]
)
classifier.compile(
    keras.optimizers.Adam(0.01),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64"),
    jit_compile=False,
)
twin = verify.twin(classifier)

# %% [markdown]
# 64 sequences of five steps. The label counts two signs, one of the first step and one of the last:
# 0, 1 or 2.

# %%
x_train = rng.normal(size=(64, 5, 2))
y_train = (x_train[:, 0, 0] > 0).astype(int) + (x_train[:, 4, 1] > 0)
keras_losses, twin_losses = [], []
for _ in range(300):
    classifier.reset_metrics()  # or Keras returns the mean of all losses so far
    keras_losses.append(float(classifier.train_on_batch(x_train, y_train)))
    twin_losses.append(float(twin.train_on_batch(x_train, y_train)))

figure = plots.lines(
    {"Keras": keras_losses, "NumPy twin": twin_losses},
    xlabel="training step (Adam)",
    ylabel="loss, nats",
    title="Two programs, one curve",
)
figure.axes[0].lines[0].set(linewidth=6, alpha=0.4)  # or the second would hide the first
figure.axes[0].legend(frameon=False)
figure

# %%
drift = max(
    np.abs(a - b).max() for a, b in zip(classifier.get_weights(), twin.get_weights(), strict=True)
)
print(f"after 300 steps all weights agree to 1e-9: {drift < 1e-9}")
assert drift < 1e-9 and twin_losses[-1] < 0.2 * twin_losses[0]

# %% [markdown]
# ## Exercises
#
# Write the step yourself and let the library check it. It tries random weights and compares with
# a catalogue of known mistakes, so it can often say *which* one you made. Here is an attempt with
# a slip:


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
# Now you. `exercises.show("lstm_step")` states the task, `exercises.hint(...)` helps, and
# `exercises.solution(...)` gives the library's own source. In this order:
#
# 1. `simple_rnn_step`, then `lstm_step` (mend the attempt above).
# 2. `gru_step`, for both conventions.
# 3. `lstm_step_backward`: section 4 is the plan.
# 4. Without the checker: put -2 in front of `biases` in section 6. How long is the memory now?
#    Predict first: $f = \sigma(-2)$, then $n = -1 / \ln f$.

# %%
exercises.show("lstm_step_backward")

# %% [markdown]
# ## What this lesson claims
#
# One cell, all claims. If it runs, they hold on your machine.

# %%
assert np.isclose(h, h_numpy.item()) and np.isclose(h, float(h_keras[0, 0]))  # three times one step
assert proof.ok  # forward and gradients, NumPy = Keras
assert simple_left < 1e-8 < lstm_left < open_left  # the more open the gates, the more arrives
assert np.allclose(-1 / np.log([0.5, 0.9, 0.99]), [1.4, 9.5, 99.5], atol=0.05)  # memory of f
assert probability(one, singular) > probability(one, plural)  # the number crosses the clause
assert change(masked) == 0 and change(unmasked) > 0.2  # padding needs a mask
assert np.abs(after - before).max() > 0.1  # the two GRUs are different functions
assert found["every"].holds == 6 and found["hidden"].holds == 0  # the cells carry it, together;
assert 1 <= found["largest"].holds <= found["some"].holds <= 3  # one alone in few networks
assert min(area for _, area in picked.values()) > 0.85  # a gate knows the space,
assert max(area for _, area in blind.values()) < table  # which is not to know words
assert gru_proof.ok  # the GRU, too
assert drift < 1e-9  # NumPy trains as Keras does

# %% [markdown]
# ## Where to go next
#
# - [09 Attention](09_attention.ipynb): do not carry a fact from step to step, look back at it.
# - [21 The errata](21_the_errata.ipynb): what the documents get wrong about LSTMs (S6, S12).
# - In the code: `kerasllm/reference/recurrent/lstm.py` is these equations and their backward pass,
#   `kerasllm/layers/recurrent.py` the Keras stack that trains with them.
