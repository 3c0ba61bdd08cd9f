# %% [markdown]
# # 09 · Attention
#
# **What you will do.** Turn a weighted average into scaled dot-product attention (缩放点积注意力),
# mask it, send a gradient back through it, and cut the line of sight between a verb and its
# subject.
#
# **What you will learn.** What query, key and value (查询, 键, 值) are; why scores are divided by
# $\sqrt{d_k}$; what masks (掩码) hide; what heads are; what a map of weights proves, and what not.
#
# **What you need.** Python and matrix products. 40 minutes; the cells run in about a minute on a
# laptop, without network. It comes from documents 001, §4, and 003, §4;
# [lesson 05](05_lstm_by_hand.ipynb) helps.

# %%
from kerasllm import lessons

lessons.start()

# %%
from itertools import product

import keras
import numpy as np

from kerasllm import datasets, exercises, models, plots, reference, text, verify

# %% [markdown]
# ## 1. A weighted average
#
# A recurrent network carries what it has read from step to step. Attention (注意力) keeps all
# tokens and *looks back*. Each token $s$ offers a **key** $k_s$ (what can be found here) and a
# **value** $v_s$ (what is read then). A **query** $q$ says what is wanted. The dot product of query
# and key is a score; a **softmax** makes the scores weights (权重) that sum to one; the output is
# the average of the values with these weights:
#
# $$\text{score}_s = q \cdot k_s \qquad
# w_s = \frac{e^{\text{score}_s}}{\sum_r e^{\text{score}_r}} \qquad
# \text{output} = \sum_s w_s v_s$$
#
# (Document 001 calls K a "dense vector" 密集向量. It is the *key*, 键.)
#
# Three tokens, by hand:

# %%
query = np.array([1.0, 2.0])
keys = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
values = np.array([[10.0], [20.0], [30.0]])

scores = keys @ query  # 1·1 + 2·0, 1·0 + 2·1, 1·1 + 2·1
weights = np.exp(scores) / np.exp(scores).sum()
by_hand = weights @ values
print("scores", scores, " weights", weights.round(3), " output", by_hand.round(3))

# %% [markdown]
# The third key answers best. The library and the Keras layer agree (which takes query, **value**,
# key, and does not scale):

# %%
ours, _ = reference.dot_attention(query[None], keys, values)
theirs = keras.layers.Attention(dtype="float64")([query[None, None], values[None], keys[None]])
assert np.allclose([ours[0, 0], float(theirs[0, 0, 0])], by_hand[0], rtol=0, atol=1e-12)

# %% [markdown]
# Many queries at once are two matrix products. The rows of $Q$, $K$, $V$ are queries, keys and
# values, the softmax works along each row, and $d_k$ is the number of entries of a key:
#
# $$\text{Attention}(Q, K, V) = \text{softmax}\left(\frac{Q K^\top}{\sqrt{d_k}}\right) V$$

# %%
queries = np.array([query, [0.0, -1.0], [3.0, 0.0]])  # (T, d_k): three at once
raw = queries @ keys.T / np.sqrt(2)  # (T, S): a score for each pair
shares = np.exp(raw) / np.exp(raw).sum(axis=-1, keepdims=True)  # each row sums to one
at_once = shares @ values  # (T, 1)
by_library, trace = reference.scaled_dot_product_attention(queries, keys, values)
assert np.allclose(at_once, by_library, atol=1e-14)

# %% tags=["figure"]
plots.diagram("attention", trace, step=0, tokens=["q₀", "q₁", "q₂"], language="both")

# %% [markdown]
# ## 2. Why the root of $d_k$?
#
# Let the entries of $q$ and $k$ be independent, with mean 0 and variance (方差) 1. Each product
# $q_j k_j$ then has mean 0 and variance 1, and variances of independent terms add up:
#
# $$\text{Var}(q \cdot k) = \sum_{j=1}^{d_k} \text{Var}(q_j k_j) = d_k$$
#
# **Predict first:** the slope of a weight in its own score is $w (1 - w)$. What becomes of it when
# keys get longer, and why is that bad?
#
# <details><summary>Answer</summary>
#
# One score wins, its weight is nearly 1 and the others nearly 0, and the slope is 0 at both ends:
# the gradient vanishes. Divided by $\sqrt{d_k}$, the scores have variance 1 at every size.
#
# </details>

# %%
rng = np.random.default_rng(7)
sizes = [4, 16, 64, 256, 1024]
drawn = [rng.normal(size=(2, 500, 8, size)) for size in sizes]
products = [(q[:, :1] * k).sum(axis=-1) for q, k in drawn]  # 500 trials: a query on 8 keys
variance = [scores.var() for scores in products]
slopes = {"q·k": [], "q·k / √d_k": []}
for size, scores_raw in zip(sizes, products, strict=True):
    for name, scaled in zip(slopes, (scores_raw, scores_raw / np.sqrt(size)), strict=True):
        p, _ = reference.softmax(scaled)
        slopes[name].append((p * (1 - p)).mean())

# %% tags=["figure"]
from kerasllm.plots.fonts import use_fonts
from kerasllm.plots.style import COLOURS, GREY, panels, tidy

figure, (both,) = panels(1, 2, width=8, height=3)
both[0].loglog(sizes, variance, "o-", color=COLOURS[0], label="Var(q·k)")
both[0].loglog(sizes, sizes, "--", color=GREY, label="d_k")
for colour, (name, slope) in zip(COLOURS[1:], slopes.items(), strict=False):
    both[1].semilogx(sizes, slope, "o-", color=colour, label=name)
both[1].set(ylim=0, title="w (1 - w), mean 平均")
for axes in both:
    axes.set_xlabel("d_k")
    axes.legend(frameon=False)
    tidy(axes)
use_fonts(figure)

# %% [markdown]
# ## 3. Masks: who may look at whom
#
# May query $t$ look at key $s$? A forbidden score is set to $-\infty$ (or something very low), so
# that its weight is 0.
#
# - The **padding mask** (填充掩码): nobody looks at padding.
# - The **causal mask** (因果掩码): no token looks at a later one. A language model that saw the
#   next token would not have to predict it.

# %%
ids = np.array([[5, 9, 3, 7, 0, 0]])  # 4 tokens and 2 of padding
padding = reference.padding_mask(ids)[0]
causal = reference.causal_mask(6)
x = rng.normal(size=(1, 6, 8))
_, seen = reference.scaled_dot_product_attention(x, x, x, mask=padding & causal)

# %% tags=["figure"]
names = ["我", "爱", "自然", "语言", "<pad>", "<pad>"]
plots.attention_map(names, seen.weights[0], title="")

# %% [markdown]
# Each row is a query and sums to one. (The rows of padding look at something; nobody reads it.)

# %%
# A padded text gives the same numbers as the text alone, and the past does not see the future.
padded, _ = reference.scaled_dot_product_attention(x, x, x, mask=padding)
alone, _ = reference.scaled_dot_product_attention(x[:, :4], x[:, :4], x[:, :4])
changed = x.copy()
changed[:, 3] += 1.0
before, _ = reference.scaled_dot_product_attention(x, x, x, mask=causal)
after, _ = reference.scaled_dot_product_attention(changed, changed, changed, mask=causal)
moved = np.abs(after - before).max(axis=(0, 2))
print("padded and alone differ by", np.abs(padded[:, :4] - alone).max())
print("change of each position when token 3 changes:", moved.round(2))

# %% [markdown]
# Attention does not know the order of the tokens: shuffle the keys with their values, and nothing
# changes. This is why a Transformer adds positions (位置编码). (Document 003 calls self-attention
# "stateless" 无状态, its word for models that see the current word only. It sees the whole text.)

# %%
order = rng.permutation(6)
straight, _ = reference.scaled_dot_product_attention(x, x, x)
shuffled, _ = reference.scaled_dot_product_attention(x, x[:, order], x[:, order])

# %% [markdown]
# ## 4. Several heads
#
# One softmax makes one average. To look at two places for two reasons takes two **heads**
# (注意力头), each with projections of its own:
#
# $$z_n = \text{Attention}(x W^Q_n,\; x W^K_n,\; x W^V_n) \qquad
# \text{output} = \sum_n z_n W^O_n + b^O$$
#
# Keras keeps the heads as an axis: $W^Q$ has shape (features, heads, key size).

# %%
tokens = rng.normal(size=(2, 5, 12))  # (B, T, D)
layer = keras.layers.MultiHeadAttention(num_heads=3, key_dim=4, dtype="float64")
layer(tokens, tokens)  # builds its weights
layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
projections, mask = layer.get_weights(), reference.causal_mask(5)
ours, trace = reference.multi_head_attention(tokens, tokens, tokens, *projections, mask=mask)
theirs = keras.ops.convert_to_numpy(layer(tokens, tokens, use_causal_mask=True))
print("W^Q", projections[0].shape, "  weights", trace.weights.shape, "(text, head, t, s)")

# %% [markdown]
# ## 5. Additive attention, and what Keras calls by that name
#
# The first attention (Bahdanau et al. 2015; 加性注意力) scored a pair with a small network:
#
# $$\text{score}_{ts} = v \cdot \tanh(q_t W_q + k_s W_k)$$
#
# `keras.layers.AdditiveAttention` has no $W_q$ and no $W_k$. Put a `Dense` layer before the query
# and one before the key.

# %%
q, k, v = (rng.normal(size=size) for size in ((1, 3, 7), (1, 5, 7), 7))
w_q, w_k = rng.normal(size=(2, 7, 7))
bahdanau, _ = reference.additive_attention(q, k, k, w_q, w_k, v)
additive = keras.layers.AdditiveAttention(dtype="float64")
additive.build([(1, 3, 7), (1, 5, 7), (1, 5, 7)])
additive.set_weights([v])
as_it_is, with_dense = additive([q, k, k]), additive([q @ w_q, k, k @ w_k])

# %% [markdown]
# ## 6. Backward
#
# Write $\bar v$ for $\partial L / \partial v$, and let the gradient $\bar o$ of the output have
# arrived. The output is the matrix product $w\, v$, so
#
# $$\bar v = w^\top \bar o \qquad\quad \bar w = \bar o\, v^\top$$
#
# Each weight depends on *all* scores of its row, because they share one sum:
# $\partial w_i / \partial \text{score}_j = w_i (1 - w_i)$ for $i = j$ and $-w_i w_j$ otherwise.
# Summed over $i$ (and $s$ is the score):
#
# $$\bar s_j = w_j \Big( \bar w_j - \sum_i w_i\, \bar w_i \Big) \qquad
# \bar q = \frac{\bar s\, k}{\sqrt{d_k}} \qquad \bar k = \frac{\bar s^\top q}{\sqrt{d_k}}$$

# %%
q, k, v = rng.normal(size=(3, 4)), rng.normal(size=(5, 4)), rng.normal(size=(5, 2))
output, trace = reference.scaled_dot_product_attention(q, k, v)
w, d_output = trace.weights, rng.normal(size=output.shape)

to_value = w.T @ d_output
to_weights = d_output @ v.T
to_scores = w * (to_weights - (w * to_weights).sum(-1, keepdims=True))
to_query, to_key = to_scores @ k / np.sqrt(4), to_scores.T @ q / np.sqrt(4)

grads = reference.scaled_dot_product_attention_backward(d_output, trace)
for mine, library in zip((to_query, to_key, to_value), grads, strict=True):
    assert np.allclose(mine, library, atol=1e-14)

proof = verify.compare(layer, [tokens, tokens])
proof

# %% [markdown]
# `key/bias` has fewer digits: a bias on the keys adds the same number to all scores of a query, and
# a softmax does not see that. Its true gradient is 0, and both sides return their rounding.

# %%
shifted, _ = reference.scaled_dot_product_attention(q, k + np.array([5.0, -3.0, 1.0, 2.0]), v)
assert np.allclose(shifted, output, atol=1e-12)

# %% [markdown]
# ## 7. A dictionary: looking, or averaging?
#
# Eight pairs (letter, number) in random order, then one letter: answer with its number. Letters get
# new numbers every time. One head of attention stands beside a network of more weights that sees
# the same pairs through an average.
#
# **Predict first:** can the averaging network learn this at all? With 1,000 questions? With 64,000?
#
# <details><summary>Answer</summary>
#
# It learns it, with more questions: after 64,000 it gets twice as many new ones right as after
# 1,000, in the same number of steps. Attention is right after the 1,000, in a quarter of the steps.
# Looking is not necessary; with it few examples were enough.
#
# </details>

# %%
NAMES, PAIRS, NUMBERS = "ABCDEFGHIJKLMNOP", 8, 8


def draw(count):
    """Return letters (B, 8), numbers (B, 8), the letter asked (B, 1), and the answer (B,)."""
    letters = np.stack([rng.permutation(len(NAMES))[:PAIRS] for _ in range(count)])
    numbers, place = rng.integers(0, NUMBERS, (count, PAIRS)), rng.integers(0, PAIRS, count)
    rows = np.arange(count)
    return [letters, numbers, letters[rows, place][:, None]], numbers[rows, place], place


(questions, answers, _), (new_questions, new_answers, place) = draw(64_000), draw(1000)

# %% tags=["figure"]
letters, numbers, (asked,) = (array[0] for array in new_questions)
pairs = (f"{NAMES[letter]}={number}" for letter, number in zip(letters, numbers, strict=True))
print(*pairs, f"  {NAMES[asked]}=?   answer: {new_answers[0]}")

# %% [markdown]
# The question is the query, the letters are the keys, the numbers are the values:


# %%
def reader(with_attention):
    letters, numbers = (keras.Input((PAIRS,), dtype="int32") for _ in range(2))
    asked = keras.Input((1,), dtype="int32")
    letter = keras.layers.Embedding(len(NAMES), 16, embeddings_initializer="glorot_normal")
    number = keras.layers.Embedding(NUMBERS, 16)
    if with_attention:  # query, value, key
        look = keras.layers.MultiHeadAttention(num_heads=1, key_dim=16, name="look")
        found = look(letter(asked), number(numbers), letter(letters))
    else:
        pairs = keras.ops.concatenate([letter(letters), number(numbers)], axis=-1)
        average = keras.ops.mean(keras.layers.Dense(64, "relu")(pairs), axis=1, keepdims=True)
        found = keras.ops.concatenate([average, letter(asked)], axis=-1)
        found = keras.layers.Dense(64, "relu")(found)
    answer = keras.layers.Dense(NUMBERS)(keras.layers.Flatten()(found))
    model = keras.Model([letters, numbers, asked], answer)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.005), loss, metrics=["accuracy"], jit_compile=False)
    return model


def right(with_attention, count, seed, epochs):
    keras.utils.set_random_seed(seed)
    model = reader(with_attention)
    known = np.arange(64_000) % count  # few questions come again and again
    shown = [part[known] for part in questions]
    model.fit(shown, answers[known], batch_size=128, epochs=epochs, verbose=0)
    return model, model.evaluate(new_questions, new_answers, batch_size=1000, verbose=0)[1]


looking = [right(True, 1000, seed, epochs=2) for seed in range(3)]
averaging = {n: [right(False, n, s, epochs=8)[1] for s in range(3)] for n in (1000, 64_000)}

# %% tags=["figure"]
print("attention,   1000 questions:", np.round([score for _, score in looking], 2))
for count, found in averaging.items():
    print(f"average,   {count:6} questions: {np.round(found, 2)}")
figure = plots.lines(
    {"average 平均": [np.mean(found) for found in averaging.values()]},
    list(averaging),
    xlabel="questions learned from 训练题数",
    ylabel="accuracy 准确率",
    title="",
    level=("guessing 瞎猜", 1 / NUMBERS),
    log="x",
    size=(6.4, 3.2),
)
axes = figure.axes[0]
for count, found in averaging.items():
    axes.plot([count] * 3, found, "|", color=COLOURS[0], markersize=12)
axes.plot([1000] * 3, [x for _, x in looking], "D", color=COLOURS[1], label="attention 注意力")
axes.set_ylim(0, 1.05)
axes.legend(frameon=False)
use_fonts(figure)

# %% [markdown]
# The weights say where it looked. The NumPy twin of the model hands them out:

# %%
weights = verify.twin(looking[0][0]).trace(new_questions)["look"].weights[:, 0, 0]  # (B, 8)
looked = (weights.argmax(-1) == place).mean()

# %% tags=["figure"]
print(f"the largest weight lies on the letter that was asked for: {looked:.0%}")
rows = [NAMES[asked] + "?" for asked in new_questions[2][:6, 0]]
figure = plots.attention_map(rows, weights[:6], list("12345678"), title="")
axes = figure.axes[0]
for row, pairs in enumerate(new_questions[0][:6]):
    for column, letter in enumerate(pairs):
        ink = "white" if weights[row, column] > 0.5 else "black"
        axes.text(column, row, NAMES[letter], ha="center", va="center", color=ink)
axes.set(xlabel="", ylabel="")
figure

# %% [markdown]
# ## 8. A head over a sentence, and what its map proves
#
# Three small Transformers learn the grammar of lesson 00, where a verb agrees with its subject:
# *this **boat** that two hungry farmers find **sings***. How far apart are *this boat …* and *these
# boats …* in the share of singular verbs? In each model some head looks from *find* at the boat
# more than any other does. Does the number come through it? We *cut* that line of sight, and, as a
# control, all lines from *find* to *farmers*; at last all lines to the subject.
#
# **Predict first:** what is left of the difference after each cut?
#
# <details><summary>Answer</summary>
#
# It depends on the model. Without that head a fifth of the difference is left in one, more than
# half in another: the number takes other ways, too. And the control moves it as well, up in one
# model and down in another. So a map shows where a head *reads*, not what the answer hangs on. Only
# the last cut takes all away, in every model: then the two sentences are the same to it.
#
# </details>

# %%
data = datasets.load("grammar", n_texts=3000)
tokenizer = text.train_tokenizer(data.texts, "word", 200)
settings = models.TransformerConfig(
    tokenizer.vocabulary_size, hidden_dim=32, num_layers=2, num_heads=2, max_length=32, dropout=0.0
)
sentences = [f"{subject} that two hungry farmers find" for subject in ("this boat", "these boats")]
BOAT, FARMERS, FIND = 2, 6, 7  # places, the beginning of the text being 0
BLOCKS = ("block_0/attention", "block_1/attention")
VERBS = "sleeps waits sings falls returns sees follows paints loves finds forgets"


def ids_of(texts):
    return text.pad_sequences(tokenizer.encode_batch(texts, bos=True, eos=True), length=24)


def share_of_singular(read):
    p = read.after.probabilities[-1]
    one, many = (p[tokenizer.encode(v)].sum() for v in (VERBS, VERBS.replace("s ", " ")[:-1]))
    return one / (one + many)


def cut(read, queries, keys, blocks=BLOCKS, head=None):
    for block, query, key in product(blocks, queries, keys):
        read = read.cut(block, query, key, head=head)
    return read


ids, held = ids_of(data.texts), ids_of(datasets.load("grammar", "test").texts)


def differences(seed):
    """Train a model; return its held-out loss, its map and how far apart the sentences are."""
    keras.utils.set_random_seed(seed)
    model = models.CausalLM(models.TransformerBackbone(settings))
    model.compile(keras.optimizers.Adam(0.005), models.TokenCrossEntropy(), jit_compile=False)
    model.fit(ids[:, :-1], ids[:, 1:], batch_size=64, epochs=8, verbose=0)
    loss = model.evaluate(held[:, :-1], held[:, 1:], batch_size=500, verbose=0)
    both = [verify.intervene(model, tokenizer.encode(s, bos=True), tokenizer) for s in sentences]
    maps = np.stack([both[0].before.array(block, "weights") for block in BLOCKS])
    block, head = divmod(int(maps[..., FIND, BOAT].argmax()), 2)  # of two heads a block
    arms = {
        "intact": both,
        "without that head's look": [cut(r, [FIND], [BOAT], [BLOCKS[block]], head) for r in both],
        "control: no look at farmers": [cut(read, [FIND], [FARMERS]) for read in both],
        "no look at the subject": [cut(read, range(3, FIND + 1), (1, BOAT)) for read in both],
    }
    found = {name: share_of_singular(a) - share_of_singular(b) for name, (a, b) in arms.items()}
    return loss, found, (both[0].before.tokens, maps[block, head])


losses, differ, looks = zip(*map(differences, (1, 2, 3)), strict=True)
gaps = {name: np.array([found[name] for found in differ]) for name in differ[0]}

# %% tags=["figure"]
print(f"loss on new texts {np.round(losses, 2)}, best {data.info['entropy_rate']:.2f}")
for name, gap in gaps.items():
    print(f"{name:28} {gap.round(2)}")
plots.attention_map(*looks[0], title="seed 1: find → boat")

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7.2, height=2.6)
for place, gap in enumerate(gaps.values()):
    axes.plot(gap, [-place] * 3, "o", color=COLOURS[0], alpha=0.8)
axes.set_yticks(-np.arange(4), list(gaps))
axes.axvline(0, color=GREY, linestyle="--")
axes.set(xlabel="difference between the two sentences 两句之差 (3 seeds)", ylim=(-3.5, 0.5))
axes.grid(axis="x", color="#dddddd")
use_fonts(figure)

# %% [markdown]
# ## Exercises
#
# An attempt that runs, gives the right shape, and is wrong:


# %%
def my_attention(query, key, value, mask=None):
    scores = query @ key.swapaxes(-1, -2) / key.shape[-1]
    scores = scores if mask is None else np.where(mask, scores, -1e9)
    weights, _ = reference.softmax(scores)
    return weights @ value


verdict = exercises.check("scaled_dot_product_attention", my_attention)
assert not verdict.ok

# %% [markdown]
# 1. *Fill a line.* `causal_mask` and `padding_mask`.
# 2. *Write it.* `scaled_dot_product_attention`: mend the attempt; then `multi_head_attention`, and
#    `scaled_dot_product_attention_backward`: section 6 is the plan.
# 3. *Break it.* In section 7, ask with *two* letters for the sum of their numbers. What does the
#    one head do now, and how many heads does it take?

# %%
exercises.show("scaled_dot_product_attention_backward")

# %% [markdown]
# ## What this lesson claims

# %%
assert np.allclose(np.divide(variance, sizes), 1, atol=0.15)  # Var(q·k) = d_k
slope_raw, slope_scaled = slopes.values()
assert slope_raw[-1] < 0.3 * slope_scaled[-1]  # without the root the softmax is stuck
assert max(slope_scaled) < 1.3 * min(slope_scaled)  # with it the size of the key does not matter
assert np.allclose(seen.weights.sum(-1), 1)  # each row of weights is an average
assert (moved[:3] == 0).all() and (moved[3:] > 0).all()  # a causal mask hides the future
assert np.allclose(padded[:, :4], alone)  # a padding mask hides the padding
assert np.allclose(straight, shuffled)  # without positions there is no order
assert not np.allclose(as_it_is, bahdanau) and np.allclose(with_dense, bahdanau)  # Keras' additive
assert np.abs(ours - theirs).max() < 1e-12 and proof.ok  # forward and gradients, NumPy = Keras
assert min(score for _, score in looking) > 0.97 and looked > 0.97  # attention: few examples do
assert max(averaging[1000]) + 0.1 < min(averaging[64_000])  # an average learns it with more
assert gaps["intact"].min() > 0.4  # all three models know the subject
assert np.abs(gaps["no look at the subject"]).max() < 1e-6  # and look at it for that
left = gaps["without that head's look"] / gaps["intact"]
assert left.max() > 0.4 > left.min()  # but not by one head: not in every model

# %% [markdown]
# ## Where to go next
#
# - [05 LSTM by hand](05_lstm_by_hand.ipynb): the same sentences, carried along.
# - [10 The Transformer from its parts](10_transformer_from_its_parts.ipynb): what is put round
#   attention, and what each part does.
# - [21 The errata](21_the_errata.ipynb): what the documents get wrong about attention (S13).
# - In the code: `kerasllm/reference/attention/multi_head_attention.py` is these equations and
#   their backward pass, `kerasllm/layers/attention.py` the Keras layer of the Transformers, with a
#   cache for generating text.
