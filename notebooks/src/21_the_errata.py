# %% [markdown]
# # 21 · The errata
#
# **What you will do.** Run sixteen defects (缺陷) of the five documents in their smallest form: see
# each fail, and the mended version beside it. A *trap* stands near a listing, and not in it: no
# document is charged with it.
#
# **What you will learn.** The mistakes that cost most time: wrong shapes, padding without a mask,
# an output that is no probability, an experiment without held-out data. Most raise no error; they
# only make the numbers meaningless.
#
# **What you need.** Python and a little Keras; [lesson 05](05_lstm_by_hand.ipynb) and
# [lesson 09](09_attention.ipynb) explain the layers. 45 minutes; the cells run in about a minute on
# a laptop, without network.
#
# **Where it comes from.** All five documents: 004 (S1 to S7, S12, S15, S16), 000 (S14), 001 (S9,
# S13), 002 (S13, S16), 003 (S11, S13, S16). S8 and S10 are traps.

# %%
from kerasllm import lessons

lessons.start()

# %%
import re
import warnings

import keras
import numpy as np
from tensorflow.keras.preprocessing.text import Tokenizer  # the documents' own, by now legacy

from kerasllm import datasets, exercises, models, plots, reference, text
from kerasllm.baselines import classification as baselines
from kerasllm.datasets.generated.loading import markov_language
from kerasllm.metrics.language import language_metrics

rng = np.random.default_rng(7)


def failure(call):
    try:
        call()
    except Exception as error:
        said = re.sub(r"\x1b\[\d*m|\{\{.*?\}\} ?", "", " ".join(str(error).split()))
        return print(f"{type(error).__name__}: {said[:90]}…")
    raise AssertionError("this should have failed, and did not")


def compiled(*parts, loss="sparse_categorical_crossentropy"):
    model = keras.Sequential(parts)
    model.compile("adam", loss, jit_compile=False)
    return model


# %% [markdown]
# ## S1 · A word tokenizer reads Chinese
#
# `Tokenizer` (分词器) cuts at spaces, and Chinese has none. Each sentence becomes one "word", and
# of a new sentence nothing is left. No error. **Mended:** a tokenizer that needs no spaces.

# %%
sentences, splitter = ["语言模型预测下一个词。", "下一个词由语言模型预测。"], Tokenizer()
splitter.fit_on_texts(sentences)
broken = splitter.texts_to_sequences([*sentences, "语言模型。"])
characters = text.train_tokenizer(sentences, "character")
mended = characters.encode_batch(sentences)

# %% tags=["figure"]
print(splitter.word_index, broken, characters.tokens(sentences[0]))
lessons.quote("004", 337)

# %% [markdown]
# ## S2 · One-hot labels, made one-hot again
#
# The labels `[[0, 1], [1, 0], …]` are one-hot (独热) already, and then go through `to_categorical`.
#
# **Predict first:** which shape do they have then?
#
# <details><summary>Answer</summary>
#
# (3, 2, 2): it takes each 0 and 1 for the number of a class. The loss cannot compare that with
# (3, 2). **Mended:** convert once.
#
# </details>

# %%
labels, features = np.array([[0, 1], [1, 0], [0, 1]]), rng.normal(size=(3, 4))
twice = keras.utils.to_categorical(labels, num_classes=2)
two = keras.Input((4,)), keras.layers.Dense(2, activation="softmax")
classifier = compiled(*two, loss="categorical_crossentropy")
failure(lambda: classifier.fit(features, twice, verbose=0))
classifier = compiled(*two, loss="categorical_crossentropy")
_ = classifier.fit(features, labels, verbose=0)

# %% tags=["figure"]
lessons.quote("004", 348)

# %% [markdown]
# ## S3 · Fine-tuning from `lstm_3`
#
# Three LSTM layers, and the third is asked for as `lstm_3`. Keras counts from nothing; and where a
# model was built before, the numbers go on, so that `lstm_3` may be the *first* layer of the next.
# **Mended:** hand over the *object*.

# %%
keras.utils.clear_session()  # numbering of names starts anew
stack = keras.Sequential([keras.layers.LSTM(5, return_sequences=True) for _ in range(3)])
names, another = [layer.name for layer in stack.layers], keras.layers.LSTM(5).name
print(names, "and the next one:", another)
failure(lambda: stack.get_layer("lstm_3"))
backbone = models.RecurrentBackbone(models.RecurrentConfig(11, hidden_dim=4, units=5, num_layers=3))
tuned = models.TextClassifier(backbone, num_classes=2)

# %% tags=["figure"]
lessons.quote("004", 155)

# %% [markdown]
# ## S4 · Hidden states under a softmax loss
#
# The model of S3 ends in the LSTM: its "prediction" is a hidden state $h$, where the loss expects
# probabilities. Keras divides by the sum, so that $h$ and $-h$ get the same loss. **Mended:** a
# head (输出层) turns the state into scores, and the loss applies the softmax.

# %%
state, target = np.array([[0.5, -0.2, 0.4, -0.1, 0.3]]), np.eye(5)[[0]]
of_states = keras.losses.CategoricalCrossentropy()
of_scores, head = keras.losses.CategoricalCrossentropy(from_logits=True), keras.layers.Dense(5)
states = [float(of_states(target, h)) for h in (state, -state)]
scores = [float(of_scores(target, head(h))) for h in (state, -state)]

# %% tags=["figure"]
print("losses of h and -h:", np.round(states, 4), " of their scores:", np.round(scores, 4))

# %% [markdown]
# ## S5 · `Embedding(input_length=…)`
#
# An argument of Keras 2. In Keras 3 an embedding reads texts of any length, and the argument does
# nothing. **Mended:** leave it out.

# %%
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    keras.layers.Embedding(11, 4, input_length=6)

# %% tags=["figure"]
print(caught[0].message)
lessons.quote("004", 136)

# %% [markdown]
# ## S6 · Padding without a mask
#
# A text of four tokens, alone and filled up with 0. A classifier reads the final state (最终状态).
#
# **Predict first:** how far does padding move it, measured by its own size?
#
# <details><summary>Answer</summary>
#
# By more than half of its size, for each of three seeds: to an LSTM a padded step is a step.
# **Mended:** `mask_zero=True`, or this library's `TokenEmbedding`, which always makes the mask
# (掩码). Then it does not move at all.
#
# </details>


# %%
def reader(mask_zero, seed=7):
    keras.utils.set_random_seed(seed)
    table = keras.layers.Embedding(11, 8, mask_zero=mask_zero, embeddings_initializer="normal")
    return keras.Sequential([keras.Input((None,), dtype="int32"), table, keras.layers.LSTM(16)])


def moved(model, padding):
    ids = [np.pad([[3, 8, 2, 5]], ((0, 0), (0, zeros))) for zeros in (0, padding)]
    alone, padded = (keras.ops.convert_to_numpy(model(a)) for a in ids)
    return float(np.abs(padded - alone).max() / np.abs(alone).max())


zeros = [0, 1, 2, 4, 8, 16, 36]
readers = {mask: [reader(mask, seed) for seed in range(3)] for mask in (False, True)}
moves = {m: [[moved(model, n) for n in zeros] for model in those] for m, those in readers.items()}

# %% tags=["figure"]
from kerasllm.plots.fonts import use_fonts
from kerasllm.plots.style import COLOURS, GREY, panels, tidy

figure, ((axes,),) = panels(width=7, height=2.8)
for found, colour, name in zip(
    moves.values(), COLOURS, ("no mask 没有掩码", "mask 有掩码"), strict=False
):
    for line in found:
        axes.plot(zeros, line, "o-", color=colour, label=name if line is found[0] else None)
axes.set(xlabel="padding 填充", ylabel="moved / size 移动 / 大小")
axes.legend(frameon=False)
tidy(axes)
use_fonts(figure)

# %% tags=["figure"]
lessons.quote("004", 345)

# %% [markdown]
# ## S7 · The vocabulary and the reserved 0
#
# The listing never says what `vocabulary_size` is. The trap: word ids start at 1, because 0 is
# padding, so `len(word_index)` rows are one too few. **Mended:** one row more.

# %%
words = Tokenizer()
words.fit_on_texts(["the cat sat", "the dog ran home"])
size, largest = len(words.word_index), max(words.word_index.values())
failure(lambda: keras.layers.Embedding(size, 4)(np.array([[largest]])))
enough = keras.layers.Embedding(size + 1, 4)(np.array([[largest]]))

# %% [markdown]
# ## S8 · A string is a list of letters
#
# `fit_on_texts` wants a list and is given one text. Python reads a string letter by letter,
# silently. **Mended:** a list; this library refuses the string.

# %%
letters = Tokenizer()
letters.fit_on_texts("the cat sat")
print(letters.word_index)
failure(lambda: text.train_tokenizer("the cat sat", "word", 50))

# %% [markdown]
# ## S9 · A tagger with one label a document
#
# The document calls a bidirectional LSTM (双向 LSTM) with a softmax at every token the fine-tuning
# of BERT; BERT is a Transformer encoder. The trap: one label a text, where (B, T, C) answers once a
# token, as in tagging (序列标注). **Mended:** pool (汇聚) the tokens first.


# %%
def both_ways(*pooling):
    lstm = keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True))
    end = keras.layers.Dense(3, activation="softmax")
    return compiled(keras.layers.Embedding(11, 5), lstm, *pooling, end)


texts, one_label = rng.integers(1, 11, (6, 9)), rng.integers(0, 3, 6)
tagger, pooled = both_ways(), both_ways(keras.layers.GlobalMaxPooling1D())
failure(lambda: tagger.fit(texts, one_label, verbose=0))
_ = pooled.fit(texts, one_label, verbose=0)

# %% tags=["figure"]
lessons.quote("001", 80)

# %% [markdown]
# ## S10 · A language model that answers once
#
# An LSTM without `return_sequences=True` is right for one next word a window. Here the targets are
# the next token at *each* position: T lessons from one text. **Mended:**

# %%
once_only, language_model = (
    compiled(keras.layers.Embedding(11, 5), keras.layers.LSTM(4, return_sequences=every),
             keras.layers.Dense(11, activation="softmax")) for every in (False, True)
)  # fmt: skip
failure(lambda: once_only.fit(texts[:, :-1], texts[:, 1:], verbose=0))
_ = language_model.fit(texts[:, :-1], texts[:, 1:], verbose=0)

# %% [markdown]
# ## S11 · The training loop
#
# The optimizer (优化器) is made anew for each batch. One weight has to find a mean: nine batches in
# ten say 0, one says 30, so the mean is 3. (Rare words are like this.) The gradient is $w - a$.
#
# **Predict first:** where does $w$ go with a new Adam for each batch? With a new SGD?
#
# <details><summary>Answer</summary>
#
# With Adam to 0: it divides a running mean of the gradient by its running size, and a new one
# knows one gradient, so every batch counts the same. SGD, the control, divides by nothing, has
# nothing to forget, and wanders about 3.
#
# </details>


# %%
def walk(optimizer, new_each_time, seed):
    draws, w, state, path = np.random.default_rng(seed), [np.ones(1)], None, []
    for a in np.where(draws.random(2000) < 0.1, 30.0, 0.0):
        state = None if new_each_time else state
        w, state = optimizer(w, [w[0] - a], state, learning_rate=0.05)
        path.append(w[0].item())
    return np.array(path)


arms = {"Adam": (reference.adam, False), "new Adam": (reference.adam, True),
        "new SGD": (reference.sgd, True)}  # fmt: skip
paths = {name: [walk(*arm, seed) for seed in range(3)] for name, arm in arms.items()}
ends = {name: [path[-1000:].mean() for path in found] for name, found in paths.items()}
failure(lambda: np.array([[4, 7, 2], [4, 7, 2, 9, 5]]))  # nor does the listing pad

# %% tags=["figure"]
for name, found in ends.items():
    print(f"{name:9} mean of the last 1,000 steps:", *(f"{x:.2f}" for x in found))
plots.lines(
    {name: found[0] for name, found in paths.items()},
    xlabel="step 步",
    ylabel="w",
    title="",
    level=("the mean 均值", 3),
)

# %% tags=["figure"]
lessons.quote("003", 85)

# %% [markdown]
# **Mended:** make the optimizer once, before the loop (Keras: `compile`); pad, and give the mask.
#
# ## S12 · Four slips in the mathematics
#
# (a) The document's LSTM, $h_t = \sigma(W \cdot [h_{t-1}; x_t] + b)$, has no cell and no gate: it
# is the *simple* RNN; the diagram is an LSTM. (b) A "vector of fixed length" with
# `return_sequences=True` is one vector a token. (c) With three outputs only three of five words can
# be chosen. (d) A softmax does not return its input: scores are logarithms.

# %%
x, h = rng.normal(size=(2, 5, 3)), np.zeros((2, 4))
kernel, recurrent, bias = (rng.normal(size=size) for size in ((3, 4), (4, 4), (4,)))
for t in range(5):  # (a) the document's equation, for rows
    joined = np.concatenate([h, x[:, t]], axis=-1)
    h, _ = reference.sigmoid(joined @ np.concatenate([recurrent, kernel]) + bias)
simple, _ = reference.simple_rnn(x, kernel, recurrent, bias, activation="sigmoid")
_, lstm = reference.lstm(x, *(rng.normal(size=size) for size in ((3, 16), (4, 16), (16,))))
every_step, last_step = (keras.layers.LSTM(4, return_sequences=kind) for kind in (True, False))
print("(b)", [tuple(every_step(np.ones((2, n, 3))).shape) for n in (5, 9)], last_step(x).shape)
three, row = rng.normal(size=(1000, 3)).argmax(-1), np.array([0.1, 0.6, 0.3])
again, logs = (reference.softmax(scores)[0] for scores in (row, np.log(row)))

# %% tags=["figure"]
print("(c) words", sorted(set(three.tolist())), " (d)", again.round(3), logs.round(3))
plots.diagram("lstm", lstm, step=1, language="both")

# %% tags=["figure"]
lessons.quote("004", 216)

# %% [markdown]
# ## S13 · Attention, and half a Transformer
#
# **K is no "dense vector"** (密集向量, 001) but the *key* (键). **There is no "Markov loss"**
# (002): *Markov* is an assumption about the text; the loss is the cross-entropy (交叉熵), and its
# best value is the entropy (熵). **Self-attention is not "stateless"** (无状态, 003) in that
# document's sense, "depends on the current word only". **Missing in 003's Transformer:** residual
# connections (残差连接), layer norm (层归一化) and the causal mask ([09](09_attention.ipynb)).
# Eight layers of attention, random weights, four arms, five seeds: how alike do tokens become? Once
# with the scores as they are, once with all scores 0, so that every token looks at all alike.
#
# **Predict first:** which keeps tokens apart, the residual or the norm?
#
# <details><summary>Answer</summary>
#
# It depends. Where a token may look at itself (left), either does. Where attention is even (right),
# the residual alone can: without it all tokens are the same after one layer, norm or no norm.
#
# </details>


# %%
def alike(x):
    unit = x / np.linalg.norm(x, axis=-1, keepdims=True)
    return ((unit @ unit.T).sum() - len(x)) / (len(x) * (len(x) - 1))


def through(residual, norm, scale, seed, depth=8):
    draws = np.random.default_rng(seed)
    x, found = draws.normal(size=(10, 16)), []
    for _ in range(depth):
        found.append(alike(x))
        given = reference.layer_norm(x, np.ones(16), np.zeros(16))[0] if norm else x
        values = given @ draws.normal(size=(16, 16)) / 4
        read, _ = reference.scaled_dot_product_attention(given, given, values, scale=scale)
        x = x + read if residual else read
    return [*found, alike(x)]


four = {"neither 无": (0, 0), "norm 层归一化": (0, 1), "residual 残差": (1, 0), "both 都有": (1, 1)}
as_scored, even = (
    {name: [through(*arm, scale, seed) for seed in range(5)] for name, arm in four.items()}
    for scale in (None, 0.0)  # None: 1 / √d; 0: every token looks at all alike
)
first = x + (np.arange(5) == 0)[:, None]  # another first token
seen, other = (reference.scaled_dot_product_attention(a, a, a)[0] for a in (x, first))
markov = markov_language(seed=0)
drawn = markov.sample(4000, seed=1)
nats = -sum(map(markov.log_probability, drawn)) / sum(len(s.split()) + 1 for s in drawn)

# %% tags=["figure"]
print(f"cross-entropy of the true model {nats:.3f}, entropy {markov.entropy_rate:.3f}")
figure, (two_axes,) = panels(1, 2, width=8.6, height=3.2)
for axes, arms_, title in zip(two_axes, (as_scored, even), ("q·k / √d", "0"), strict=True):
    for (name, found), colour in zip(arms_.items(), COLOURS, strict=False):
        print(f"scores {title}, {name}:", *(f"{line[-1]:.2f}" for line in found))
        for line in found:
            axes.plot(line, color=colour, label=name if line is found[0] else None)
    axes.set(xlabel="layers 层", title=f"scores 分数: {title}", ylim=(-0.35, 1.05))
    tidy(axes)
two_axes[0].set(ylabel="cosine between tokens 词元间的余弦")
two_axes[1].legend(frameon=False, loc="lower right")
use_fonts(figure)

# %% tags=["figure"]
lessons.quote("002", 27)

# %% [markdown]
# ## S14 · What a large language model is, and what an LSTM costs
#
# Document 000 defines a large language model as an RNN and shortens it to BLSTM: a *bidirectional
# LSTM*, which reads the word that it is to predict. And "LSTM and GRU are cheaper on long
# sequences": their step multiplies four and three times as many numbers as that of a simple RNN.

# %%
blstm = models.RecurrentConfig(11, hidden_dim=8, units=4, num_layers=1, bidirectional=True)
failure(lambda: models.CausalLM(models.RecurrentBackbone(blstm)))
weights = {}
for cell in (keras.layers.SimpleRNN, keras.layers.GRU, keras.layers.LSTM):
    layer = cell(32, use_bias=False)
    layer.build((None, None, 16))
    weights[cell.__name__] = layer.count_params()  # each is multiplied once a step

# %% tags=["figure"]
print("multiplications a step:", weights)
lessons.quote("000", 9)

# %% [markdown]
# ## S15 · Chunks are not tokens, and three sentences are no experiment
#
# Document 004 names *tokenization* as the way to cut long texts into blocks (分块). Tokenising
# turns text into ids; a long text stays long. And it trains 100 epochs on three sentences, without
# held-out data (留出数据). The training accuracy will be perfect. On other sentences?

# %%
train, test = datasets.load("spam_en"), datasets.load("spam_en", "test")  # notes, some unwanted
by_words = text.train_tokenizer(train.texts, "word", 2000)
ids = by_words.encode(" ".join(train.texts))


def right(rows, epochs):
    keras.utils.set_random_seed(7)
    config = models.RecurrentConfig(by_words.vocabulary_size, hidden_dim=16, units=16, num_layers=1)
    model = models.TextClassifier(models.RecurrentBackbone(config), num_classes=2)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"], jit_compile=False)
    given = [(text.pad_sequences(by_words.encode_batch(part.texts), length=40), part.label_ids)
             for part in (rows, test)]  # fmt: skip
    model.fit(*given[0], batch_size=16, epochs=epochs, verbose=0)
    return [model.evaluate(*part, verbose=0)[1] for part in given]


threes = [right(train[k : k + 3], 100) for k in (0, 3, 6)]  # three sentences, three times
held_out = right(train, 10)[1]
majority = baselines.majority(train, test).metrics["accuracy"]
linear = baselines.linear(train, test).metrics["accuracy"]

# %% tags=["figure"]
bars = dict(zip(("3 sentences, seen", "3 sentences, new"), np.mean(threes, axis=0), strict=True))
bars |= {
    "always the same": majority, f"{len(train)} sentences, new": held_out,
    "linear baseline 线性基线": linear,
}  # fmt: skip
print(f"tokenised: {len(ids)} ids, still one text; cut: {len(text.windows(ids, length=128))}")
for name, score in bars.items():
    print(f"{name:24} {score:.0%}")
figure, ((axes,),) = panels(width=7, height=2.4)
axes.barh(range(5), bars.values(), color=[COLOURS[1], COLOURS[1], GREY, COLOURS[0], GREY])
axes.plot([score for _, score in threes], [1] * 3, "o", color="black")
axes.set_yticks(range(5), bars)
axes.set(xlabel="accuracy 准确率", xlim=(0, 1), ylim=(4.6, -0.6))
tidy(axes)
use_fonts(figure)

# %% tags=["figure"]
lessons.quote("004", 360)

# %% [markdown]
# A network with thousands of weights learns any three sentences by heart (过拟合). **Mended:**
# split first, score the held-out part, and print a linear baseline beside the network: with all
# rows this network is no better than that.
#
# ## S16 · Words
#
# 003 translates Transformer as 变压器, which changes a voltage. 004 calls learning from few
# examples 零样本, zero-shot. 002 calls perplexity (困惑度) 分数, a score, of which more would be
# better: a model that knows has 1, one that guesses among 8 has 8. All the terms: the
# [glossary](../docs/glossary.md).

# %%
guessing, sure = (language_metrics(n, tokens=10)["perplexity"] for n in (10 * np.log(8), 0.0))

# %% tags=["figure"]
print(f"perplexity of a model that guesses among 8: {guessing:.0f}; of one that knows: {sure:.0f}")
lessons.quote("003", 9)

# %% [markdown]
# ## Exercises
#
# An attempt at the mask that S11 lacks:


# %%
def my_padding_mask(ids, pad=0):
    return (np.asarray(ids) == pad)[:, None, :]


verdict = exercises.check("padding_mask", my_padding_mask)

# %% [markdown]
# 1. *Fill a line.* `padding_mask` (mend the attempt above) and `causal_mask`: S11 and S13.
# 2. *Write it.* `softmax`, which does *not* return its input, and `lstm_step`: S12.
# 3. *Break it.* In S11 let one batch in two say 30. Where does the new Adam go now? Predict first.

# %%
exercises.show("softmax")

# %% [markdown]
# ## What this lesson claims
#
# One cell, all sixteen. If it runs, they hold on your machine.

# %%
assert broken == [[1], [2], []] and len(set(mended[0]) & set(mended[1])) >= 8  # S1
assert twice.shape == (3, 2, 2)  # S2
assert [*names, another] == ["lstm", "lstm_1", "lstm_2", "lstm_3"]  # S3
assert tuned.backbone is backbone
assert np.allclose(states, -np.log(0.5 / 0.9)) and not np.isclose(*scores)  # S4
assert "deprecated" in str(caught[0].message)  # S5
assert np.min(moves[False], axis=0)[-1] > 0.5 and np.max(moves[True]) < 1e-6  # S6, three seeds
assert largest == size and enough.shape == (1, 1, 4)  # S7
assert all(len(word) == 1 for word in letters.word_index)  # S8
assert tagger.compute_output_shape((6, 9)) == (6, 9, 3) and pooled(texts).shape == (6, 3)  # S9
assert once_only.compute_output_shape((6, 8)) == (6, 11)  # S10
assert language_model(texts[:, :-1]).shape == (6, 8, 11)
assert np.abs(ends["new Adam"]).max() < 0.2  # S11
assert all(np.abs(np.subtract(ends[name], 3)).max() < 0.8 for name in ("Adam", "new SGD"))
assert np.allclose(h, simple) and np.allclose(logs, row) and again.max() < row.max()  # S12
ends_of = [[np.array(x)[:, -1] for x in arms_.values()] for arms_ in (as_scored, even)]
assert max(map(max, ends_of[0][1:])) < 0.5 < max(ends_of[0][0])  # S13, five seeds: either helps
assert min(map(min, ends_of[1][:2])) > 0.999 and max(ends_of[1][3]) < 0.95  # … or the residual only
assert np.abs(seen - other)[0, -1].max() > 1e-3 and abs(nats - markov.entropy_rate) < 0.02
assert weights["LSTM"] == 4 * weights["SimpleRNN"] and 3 * weights["LSTM"] == 4 * weights["GRU"]
assert all(seen == 1 and new < min(held_out, linear) - 0.1 for seen, new in threes)  # S15
assert np.isclose(guessing, 8) and sure == 1.0 and not verdict.ok  # S16

# %% [markdown]
# ## Where to go next
#
# - [05 LSTM by hand](05_lstm_by_hand.ipynb) for S6, S12 and S14.
# - [09 Attention](09_attention.ipynb) for S11 and S13.
# - [What each document's listing becomes](../docs/documents.md): a script for each, which runs.
# - At a terminal: `kerasllm quickstart` goes the whole way that document 004 describes, with
#   held-out data and baselines.
