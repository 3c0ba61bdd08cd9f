# %% [markdown]
# # 09 · Attention
#
# **What you will do.** Turn a weighted average into scaled dot-product attention (缩放点积注意力),
# mask it, split it into heads, send a gradient back through it, and watch a trained head look at
# the subject of a sentence.
#
# **What you will learn.** What query, key and value (查询, 键, 值) are; why the scores are
# divided by $\sqrt{d_k}$; what each mask (掩码) hides; what several heads can do that one cannot;
# how additive attention (加性注意力) differs from the Keras layer of that name.
#
# **What you need.** Python and matrix products. 40 minutes; the cells run in about half a minute
# on a laptop, without network. [Lesson 05](05_lstm_and_gru_by_hand.ipynb) helps but is not
# required.

# %%
from kerasllm import lessons

lessons.start()

# %%
import keras
import numpy as np

from kerasllm import datasets, exercises, models, plots, reference, text, verify

# %% [markdown]
# ## 1. A weighted average
#
# A recurrent network carries what it has read from step to step. Attention (注意力) does not
# carry: it keeps all tokens and *looks back*. Each token $s$ offers a **key** $k_s$ (what can be
# found here) and a **value** $v_s$ (what is read when it is found). A **query** $q$ says what is
# wanted.
#
# How well a key answers a query is their dot product. A **softmax** makes these scores positive
# and divides them by their sum, so that they become weights (权重) that sum to one. The output is
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
print("scores ", scores)
print("weights", weights.round(3), " sum", weights.sum().round(6))
print("output ", by_hand.round(3))

# %% [markdown]
# The third key answers best, so most of the output is its value. The library's function and the
# Keras layer `Attention` agree with us (this Keras layer takes query, **value**, key, in that
# order, and does not scale):

# %%
ours, _ = reference.dot_attention(query[None], keys, values)
theirs = keras.layers.Attention(dtype="float64")([query[None, None], values[None], keys[None]])
theirs = keras.ops.convert_to_numpy(theirs)
print(f"by hand {by_hand[0]:.12f}, NumPy {ours[0, 0]:.12f}, Keras {theirs[0, 0, 0]:.12f}")
assert np.allclose([ours[0, 0], theirs[0, 0, 0]], by_hand[0], rtol=0, atol=1e-12)

# %% [markdown]
# With many queries at once this is two matrix products, for all pairs of tokens at the same time.
# Let the rows of $Q$ be the queries, and the rows of $K$ and $V$ the keys and values; the softmax
# works along each row. The Transformer's version has one factor more, in which $d_k$ is the number
# of entries of a key:
#
# $$\text{Attention}(Q, K, V) = \text{softmax}\left(\frac{Q K^\top}{\sqrt{d_k}}\right) V$$

# %%
queries = np.array([query, [0.0, -1.0], [3.0, 0.0]])  # (T, d_k): three at once
raw = queries @ keys.T / np.sqrt(2)  # (T, S): a score for each pair
shares = np.exp(raw) / np.exp(raw).sum(axis=-1, keepdims=True)  # each row sums to one
at_once = shares @ values  # (T, 1)
by_library, _ = reference.scaled_dot_product_attention(queries, keys, values)
print("one output for each query:", at_once[:, 0].round(2))
assert np.allclose(at_once, by_library, atol=1e-14)

# %% [markdown]
# ## 2. Why the root of $d_k$?
#
# Let the $d_k$ entries of $q$ and $k$ be independent, with mean 0 and variance 1 (方差, the mean
# square of the distance from the mean). Means of independent numbers multiply, so each product
# $q_j k_j$ has mean $0 \cdot 0 = 0$ and variance $1 \cdot 1 = 1$; and variances of independent
# terms add up:
#
# $$\text{Var}(q \cdot k) = \sum_{j=1}^{d_k} \text{Var}(q_j k_j) = d_k$$
#
# So a score grows like $\sqrt{d_k}$ only because the vectors are longer. Dividing by $\sqrt{d_k}$
# brings the variance back to 1.

# %%
rng = np.random.default_rng(7)
sizes = [4, 16, 64, 256, 1024]
drawn = [rng.normal(size=(2, 500, 8, size)) for size in sizes]
products = [(q[:, :1] * k).sum(axis=-1) for q, k in drawn]  # 500 trials: a query on 8 keys
variance = [scores.var() for scores in products]
plots.lines(
    {"measured": variance, "d_k": sizes},
    sizes,
    xlabel="d_k, entries of a key",
    ylabel="variance of q·k",
    title="Scores grow with the size of the key",
    log="xy",
)

# %% [markdown]
# Why does it matter? When one score is far above the others its weight is nearly 1 and all others
# are nearly 0. The slope of a weight in its own score is $w (1 - w)$ (section 6 derives it), and
# that is 0 at both ends: no gradient, nothing more can be learned.

# %%
slopes = {"q·k": [], "q·k / √d_k": []}
for size, scores_raw in zip(sizes, products, strict=True):
    for name, scaled in zip(slopes, (scores_raw, scores_raw / np.sqrt(size)), strict=True):
        p, _ = reference.softmax(scaled)
        slopes[name].append((p * (1 - p)).mean())

figure = plots.lines(
    slopes,
    sizes,
    xlabel="d_k, entries of a key",
    ylabel="mean slope of the softmax",
    title="Without the root the softmax gets stuck",
    log="x",
)
figure.axes[0].set_ylim(0)
figure

# %%
slope_raw, slope_scaled = slopes.values()
assert np.allclose(np.divide(variance, sizes), 1, atol=0.15)  # Var(q·k) = d_k
assert slope_raw[-1] < 0.3 * slope_scaled[-1]  # without the root the softmax is stuck
assert max(slope_scaled) < 1.3 * min(slope_scaled)  # with it the size of the key does not matter

# %% [markdown]
# ## 3. Masks: who may look at whom
#
# A mask is a table of yes and no: may query $t$ look at key $s$? A forbidden score is set to
# $-\infty$ (or something very low), so that its weight $e^{-\infty}$ is 0. Two masks matter:
#
# - the **padding mask** (填充掩码): nobody looks at padding;
# - the **causal mask** (因果掩码): no token looks at a later one. A language model that could see
#   the next token would not have to predict it.

# %%
ids = np.array([[5, 9, 3, 7, 0, 0]])  # 4 tokens and 2 of padding
padding = reference.padding_mask(ids)[0]
causal = reference.causal_mask(6)
x = rng.normal(size=(1, 6, 8))
_, seen = reference.scaled_dot_product_attention(x, x, x, mask=padding & causal)

names = ["我", "爱", "自然", "语言", "<pad>", "<pad>"]
plots.attention_map(names, seen.weights[0], title="Padding and causal mask: no weight to the right")

# %% [markdown]
# Each row is one query and sums to one. (The two rows of padding look at something, but nobody
# reads what they find: nobody looks at padding, and the loss leaves it out.)

# %%
assert np.allclose(seen.weights.sum(-1), 1)
assert (seen.weights[0][~(padding & causal)] == 0).all()

# A padded text gives the same numbers as the text alone, and the past does not see the future.
padded, _ = reference.scaled_dot_product_attention(x, x, x, mask=padding)
alone, _ = reference.scaled_dot_product_attention(x[:, :4], x[:, :4], x[:, :4])
assert np.allclose(padded[:, :4], alone, atol=1e-14)

changed = x.copy()
changed[:, 3] += 1.0
before, _ = reference.scaled_dot_product_attention(x, x, x, mask=causal)
after, _ = reference.scaled_dot_product_attention(changed, changed, changed, mask=causal)
moved = np.abs(after - before).max(axis=(0, 2))
print("change of each position when token 3 changes:", moved.round(2))
assert (moved[:3] == 0).all() and (moved[3:] > 0).all()

# %% [markdown]
# Attention without positions does not know the order of the tokens: shuffle the keys together with
# their values and nothing changes. This is why a Transformer adds positions (位置编码).
#
# (Document 003 calls self-attention "stateless" 无状态, its word for models that see the current
# word only. Attention carries no state along, but it sees the whole text.)

# %%
order = rng.permutation(6)
straight, _ = reference.scaled_dot_product_attention(x, x, x)
shuffled, _ = reference.scaled_dot_product_attention(x, x[:, order], x[:, order])
assert np.allclose(straight, shuffled, atol=1e-14)

# %% [markdown]
# ## 4. Several heads
#
# One softmax makes one average. To look at two places for two reasons a layer needs two **heads**
# (注意力头). Each head $n$ has small projections of its own, and their readings are mixed at the
# end:
#
# $$z_n = \text{Attention}(x W^Q_n,\; x W^K_n,\; x W^V_n) \qquad
# \text{output} = \sum_n z_n W^O_n + b^O$$
#
# The weights below are a Keras layer's own, with random numbers. Mind the traps: Keras calls its
# layer with (query, **value**, key), and keeps the heads as an axis: $W^Q$ has shape
# (features, heads, key size).

# %%
tokens = rng.normal(size=(2, 5, 12))  # (B, T, D)
layer = keras.layers.MultiHeadAttention(num_heads=3, key_dim=4, dtype="float64")
layer(tokens, tokens)  # builds its weights
layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])

# Keras rounds 1/√K to float32; the reference takes the exact root unless told otherwise.
scale = float(np.float32(4**-0.5))
ours, trace = reference.multi_head_attention(
    tokens, tokens, tokens, *layer.get_weights(), mask=reference.causal_mask(5), scale=scale
)
theirs = keras.ops.convert_to_numpy(layer(tokens, tokens, use_causal_mask=True))
print("W^Q", layer.get_weights()[0].shape, "  weights", trace.weights.shape, "(text, head, t, s)")
assert np.abs(ours - theirs).max() < 1e-12

# %% [markdown]
# Two heads read what one cannot. Let token 0 ask for the values of token 1 *and* token 3. One head
# can only return something between the two; two heads return both:

# %%
key = 50 * np.eye(4)  # four keys, far apart
value = np.array([[1.0], [2.0], [3.0], [4.0]])
both, _ = reference.scaled_dot_product_attention(key[[1]] + key[[3]], key, value)
first, _ = reference.scaled_dot_product_attention(key[[1]], key, value)
second, _ = reference.scaled_dot_product_attention(key[[3]], key, value)
print(f"one head: {both.item():.2f}   two heads: {first.item():.2f} and {second.item():.2f}")
assert np.isclose(both.item(), 3) and np.isclose([first.item(), second.item()], [2, 4]).all()

# %% [markdown]
# One head answers 3, which is the value of neither token.
#
# ## 5. Additive attention, and what Keras calls by that name
#
# The first attention (Bahdanau et al. 2015) scored a pair with a small network in the place of a
# dot product:
#
# $$\text{score}_{ts} = v \cdot \tanh(q_t W_q + k_s W_k)$$
#
# `keras.layers.AdditiveAttention` has no $W_q$ and no $W_k$: it computes $v \cdot \tanh(q_t +
# k_s)$. To get Bahdanau's attention from it you need a `Dense` layer before the query and one
# before the key.

# %%
q, k = rng.normal(size=(1, 3, 7)), rng.normal(size=(1, 5, 7))
w_q, w_k, v = rng.normal(size=(7, 7)), rng.normal(size=(7, 7)), rng.normal(size=7)
bahdanau, _ = reference.additive_attention(q, k, k, w_q, w_k, v)
bare, _ = reference.additive_attention(q, k, k, np.eye(7), np.eye(7), v)

additive = keras.layers.AdditiveAttention(dtype="float64")
additive.build([(1, 3, 7), (1, 5, 7), (1, 5, 7)])
additive.set_weights([v])
as_it_is = keras.ops.convert_to_numpy(additive([q, k, k]))
with_dense = keras.ops.convert_to_numpy(additive([q @ w_q, k, k @ w_k]))

print(f"Keras as it is    = Bahdanau's: {np.allclose(as_it_is, bahdanau)}")
print(f"Keras as it is    = without projections: {np.allclose(as_it_is, bare)}")
print(f"Keras after Dense = Bahdanau's: {np.allclose(with_dense, bahdanau)}")
assert not np.allclose(as_it_is, bahdanau)
assert np.allclose(as_it_is, bare, atol=1e-12) and np.allclose(with_dense, bahdanau, atol=1e-12)

# %% [markdown]
# ## 6. Backward
#
# Write $dv$ for $\partial L / \partial v$. Let $d\text{output}$ have arrived.
#
# **From** $\text{output} = w\, v$, a matrix product:
#
# $$dv = w^\top\, d\text{output} \qquad\quad dw = d\text{output}\; v^\top$$
#
# **Through the softmax.** Each weight depends on *all* scores of its row, because they share one
# sum: $\partial w_i / \partial \text{score}_j = w_i (1 - w_i)$ for $i = j$ and $-w_i w_j$
# otherwise. Summed over $i$ this becomes short:
#
# $$d\text{score}_j = w_j \Big( dw_j - \sum_i w_i\, dw_i \Big)$$
#
# A step of training goes against the gradient: a value that lowers the loss more than the average
# of what is read gets a higher score, the others a lower one. The gradients of a row add up to 0.
#
# **From** $\text{score} = q k^\top / \sqrt{d_k}$:
#
# $$dq = \frac{d\text{score}\; k}{\sqrt{d_k}} \qquad\quad
# dk = \frac{d\text{score}^\top q}{\sqrt{d_k}}$$

# %%
q, k, v = rng.normal(size=(3, 4)), rng.normal(size=(5, 4)), rng.normal(size=(5, 2))
output, trace = reference.scaled_dot_product_attention(q, k, v)
d_output = rng.normal(size=output.shape)

w = trace.weights
d_v = w.T @ d_output
d_w = d_output @ v.T
d_score = w * (d_w - (w * d_w).sum(-1, keepdims=True))
d_q, d_k = d_score @ k / np.sqrt(4), d_score.T @ q / np.sqrt(4)

grads = reference.scaled_dot_product_attention_backward(d_output, trace)
for name, mine, library in zip(("query", "key", "value"), (d_q, d_k, d_v), grads, strict=True):
    print(f"gradient of the {name:5} as in the library: {np.allclose(mine, library, atol=1e-14)}")
    assert np.allclose(mine, library, atol=1e-14)
assert np.allclose(d_score.sum(-1), 0, atol=1e-14)


# %% [markdown]
# And is it true? Nudge one number of the key and measure, then let `verify.compare` hold the whole
# Keras layer against NumPy:


# %%
def loss_when_nudged(nudge):
    """Return Σ d_output · output when key 2 is nudged in its first number."""
    other = k.copy()
    other[2, 0] += nudge
    return (d_output * reference.scaled_dot_product_attention(q, other, v)[0]).sum()


measured = (loss_when_nudged(1e-5) - loss_when_nudged(-1e-5)) / 2e-5
print(f"derived {d_k[2, 0]:.9f}, measured {measured:.9f}")
assert abs(measured - d_k[2, 0]) < 1e-8

proof = verify.compare(layer, [tokens, tokens])
assert proof.ok
proof

# %% [markdown]
# One row has fewer digits, `key/bias`. A bias on the keys adds the same number, $q \cdot b$, to all
# scores of a query, and a softmax does not see what is added to all: the true gradient is 0, and
# both sides return the dust of their rounding. Such a row is a reason to look, not to worry:

# %%
shifted, _ = reference.scaled_dot_product_attention(q, k + np.array([5.0, -3.0, 1.0, 2.0]), v)
assert np.allclose(shifted, output, atol=1e-12)

# %% [markdown]
# ## 7. A task that cannot be solved without looking
#
# A dictionary: eight pairs (letter, number) in random order, then one letter. Answer with its
# number. Letters get new numbers every time, so there is nothing to memorise; one has to *look
# up*. One head of attention does exactly that. Beside it a network of more weights that sees the
# same pairs through an average.

# %%
PAIRS, LETTERS, NUMBERS = 8, 16, 8


def draw(count):
    """Return letters (B, 8), numbers (B, 8), the letter asked (B, 1), and the answer (B,)."""
    letters = np.stack([rng.permutation(LETTERS)[:PAIRS] for _ in range(count)])
    numbers, place = rng.integers(0, NUMBERS, (count, PAIRS)), rng.integers(0, PAIRS, count)
    rows = np.arange(count)
    return [letters, numbers, letters[rows, place][:, None]], numbers[rows, place], place


(questions, answers, _), (new_questions, new_answers, place) = draw(4000), draw(500)
letters, numbers, asked = (array[0] for array in new_questions)
pairs = " ".join(f"{'ABCDEFGHIJKLMNOP'[a]}={n}" for a, n in zip(letters, numbers, strict=True))
print(f"{pairs}   {'ABCDEFGHIJKLMNOP'[asked[0]]}=?   answer: {new_answers[0]}")

# %% [markdown]
# The question is the query, the letters are the keys, the numbers are the values:


# %%
def reader(with_attention):
    letters, numbers = (keras.Input((PAIRS,), dtype="int32") for _ in range(2))
    asked = keras.Input((1,), dtype="int32")
    letter = keras.layers.Embedding(LETTERS, 16, embeddings_initializer="glorot_normal")
    number = keras.layers.Embedding(NUMBERS, 16)
    if with_attention:  # query, value, key
        look = keras.layers.MultiHeadAttention(num_heads=1, key_dim=16, name="look")
        found = look(letter(asked), number(numbers), letter(letters))
    else:
        pairs = keras.layers.Concatenate()([letter(letters), number(numbers)])
        pairs = keras.layers.Dense(64, activation="relu")(pairs)
        average = keras.layers.GlobalAveragePooling1D(keepdims=True)(pairs)
        found = keras.layers.Concatenate()([average, letter(asked)])
        found = keras.layers.Dense(64, activation="relu")(found)
    answer = keras.layers.Dense(NUMBERS)(keras.layers.Flatten()(found))
    model = keras.Model([letters, numbers, asked], answer)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"], jit_compile=False)
    return model


# %%
looking, averaging = reader(True), reader(False)
accuracy = {}
for name, model in {"attention": looking, "average": averaging}.items():
    model.fit(questions, answers, batch_size=64, epochs=5, verbose=0)
    accuracy[name] = model.evaluate(new_questions, new_answers, verbose=0)[1]
    print(
        f"{name:9}  {model.count_params():5} weights   right on new questions: {accuracy[name]:.0%}"
    )
print(f"guessing                  {1 / NUMBERS:.0%}")
assert accuracy["attention"] > 0.97 and accuracy["average"] < 0.5
assert looking.count_params() < averaging.count_params()

# %% [markdown]
# The weights say where it looked. The NumPy twin of the model hands them out:

# %%
weights = verify.twin(looking).trace(new_questions)["look"].weights[:, 0, 0]  # (500, 8)
looked = (weights.argmax(-1) == place).mean()
print(f"the largest weight lies on the letter that was asked for: {looked:.0%}")
assert looked > 0.97

rows = [f"find {'ABCDEFGHIJKLMNOP'[asked]}" for asked in new_questions[2][:6, 0]]
title = "The head looks where it is asked"
figure = plots.attention_map(rows, weights[:6], list("12345678"), title=title)
axes = figure.axes[0]
for row, pairs in enumerate(new_questions[0][:6]):
    for column, letter in enumerate(pairs):
        ink = "white" if weights[row, column] > 0.5 else "black"
        axes.text(column, row, "ABCDEFGHIJKLMNOP"[letter], ha="center", va="center", color=ink)
axes.set(xlabel="pair (its letter is written in the cell)", ylabel="question")
figure

# %% [markdown]
# ## 8. A head over a sentence
#
# Now a small Transformer language model, trained on the grammatical sentences of lesson 05, where
# a verb agrees with its subject across a clause: *this **boat** that two hungry farmers find
# **sings***. To predict the verb after *find*, the model has to know that the boat is one.

# %%
data = datasets.load("grammar", n_texts=3000)
tokenizer = text.train_tokenizer(data.texts, "word", 200)
ids = text.pad_sequences(tokenizer.encode_batch(data.texts, bos=True, eos=True), length=24)
settings = models.TransformerConfig(
    vocabulary_size=tokenizer.vocabulary_size,
    hidden_dim=32,
    num_layers=2,
    num_heads=2,
    max_length=32,
    dropout=0.0,
)
language_model = models.CausalLM(models.TransformerBackbone(settings))
language_model.compile(keras.optimizers.Adam(0.005), models.TokenCrossEntropy(), jit_compile=False)
history = language_model.fit(ids[:, :-1], ids[:, 1:], batch_size=64, epochs=8, verbose=0).history
entropy = data.info["entropy_rate"]
print(f"loss {history['loss'][-1]:.2f} nats, best possible {entropy:.2f} nats")
assert history["loss"][-1] < entropy + 0.25


# %%
def read(sentence):
    return verify.trace(language_model, [tokenizer.bos_id, *tokenizer.encode(sentence)], tokenizer)


def probability(seen, verbs):
    return sum(seen.probabilities[-1][tokenizer.token_to_id(verb)] for verb in verbs.split())


one = read("this boat that two hungry farmers find")
many = read("these boats that two hungry farmers find")
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
# Which head brings the subject to the place where the verb is predicted? The one that puts most
# weight on *boat* while it reads *find*:

# %%
SUBJECT, LAST = one.tokens.index("boat"), len(one.tokens) - 1
maps = {block: one.array(f"{block}/attention", "weights") for block in ("block_0", "block_1")}
block, head = max(
    ((b, n) for b in maps for n in range(2)), key=lambda bn: maps[bn[0]][bn[1], LAST, SUBJECT]
)
on_subject = maps[block][head, LAST, SUBJECT]
print(
    f"{block}, head {head + 1}: weight {on_subject:.2f} from 'find' on 'boat'; "
    f"an even spread over {LAST + 1} tokens would be {1 / (LAST + 1):.2f}"
)
assert on_subject > 2 / (LAST + 1)

title = f"{block}, head {head + 1}: at the end it looks at the subject"
plots.attention_map(one.tokens, maps[block][head], title=title)

# %% [markdown]
# Read the last row: at *find*, the head looks back over the clause at the subject. Nobody told it
# to; it is what predicting verbs takes. A caution: a map shows where a head *reads*, not what the
# model makes of it. The test of importance is to take the word away or change it, as we did with
# *boat* and *boats*.
#
# ## Exercises
#
# The checker tries random numbers and knows common mistakes. Here is an attempt that runs, gives
# the right shape, and is wrong:


# %%
def my_attention(query, key, value, mask=None):
    scores = query @ key.swapaxes(-1, -2) / key.shape[-1]
    if mask is not None:
        scores = np.where(mask, scores, -1e9)
    weights, _ = reference.softmax(scores)
    return weights @ value


verdict = exercises.check("scaled_dot_product_attention", my_attention)
assert not verdict.ok

# %% [markdown]
# Now you; `exercises.show(...)` states a task, `exercises.hint(...)` helps:
#
# 1. `causal_mask` and `padding_mask`, one line each.
# 2. `scaled_dot_product_attention`: mend the attempt above.
# 3. `additive_attention`, then `multi_head_attention`.
# 4. `scaled_dot_product_attention_backward`: section 6 is the plan.
# 5. Without the checker: in section 7, ask with *two* letters for the sum of their numbers. How
#    many heads does it take?

# %%
exercises.show("scaled_dot_product_attention_backward")

# %% [markdown]
# ## What this lesson claims
#
# One cell, all claims. If it runs, they hold on your machine.

# %%
assert np.isclose(variance[-1] / sizes[-1], 1, atol=0.15)  # Var(q·k) = d_k
assert slope_raw[-1] < 0.3 * slope_scaled[-1]  # why the root
assert (moved[:3] == 0).all()  # a causal mask hides the future
assert np.allclose(padded[:, :4], alone)  # a padding mask hides the padding
assert np.allclose(straight, shuffled)  # without positions there is no order
assert not np.allclose(as_it_is, bahdanau) and np.allclose(with_dense, bahdanau)  # Keras' additive
assert proof.ok  # forward and gradients, NumPy = Keras
assert accuracy["attention"] > 0.97 and accuracy["average"] < 0.5  # looking is needed
assert on_subject > 2 / (LAST + 1)  # a head finds the subject

# %% [markdown]
# ## Where to go next
#
# - [05 LSTM and GRU by hand](05_lstm_and_gru_by_hand.ipynb): the same sentences, carried in a cell.
# - [21 The errata](21_the_errata.ipynb): what the documents get wrong about attention (S13).
# - In the code: `kerasllm/reference/attention/multi_head_attention.py` is these equations and
#   their backward pass, `kerasllm/layers/attention.py` the Keras layer of the Transformers, with a
#   cache for generating text.
