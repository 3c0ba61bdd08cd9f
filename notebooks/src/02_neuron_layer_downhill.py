# %% [markdown]
# # 02 · One neuron, one layer, downhill
#
# **What you will do.** Set the weights of one neuron (神经元) by hand, put six of them side by side
# to sort Chinese remarks by topic, walk the loss downhill with five lines of NumPy, and catch a
# network learning its texts by heart.
#
# **What you will learn.** What a dense layer, softmax and cross-entropy (交叉熵) compute; how a
# gradient (梯度) is used; what Adam adds; what the bend is for; why only held-out texts count.
#
# **What you need.** Python, and the chain rule from school. 40 minutes; the cells run in about
# a minute on a laptop, without network.
#
# **Where it comes from.** Document 004, §3.1 and §3.3: neurons, activation functions and gradient
# descent in a few sentences each.

# %%
from kerasllm import lessons

lessons.start()

# %%
import keras
import numpy as np

from kerasllm import datasets, exercises, plots, reference, verify
from kerasllm.plots import fonts
from kerasllm.plots.style import COLOURS, panels, tidy

# %% [markdown]
# ## 1. One neuron
#
# A neuron multiplies each input by a weight (权重), adds a bias (偏置) and bends the sum:
#
# $$a = x_1 w_1 + x_2 w_2 + \dots + b \qquad\quad \sigma(a) = \frac{1}{1 + e^{-a}}$$
#
# The sigmoid $\sigma$ turns any number into one between 0 and 1, which we read as a probability.
# Let the inputs count four characters of a remark: 球 (ball), 药 (medicine), 钱 (money), 锅
# (pot). Is this remark about sport?

# %%
signs = "球药钱锅"
remark = (
    "没进球，没红黄牌，连角球都没有，闷平。"  # no goal, no cards, not even a corner: a dull draw
)
counts = np.array([[float(remark.count(sign)) for sign in signs]])

by_hand = np.array([[2.0], [-1.0], [-1.0], [-1.0]]), np.array([-1.0])  # weights, bias
a, neuron = reference.dense(counts, *by_hand)
probability, _ = reference.sigmoid(a)
plots.diagram("neuron", neuron, activation="sigmoid", tokens=signs, language="both")

# %% [markdown]
# It says 0.95: 球 stands there twice, so $a = 2 \cdot 2 - 1 = 3$, and $\sigma(3) = 0.95$.
#
# ## 2. One layer
#
# Six topics, six neurons: a **dense layer** (全连接层). Each has a column of weights, so the layer
# is one matrix product, $x W + b$. Its sums are called **logits**. A **softmax** makes them
# positive and divides by their total, so that the six probabilities sum to one:
#
# $$p_k = \frac{e^{a_k}}{\sum_j e^{a_j}} \qquad\qquad L = -\ln p_{\text{right}}$$
#
# $L$, the **cross-entropy**, is what we pay: nothing for certainty in the right topic, much for
# surprise. With the natural logarithm its unit is the *nat*.
#
# **Predict first:** all weights are 0. What does the layer pay, in nats?
#
# <details><summary>Answer</summary>
#
# Every $e^0$ is 1 and all six probabilities are 1/6, whatever the remark, so
# $-\ln \frac16 = 1.79$. Remember this number: a loss above it is worse than knowing nothing.
#
# </details>

# %%
rows = [
    row for split in ("train", "validation", "test") for row in datasets.load("topic_zh", split)
]
topics = sorted({row.label for row in rows})
texts = np.array([row.text for row in rows])
labels = np.array([topics.index(row.label) for row in rows])


def split_of(seed):
    """Return places of 320 rows to train on, 80 to choose by, and 80 to test on."""
    places = np.random.default_rng(seed).permutation(len(rows))
    return places[:320], places[320:400], places[400:]


def count_of(places, vocabulary):
    return np.array([[texts[i].count(sign) for sign in vocabulary] for i in places], float)


train, held_out, test = split_of(0)
letters = "".join(texts[train])
vocabulary = sorted(sign for sign in set(letters) if letters.count(sign) > 1)
x, y = count_of(train, vocabulary), labels[train]  # (B, D), (B,)
kernel, bias = np.zeros((len(vocabulary), 6)), np.zeros(6)
loss, _ = reference.cross_entropy(reference.dense(x, kernel, bias)[0], y)
print(f"{len(rows)} remarks, {len(vocabulary)} characters, topics {topics}")
print(f"with all weights 0 the loss is {loss:.3f} nats; ln 6 = {np.log(6):.3f}")
assert np.isclose(loss, np.log(6))

# %% [markdown]
# ## 3. Downhill
#
# How does the loss change when one logit moves? From $L = -a_{\text{right}} + \ln \sum_j e^{a_j}$:
#
# $$\frac{\partial L}{\partial a_k} = p_k - y_k$$
#
# where $y_k$ is 1 for the right topic, else 0. (The first term gives $-y_k$; by the chain rule the
# second gives $e^{a_k} / \sum_j e^{a_j} = p_k$.) It is what the layer said minus what was right.
# The weight $W_{jk}$ stands in $a_k$ alone, times $x_j$; so $dW = x^\top (p - y)$, averaged over
# the rows. Each step goes a little *against* the gradient (梯度下降):

# %%
losses, y_one_hot = [], np.eye(6)[y]
for _ in range(200):
    p, _ = reference.softmax(x @ kernel + bias)
    losses.append(-np.log(p[range(len(y)), y]).mean())
    d_logits = (p - y_one_hot) / len(y)
    d_kernel, d_bias = x.T @ d_logits, d_logits.sum(axis=0)
    kernel, bias = kernel - 1.0 * d_kernel, bias - 1.0 * d_bias

print(f"loss {losses[0]:.2f} -> {losses[-1]:.2f} nats")
one_step = {
    "x": x, "output": p, "loss": losses[-1], "step": 199, "learning_rate": 1.0,
    "weights": [kernel, bias], "gradients": [d_kernel, d_bias],
}  # fmt: skip
plots.diagram("training", one_step, language="both")

# %% [markdown]
# Never take a derivation on trust: nudge a weight, and see how the loss moves.


# %%
def loss_when_nudged(nudge):
    nudged = kernel.copy()
    nudged[7, 2] += nudge
    return reference.cross_entropy(x @ nudged + bias, y)[0]


d_logits = (reference.softmax(x @ kernel + bias)[0] - y_one_hot) / len(y)
derived = (x.T @ d_logits)[7, 2]
measured = (loss_when_nudged(1e-5) - loss_when_nudged(-1e-5)) / 2e-5
print(f"derived {derived:.9f}, measured {measured:.9f}")

# %% [markdown]
# What did it learn? The characters with the largest weights of three topics:

# %%
strongest = {}
for topic in ("sport", "cooking", "finance"):
    best = kernel[:, topics.index(topic)].argsort()[::-1][:8]
    strongest[topic] = "".join(vocabulary[i] for i in best)
    print(f"{topic:8}", strongest[topic])
assert "球" in strongest["sport"]

# %% [markdown]
# ## 4. From SGD to Adam
#
# The slope alone says nothing about how far to go. One neuron, two inputs of very different size:
# how often 球 occurs (0 to 2), and how long the remark is (up to 64 characters). With two weights
# the loss is a landscape that we can look at.
#
# **Predict first:** which of the two weights limits the step?
#
# <details><summary>Answer</summary>
#
# That of the length. Its gradient is multiplied by inputs of about 20, so a step that is right for
# 球 throws it across the valley. SGD has to take the step that the steepest direction allows.
#
# </details>
#
# Momentum (动量) averages gradients. **Adam** divides this average $m$ by the root of the averaged
# square $v$, for each weight by itself, so that every weight moves at about the same pace ($g$ is
# the gradient, $\eta$ the learning rate, $t$ the number of the step; $\beta_1$ and $\beta_2$ are a
# little below 1; the divisors $1 - \beta^t$ make up for averages that begin at 0; $\epsilon$ only
# prevents a division by 0):
#
# $$m \leftarrow \beta_1 m + (1 - \beta_1) g \qquad v \leftarrow \beta_2 v + (1 - \beta_2) g^2
# \qquad w \leftarrow w - \eta\, \frac{m / (1 - \beta_1^t)}{\sqrt{v / (1 - \beta_2^t)} + \epsilon}$$


# %%
def two_inputs(places):
    sizes = np.array([[texts[i].count("球"), len(texts[i])] for i in places], float)  # (B, 2)
    return sizes, (labels[places] == topics.index("sport")).astype(float)


pair, is_sport = two_inputs(train)


def slope(w, inputs):
    p, _ = reference.sigmoid(inputs @ w)
    return inputs.T @ (p - is_sport) / len(is_sport)


def walk(inputs, rule, steps=150):
    w, state, path = np.zeros(2), (0.0, 0.0), [np.zeros(2)]
    for t in range(1, steps + 1):
        w, state = rule(w, slope(w, inputs), state, t)
        path.append(w)
    return np.array(path)


def sgd_rule(rate):
    return lambda w, g, state, _t: (w - rate * g, state)


def adam_rule(w, g, state, t, rate=0.1):
    m, v = 0.9 * state[0] + 0.1 * g, 0.999 * state[1] + 0.001 * g**2
    step = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-7)
    return w - rate * step, (m, v)


paths = {
    "SGD 0.04": walk(pair, sgd_rule(0.04)),
    "SGD 0.03": walk(pair, sgd_rule(0.03)),
    "Adam 0.1": walk(pair, adam_rule),
}


# %% tags=["figure"]
def height(w, inputs):
    return reference.binary_cross_entropy(inputs @ w, is_sport)[0]


grid_1, grid_2 = np.linspace(-0.4, 4.4, 60), np.linspace(-0.27, 0.03, 60)
land = [[height(np.array([a, b]), pair) for a in grid_1] for b in grid_2]
figure, ((axes,),) = panels(width=7.4, height=4.2)
axes.contourf(grid_1, grid_2, np.log(land), 24, cmap="Greys", alpha=0.5)
for (name, path), colour in zip(paths.items(), COLOURS, strict=False):
    axes.plot(*path.T, ".-", ms=4, lw=0.8, color=colour, label=name)
axes.set(
    xlabel="w of 球", ylabel="w of the length · 长度的权重", xlim=(-0.4, 4.4), ylim=(-0.27, 0.03)
)
axes.legend(loc="lower right")
fonts.use_fonts(figure)

# %% [markdown]
# At a rate of 0.04 SGD jumps from side to side in all its 150 steps; at 0.03 it creeps; Adam
# swings, and walks along the valley. Is it the scale? Then dividing each input by its spread must
# help SGD. That is an *intervention*: change the supposed cause, and nothing else. (To be fair,
# SGD gets the best of eight rates in both arms.)

# %%
library, state = [np.zeros(2)], None  # our Adam is the library's, which is proven to be Keras'
for _ in range(150):
    library, state = reference.adam(library, [slope(library[0], pair)], state, learning_rate=0.1)
assert np.allclose(library[0], paths["Adam 0.1"][-1], atol=1e-5)

rules = [sgd_rule(rate) for rate in (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0)]
left = {"Adam 0.1": [], "SGD, best rate": [], "SGD, best rate, scaled": []}
for split in range(3):
    pair, is_sport = two_inputs(split_of(split)[0])
    scaled = pair / pair.std(axis=0)
    floor = height(walk(scaled, sgd_rule(3.0), 3000)[-1], scaled)  # the bottom is the same in both
    arms = ((pair, [adam_rule]), (pair, rules), (scaled, rules))
    for above, (inputs, tried) in zip(left.values(), arms, strict=True):
        above.append(min(height(walk(inputs, rule)[-1], inputs) for rule in tried) - floor)
for name, above in left.items():
    print(f"{name:22}  nats above the bottom, three splits: {np.round(above, 4)}")

# %% [markdown]
# It was the scale, in three splits of the remarks: with scaled inputs SGD reaches the bottom, as
# Adam does; without scaling it stays 0.049 to 0.065 nats above.
#
# ## 5. What the bend is for
#
# 好 (good) is praise and 不好 (not good) is not; 坏 (bad) is blame and 不坏 (not bad) is not.
# Inputs: is there a 不, is it 好? No line divides the four.
#
# **Predict first:** two dense layers without a bend between them. How many of the four are right at
# best?
#
# <details><summary>Answer</summary>
#
# Three. $(x W_1) W_2 = x (W_1 W_2)$: two layers without a bend are one. The bend
# (activation function, 激活函数) is what makes depth worth having.
#
# </details>

# %%
four = np.array([[0, 1], [1, 1], [0, 0], [1, 0]], float)  # 好, 不好, 坏, 不坏
praise = np.array([1, 0, 0, 1])


def network(activation, seed, units=6):
    keras.utils.set_random_seed(seed)
    model = keras.Sequential(
        [keras.Input((2,)), keras.layers.Dense(units, activation), keras.layers.Dense(2)]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.1), loss, jit_compile=False)
    model.fit(four, praise, epochs=80, verbose=0)
    return model


def right(model):
    return int((model.predict(four, verbose=0).argmax(-1) == praise).sum())


bent, straight = ([network(kind, seed) for seed in range(3)] for kind in ("tanh", None))
print(
    "right of four, 3 seeds:  with a bend", [*map(right, bent)], " without", [*map(right, straight)]
)

# %% tags=["figure"]
figure, (both_axes,) = panels(1, 2, width=7.4, height=3.4)
field = np.stack(np.meshgrid(np.linspace(-0.5, 1.5, 80), np.linspace(-0.5, 1.5, 80)), -1)
for axes, model, title in zip(
    both_axes, (straight[0], bent[0]), ("xW₁W₂", "tanh(xW₁)W₂"), strict=True
):
    logits = model.predict(field.reshape(-1, 2), verbose=0)
    shown = reference.softmax(logits)[0][:, 1].reshape(80, 80)
    axes.contourf(field[..., 0], field[..., 1], shown, 20, cmap="RdBu", vmin=0, vmax=1)
    for (a, b), name, good in zip(four, ("好", "不好", "坏", "不坏"), praise, strict=True):
        axes.plot(a, b, "o" if good else "X", color="black", ms=9)
        axes.annotate(name, (a, b + 0.12), ha="center")
    axes.set(title=title, xlabel="不", ylabel="好")
fonts.use_fonts(figure)

# %% [markdown]
# Left, without a bend: one half everywhere. That is where the loss of a flat answer is least, so
# which of the four come out right is chance: one or two here, though a line that cuts off one
# corner would have three. Right, with the bend: four, for each seed.
#
# ## 6. By heart, or understood?
#
# Document 004 goes downhill 直到损失函数最小, until the loss is least. Which loss? A network with
# a hidden layer of 64 units trains here on 320 remarks, and, as a control, on the same remarks
# with their topics *shuffled*: there is nothing to understand.
#
# **Predict first:** how low does the training loss get with shuffled topics?
#
# <details><summary>Answer</summary>
#
# As low as with the true ones, nearly: a network with more weights than remarks can learn them by
# heart. A low training loss is no evidence of understanding. Only texts that took no part in
# training are: **held-out data** (留出数据).
#
# </details>


# %%
def learn(seed, shuffled=False, hidden=64, epochs=30):
    """Return the history of a run, and its scores on the test rows at the best held-out loss."""
    train, held_out, test = split_of(seed)
    known = sorted(set("".join(texts[train])))
    sets = [(count_of(places, known), labels[places]) for places in (train, held_out, test)]
    if shuffled:
        sets[0] = sets[0][0], np.random.default_rng(seed).permutation(sets[0][1])
    keras.utils.set_random_seed(seed)
    layers = [keras.layers.Dense(hidden, "relu")] if hidden else []
    model = keras.Sequential([keras.Input((len(known),)), *layers, keras.layers.Dense(6)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss, metrics=["accuracy"], jit_compile=False)
    stop = keras.callbacks.EarlyStopping(patience=epochs, restore_best_weights=True)
    options = {"batch_size": 64, "epochs": epochs, "callbacks": [stop], "verbose": 0}
    fit = model.fit(*sets[0], validation_data=sets[1], **options)
    return fit.history, model.evaluate(*sets[2], verbose=0)[1]


seeds = range(3)
true, false = ([learn(seed, shuffled) for seed in seeds] for shuffled in (False, True))
linear = [learn(seed, hidden=0)[1] for seed in seeds]

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7.4, height=4.0)
for runs, colour, name in ((true, COLOURS[0], "true · 真"), (false, COLOURS[1], "shuffled · 打乱")):
    for key, style in (("loss", "--"), ("val_loss", "-")):
        curves = np.array([history[key] for history, _ in runs])
        part = "held out · 留出" if key == "val_loss" else "training · 训练"
        axes.plot(range(1, 31), curves.mean(0), style, color=colour, label=f"{name}, {part}")
        axes.fill_between(range(1, 31), curves.min(0), curves.max(0), color=colour, alpha=0.12)
axes.axhline(np.log(6), color="grey", lw=1, ls=":")
axes.set(xlabel="epoch · 轮", ylabel="loss, nats · 损失", ylim=(0, 4.5))
axes.legend(frameon=False, ncols=2)
tidy(axes)
fonts.use_fonts(figure)

# %% [markdown]
# Both dashed lines fall to nothing. The solid ones tell: with true topics the held-out loss falls
# and *turns up again* (过拟合, overfitting), with shuffled ones it only rises. So we keep the
# weights of the epoch in which the held-out loss was least, and look at the test rows once:

# %%
ends = {name: [h["loss"][-1] for h, _ in runs] for name, runs in (("true", true), ("false", false))}
turned = [h["val_loss"][-1] - min(h["val_loss"]) for h, _ in true]
scores = {
    "guessing": [1 / 6], "shuffled topics": [score for _, score in false],
    "one layer": linear, "hidden layer": [score for _, score in true],
}  # fmt: skip
for name, values in scores.items():
    spread = f" ± {np.std(values, ddof=1):.3f}" if len(values) > 1 else ""
    print(f"{name:16} test accuracy {np.mean(values):.3f}{spread}")

# %% [markdown]
# Shuffled topics: no better than guessing. Is the hidden layer better than one layer? A test of 80
# rows has a standard error of 0.05, so these figures cannot tell. [Lesson 03](03_embeddings.ipynb)
# gives the same task to vectors.
#
# ## 7. The twin
#
# All of this is in `verify.twin`: a copy of a Keras model in plain NumPy. Same weights, same
# batches, one hundred steps of Adam each:

# %%
model = keras.Sequential(
    [
        keras.Input((len(vocabulary),), dtype="float64"),
        keras.layers.Dense(16, "tanh", dtype="float64"),
        keras.layers.Dense(6, dtype="float64"),
    ]
)
cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True, dtype="float64")
model.compile(keras.optimizers.Adam(0.01), cross_entropy, jit_compile=False)
twin = verify.twin(model)
for _ in range(100):
    model.train_on_batch(x, y)
    twin.train_on_batch(x, y)
pairs = zip(model.get_weights(), twin.get_weights(), strict=True)
drift = max(np.abs(a - b).max() for a, b in pairs)
print(f"after 100 steps all weights agree to 1e-9: {drift < 1e-9}")

# %% [markdown]
# ## Exercises
#
# The checker tries random numbers and knows the common mistakes. Here is one:


# %%
def my_softmax(x, axis=-1):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum()  # where is the slip?


verdict = exercises.check("softmax", my_softmax)
assert not verdict.ok

# %% [markdown]
# 1. *Fill a line*: `sigmoid`, `relu_backward`, `softmax` (mend the one above).
# 2. *Write it*: `cross_entropy`, `cross_entropy_backward`, `dense_backward`,
#    `sgd`, `adam`. `exercises.show(NAME)` states the task, `exercises.hint(NAME)` helps.
# 3. *Break it*: set the learning rate of section 3 to 100. Predict the loss after 200 steps, then
#    look. Then multiply `x` by 100 and leave the rate at 1.

# %%
exercises.show("cross_entropy_backward")

# %% [markdown]
# ## What this lesson claims
#
# One cell, all claims. If it runs, they hold on your machine.

# %%
assert np.isclose(probability.item(), 0.9526, atol=1e-4)  # σ(3)
assert np.isclose(losses[0], np.log(6)) and losses[-1] < losses[0]  # from knowing nothing, downhill
assert abs(derived - measured) < 1e-9  # the gradient is p - y
adam, sgd, sgd_scaled = map(np.array, left.values())
assert (adam < sgd / 3).all() and (sgd_scaled < sgd / 3).all()  # Adam is ahead: it was the scale
assert [right(m) for m in bent] == [4, 4, 4] and max(map(right, straight)) <= 3  # the bend
assert max(ends["false"]) < 0.2  # shuffled topics are learned by heart as well
assert min(turned) > 0.1  # the held-out loss turns up, for every seed
assert np.mean(scores["shuffled topics"]) < 0.3 < np.mean(scores["one layer"])  # and is what counts
assert drift < 1e-9  # NumPy trains as Keras does

# %% [markdown]
# ## Where to go next
#
# - [03 Embeddings](03_embeddings.ipynb): a vector for each word, and what its neighbours are worth.
# - [21 The errata](21_the_errata.ipynb): S15, one hundred epochs on three sentences.
# - In the code: `kerasllm/reference/elementary/dense.py`, `kerasllm/reference/training/losses.py`.
