# %% [markdown]
# # 21 · The errata
#
# **What you will do.** Run sixteen defects of the five documents in their smallest form, see each
# fail, and run the mended version beside it. A *trap* is one that stands near a listing, and not in
# it: no document is charged with it.
#
# **What you will learn.** The mistakes that cost most time in practice: wrong shapes, padding
# without a mask, an output that is no probability, an experiment without held-out data. And how
# to see them: most do not raise an error, they only make the numbers meaningless.
#
# **What you need.** Python and a little Keras. 45 minutes; the cells run in about half a minute
# on a laptop, without network. [Lesson 05](05_lstm_by_hand.ipynb) and [lesson
# 09](09_attention.ipynb) explain the layers.
#
# | | document | defect (缺陷) | what happens |
# |---|---|---|---|
# | S1 | 004 | word tokenizer on Chinese | one token a sentence, silently |
# | S2 | 004 | one-hot labels made one-hot again | raises |
# | S3 | 004 | fine-tunes from a layer that is not there | raises |
# | S4 | 004 | hidden states under a softmax loss | the loss means nothing |
# | S5 | 004 | `Embedding(input_length=…)` | deprecated |
# | S6 | 004 | padding before an LSTM without a mask | the final state is not the text's |
# | S7 | 004 | `vocabulary_size` undefined; trap: the reserved 0 | the last id is out of range |
# | S8 | trap near 004 | a string where a list of texts is wanted | read letter by letter |
# | S9 | 001 | a tagger's shape, called BERT; trap: one label a text | raises |
# | S10 | trap near 002 | language model without `return_sequences`, targets shifted | raises |
# | S11 | 003 | new optimizer in the loop, no padding, no mask | Adam forgets; raises |
# | S12 | 004 | four slips in the mathematics | wrong maths |
# | S13 | 001, 002, 003 | K, "Markov loss", "stateless", half a Transformer | wrong or missing |
# | S14 | 000 | what an LLM is; what an LSTM costs | wrong |
# | S15 | 004 | chunking as tokenising; nothing held out | wrong method |
# | S16 | 002, 003, 004 | 分数, 变压器, few-shot called 零样本 | wrong words |

# %%
from kerasllm import lessons

lessons.start()

# %%
import re
import warnings

import keras
import numpy as np
from tensorflow.keras.preprocessing.text import Tokenizer  # the documents' own, by now legacy

from kerasllm import datasets, exercises, layers, models, plots, reference, text, verify
from kerasllm.baselines import classification as baselines
from kerasllm.datasets.generated.loading import markov_language
from kerasllm.metrics.language import language_metrics

rng = np.random.default_rng(7)


def failure(kind, call):
    """Run something that has to fail with an error of this kind, and print the error."""
    try:
        call()
    except kind as error:
        said = re.sub(r"\x1b\[\d*m|\{\{.*?\}\} ?", "", " ".join(str(error).split()))
        said = re.sub(r"\[\[.*?\]\]", "[[…]]", said)  # arrays
        print(f"{type(error).__name__}: {said[:90]}{'…' * (len(said) > 90)}")
    else:
        raise AssertionError("this should have failed, and did not")


# %% [markdown]
# ## S1 · A word tokenizer reads Chinese
#
# **The failure.** `Tokenizer` (分词器) cuts at spaces. Chinese has none.

# %%
sentences = ["语言模型预测下一个词。", "下一个词由语言模型预测。"]
splitter = Tokenizer()
splitter.fit_on_texts(sentences)
broken = splitter.texts_to_sequences(sentences)
print(splitter.word_index)
print("ids:", broken)
assert [len(ids) for ids in broken] == [1, 1] and broken[0] != broken[1]
assert splitter.texts_to_sequences(["语言模型。"]) == [[]]  # a new sentence: nothing is left of it

# %% [markdown]
# **Why.** Each sentence became one "word", so two sentences that share almost all characters
# share no id, and of a new sentence nothing is left. No error, and nothing to learn. **Mended:** a
# tokenizer that needs no spaces, by characters here, or byte-level BPE.

# %%
characters = text.train_tokenizer(sentences, "character")
mended = characters.encode_batch(sentences)
print(characters.tokens(sentences[0]))
shared = set(mended[0]) & set(mended[1])
assert len(mended[0]) == len(sentences[0]) and len(shared) >= 8
assert characters.decode(mended[0]) == sentences[0]

# %% [markdown]
# ## S2 · One-hot labels, made one-hot again
#
# **The failure.** The labels are `[[0, 1], [1, 0], …]`, one-hot (独热) already, and then go
# through `to_categorical`.

# %%
labels = np.array([[0, 1], [1, 0], [0, 1]])
twice = keras.utils.to_categorical(labels, num_classes=2)
print("labels", labels.shape, "-> labels made one-hot again", twice.shape)

features = rng.normal(size=(3, 4))
classifier = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2, activation="softmax")])
classifier.compile("adam", "categorical_crossentropy", jit_compile=False)
assert twice.shape == (3, 2, 2)
failure(ValueError, lambda: classifier.fit(features, twice, verbose=0))

# %% [markdown]
# **Why.** `to_categorical` wants class numbers, and takes each 0 and 1 for one. The loss then
# compares (3, 2) with (3, 2, 2). **Mended:** convert once, or keep the numbers and use the sparse
# loss.

# %%
once = keras.utils.to_categorical(labels.argmax(-1), num_classes=2)
classifier.compile("adam", "categorical_crossentropy", jit_compile=False)
classifier.fit(features, once, verbose=0)
assert np.array_equal(once, labels)

# %% [markdown]
# ## S3 · Fine-tuning from `lstm_3`
#
# **The failure.** A model with three LSTM layers, and the third is asked for by the name `lstm_3`.

# %%
keras.utils.clear_session()  # numbering of names starts anew
stack = keras.Sequential(
    [keras.Input((None,), dtype="int32"), keras.layers.Embedding(11, 4)]
    + [keras.layers.LSTM(5, return_sequences=True) for _ in range(3)]
)
names = [layer.name for layer in stack.layers]
print(names)
assert names[1:] == ["lstm", "lstm_1", "lstm_2"]
failure(ValueError, lambda: stack.get_layer("lstm_3"))
another = keras.layers.LSTM(5).name  # as when the cell is run once more
print("the next LSTM that is made is called", another)
assert another == "lstm_3"

# %% [markdown]
# **Why.** Keras counts from nothing: `lstm`, `lstm_1`, `lstm_2`; and in a notebook where a model
# was built before, the numbers go on, so that `lstm_3` may be the *first* layer of the next one. A
# name that Keras makes up is no address. **Mended:** give
# the *object*. A task of this library takes a backbone, never a layer's name.

# %%
config = models.RecurrentConfig(vocabulary_size=11, hidden_dim=4, units=5, num_layers=3)
backbone = models.RecurrentBackbone(config)
tuned = models.TextClassifier(backbone, num_classes=2)
assert tuned.backbone is backbone
print("scores of two classes for 3 texts:", tuned(rng.integers(1, 11, (3, 7))).shape)

# %% [markdown]
# ## S4 · Hidden states under a softmax loss
#
# **The failure.** The model of S3 ends in the LSTM, so its "prediction" is a hidden state, and the
# loss is `categorical_crossentropy`. Take one state $h$ and its opposite $-h$:

# %%
state = np.tanh(rng.normal(size=(1, 5)) + 0.3)
target = np.eye(5)[[0]]
crossentropy = keras.losses.CategoricalCrossentropy()
loss_of_state = float(crossentropy(target, state))
loss_of_opposite = float(crossentropy(target, -state))
print("state", state.round(2), " sum", state.sum().round(2))
print(f"loss of h {loss_of_state:.4f}, loss of -h {loss_of_opposite:.4f}")
assert (state < 0).any() and not np.isclose(state.sum(), 1)
assert np.isclose(loss_of_state, loss_of_opposite)

# %% [markdown]
# **Why.** The loss expects probabilities; a state lies between -1 and 1 and does not sum to one.
# Keras divides by the sum, so two opposite states get the same loss, and negative entries are cut
# off. **Mended:** a head (输出层) turns the state into scores, and the loss applies the softmax.

# %%
head = keras.layers.Dense(5)
from_scores = keras.losses.CategoricalCrossentropy(from_logits=True)
scores, opposite = head(state), head(-state)
assert not np.isclose(float(from_scores(target, scores)), float(from_scores(target, opposite)))
probabilities, _ = reference.softmax(keras.ops.convert_to_numpy(scores))
assert np.isclose(probabilities.sum(), 1) and (probabilities > 0).all()

# %% [markdown]
# ## S5 · `Embedding(input_length=…)`
#
# **The failure.** An argument of Keras 2.

# %%
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    keras.layers.Embedding(11, 4, input_length=6)
print(caught[0].message)
assert "deprecated" in str(caught[0].message)

# %% [markdown]
# **Why.** In Keras 3 an embedding reads texts of any length and the argument does nothing; early
# versions of Keras 3 raised an error. **Mended:** leave it out. The length belongs to the
# `Input`, and `None` there means any.

# %%
any_length = keras.Sequential([keras.Input((None,), dtype="int32"), keras.layers.Embedding(11, 4)])
assert any_length(np.ones((2, 3))).shape == (2, 3, 4)
assert any_length(np.ones((2, 8))).shape == (2, 8, 4)

# %% [markdown]
# ## S6 · Padding without a mask
#
# **The failure.** The same text twice: alone, and filled up with 0 to a length of 40. The
# classifier reads the final state (最终状态).


# %%
def reads(mask_zero):
    keras.utils.set_random_seed(7)
    return keras.Sequential(
        [
            keras.Input((None,), dtype="int32"),
            keras.layers.Embedding(11, 8, mask_zero=mask_zero, embeddings_initializer="normal"),
            keras.layers.LSTM(16),
        ]
    )


ids = np.array([[3, 8, 2, 5]])
filled = np.pad(ids, ((0, 0), (0, 36)))


def moved(model):
    alone, padded = (keras.ops.convert_to_numpy(model(a)) for a in (ids, filled))
    return float(np.abs(padded - alone).max() / np.abs(alone).max())


print(f"without mask the final state moves by {moved(reads(False)):.1f} times its own size")
print(f"with mask it moves by {moved(reads(True)):.1g}")
assert moved(reads(False)) > 0.5

# %% [markdown]
# **Why.** To an LSTM a padded step is a step: it goes on computing with the vector of id 0. The
# shorter the text, the more of its final state is about padding. **Mended:** `mask_zero=True`, or
# this library's `TokenEmbedding`, which always makes the mask (掩码).

# %%
assert moved(reads(True)) < 1e-6
assert verify.check_masks(reads(True)).ok and not verify.check_masks(reads(False)).ok

# %% [markdown]
# ## S7 · The vocabulary and the reserved 0
#
# **The failure.** The listing of §3.2 uses `vocabulary_size` and never says what it is. The trap
# beside it: word ids start at 1, because 0 is padding, so `len(word_index)` rows are one too few.

# %%
english = ["the cat sat", "the dog ran home"]
words = Tokenizer()
words.fit_on_texts(english)
size, largest = len(words.word_index), max(words.word_index.values())
print(f"{size} words, largest id {largest}, rows in the table 0 … {size - 1}")
assert largest == size
too_small = keras.layers.Embedding(size, 4)
failure(Exception, lambda: too_small(np.array([[largest]])))

# %% [markdown]
# **Why.** The table has rows 0 to V-1, and the last word asks for row V. On a CPU TensorFlow
# raises; on a GPU, and with JAX, you may silently get zeros or another row. **Mended:** one row
# more; this library's `vocabulary_size` counts all ids, the special ones included.

# %%
assert keras.layers.Embedding(size + 1, 4)(np.array([[largest]])).shape == (1, 1, 4)
tokenizer = text.train_tokenizer(english, "word", 100, min_frequency=1)
assert max(max(row) for row in tokenizer.encode_batch(english)) < tokenizer.vocabulary_size

# %% [markdown]
# ## S8 · A string is a list of letters
#
# **The trap.** `fit_on_texts` wants a list of texts and is given one text.

# %%
letters = Tokenizer()
letters.fit_on_texts("the cat sat")
print(letters.word_index)
assert all(len(word) == 1 for word in letters.word_index)

# %% [markdown]
# **Why.** A string can be iterated like a list, one letter at a time, so Python does not object.
# The "words" are letters, silently. **Mended:** a list with one text; this library refuses the
# string.

# %%
assert "cat" in text.train_tokenizer(["the cat sat"], "word", 50, min_frequency=1).tokens("cat")
failure(TypeError, lambda: text.train_tokenizer("the cat sat", "word", 50))

# %% [markdown]
# ## S9 · A tagger with one label a document
#
# **The failure.** The document calls a bidirectional LSTM (双向 LSTM) with `return_sequences=True`
# and a softmax at every token the fine-tuning of BERT. The trap: labels that are one a text.

# %%
texts, one_label = rng.integers(1, 11, (6, 9)), rng.integers(0, 3, 6)
tokens = keras.Input((None,), dtype="int32")
both_ways = keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True))
x = both_ways(keras.layers.Embedding(11, 5)(tokens))
tagger = keras.Model(tokens, keras.layers.Dense(3, activation="softmax")(x))
tagger.compile("adam", "sparse_categorical_crossentropy", jit_compile=False)
print("outputs", tagger(texts).shape, " labels", one_label.shape)
assert tagger(texts).shape == (6, 9, 3)
failure(ValueError, lambda: tagger.fit(texts, one_label, verbose=0))

# %% [markdown]
# **Why.** A shape (B, T, C) answers once a token: that is tagging (序列标注). A label a document
# needs the tokens pooled (汇聚) into one vector first. (The document calls this model BERT; BERT
# is a Transformer encoder, and has no LSTM in it.) **Mended:**

# %%
bilstm = models.RecurrentConfig(11, hidden_dim=8, units=4, num_layers=1, bidirectional=True)
pooled = models.TextClassifier(models.RecurrentBackbone(bilstm), num_classes=3)
loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
pooled.compile("adam", loss, jit_compile=False)
pooled.fit(texts, one_label, verbose=0)
assert pooled(texts).shape == (6, 3)

encoder = models.TransformerConfig(
    11, hidden_dim=8, num_layers=1, num_heads=2, max_length=16, causal=False
)
bert_like = models.MaskedLM(models.TransformerBackbone(encoder))  # what BERT is: it fills gaps
assert not bert_like.backbone.causal

# %% [markdown]
# ## S10 · A language model that answers once
#
# **The trap.** `Embedding`, `LSTM`, `Dense`, without `return_sequences=True`, is right for one next
# word a window. Here the targets are the next token at *each* position.

# %%
inputs, next_tokens = texts[:, :-1], texts[:, 1:]
once_only = keras.Sequential(
    [
        keras.Input((None,), dtype="int32"),
        keras.layers.Embedding(11, 5),
        keras.layers.LSTM(4),
        keras.layers.Dense(11, activation="softmax"),
    ]
)
once_only.compile("adam", "sparse_categorical_crossentropy", jit_compile=False)
print("outputs", once_only(inputs).shape, " targets", next_tokens.shape)
failure(ValueError, lambda: once_only.fit(inputs, next_tokens, verbose=0))

# %% [markdown]
# **Why.** Without `return_sequences=True` an LSTM returns its last state alone, one prediction a
# text. A language model (语言模型) is trained on all of them, T lessons from one text.
# **Mended:**

# %%
causal = models.RecurrentConfig(11, hidden_dim=8, units=4, num_layers=1)
language_model = models.CausalLM(models.RecurrentBackbone(causal))
language_model.compile("adam", models.TokenCrossEntropy(), jit_compile=False)
language_model.fit(inputs, next_tokens, verbose=0)
assert language_model(inputs).shape == (6, 8, 11)  # (B, T, V)

# %% [markdown]
# ## S11 · The training loop
#
# **The failure.** The optimizer (优化器) is made inside of the loop, anew for each batch. A model
# of one weight has to find a mean: nine batches in ten say 0, one says 30, so the mean is 3.
# (Rare words are like this.) The loss of a batch is $\frac12 (w - a)^2$, its gradient $w - a$.


# %%
def walk(new_each_time):
    draws = np.random.default_rng(5)
    w, state, path = [np.ones(1)], None, []
    for _ in range(2000):
        a = 30.0 if draws.random() < 0.1 else 0.0
        state = None if new_each_time else state
        w, state = reference.adam(w, [w[0] - a], state, learning_rate=0.05)
        path.append(w[0].item())
    return np.array(path)


fresh, kept = walk(True), walk(False)

plots.lines(
    {"one optimizer": kept, "new optimizer for each batch": fresh},
    xlabel="step",
    ylabel="weight",
    title="Adam without memory misses what is rare",
    level=("the mean", 3),
)

# %%
print(
    f"mean of the last 1000 steps: new optimizer {abs(fresh[-1000:].mean()):.1f}, "
    f"one optimizer {kept[-1000:].mean():.1f}, the data 3.0"
)
assert abs(fresh[-1000:].mean()) < 0.2 and abs(kept[-1000:].mean() - 3) < 0.6

first_step, _ = reference.adam([np.zeros(3)], [np.array([1e-3, 1.0, -50.0])], learning_rate=0.05)
assert np.allclose(np.abs(first_step[0]), 0.05, rtol=1e-2)  # whatever the gradient

# %% [markdown]
# **Why.** Adam divides a running mean of the gradient by its running size; a new Adam knows one
# gradient, so the ratio is ±1 and every batch counts the same, however large its gradient. It goes
# where most batches point, to 0. **Mended:** make the optimizer once, before the loop (in Keras:
# `compile`).
#
# The same listing does not pad (填充) and gives no attention mask. Its ids become an array only
# because its two sentences happen to have equally many tokens:

# %%
short, long = [4, 7, 2], [4, 7, 2, 9, 5]
failure(ValueError, lambda: np.array([short, long]))

batch = text.pad_sequences([short, long])
mask = reference.padding_mask(batch)
x = rng.normal(size=(11, 6))[batch]  # (B, T, D): a vector for each id
x_alone = x[:1, :3]
blind, _ = reference.scaled_dot_product_attention(x, x, x)
masked, _ = reference.scaled_dot_product_attention(x, x, x, mask=mask)
alone, _ = reference.scaled_dot_product_attention(x_alone, x_alone, x_alone)
print(
    f"padding without mask changes the short text by {np.abs(blind[0, :3] - alone[0]).max():.2f}, "
    f"with mask by {np.abs(masked[0, :3] - alone[0]).max():.2f}"
)
assert np.abs(blind[0, :3] - alone[0]).max() > 0.05
assert np.allclose(masked[0, :3], alone[0], atol=1e-14)

# %% [markdown]
# A trap near it: the listing turns its labels into a tensor, as it must. To Keras a plain list
# means "several outputs"; labels have to be an array:

# %%
failure(ValueError, lambda: classifier.fit(features, [1, 0, 1], verbose=0))
classifier.compile("adam", "sparse_categorical_crossentropy", jit_compile=False)
classifier.fit(features, np.array([1, 0, 1]), verbose=0)
assert classifier(features).shape == (3, 2)

# %% [markdown]
# ## S12 · Four slips in the mathematics
#
# **(a) An "LSTM" with one gate.** The document's equation is
# $h_t = \sigma(W \cdot [h_{t-1}; x_t] + b)$. It has no cell and no gate: it is the *simple* RNN.

# %%
x = rng.normal(size=(2, 5, 3))
kernel, recurrent, bias = (rng.normal(size=s) for s in ((3, 4), (4, 4), (4,)))
h = np.zeros((2, 4))
for t in range(5):  # the document's equation, for rows
    joined = np.concatenate([h, x[:, t]], axis=-1)
    h, _ = reference.sigmoid(joined @ np.concatenate([recurrent, kernel]) + bias)
simple, _ = reference.simple_rnn(x, kernel, recurrent, bias, activation="sigmoid")
assert np.allclose(h, simple)

# Mended: four of these sums, a cell, and two more lines; see lesson 05.
gates = [rng.normal(size=s) for s in ((3, 16), (4, 16), (16,))]
_, trace = reference.lstm(x, *gates)
assert np.allclose(trace.c[:, 0], trace.i[:, 0] * trace.g[:, 0])
assert np.allclose(trace.c[:, 1], trace.f[:, 1] * trace.c[:, 0] + trace.i[:, 1] * trace.g[:, 1])

# %% [markdown]
# **(b) A "vector of fixed length" with `return_sequences=True`.** That is one vector a token. The
# fixed one is the last state.

# %%
every_step = keras.layers.LSTM(4, return_sequences=True)
last_step = keras.layers.LSTM(4)
for length in (5, 9):
    batch = np.ones((2, length, 3))
    print(
        f"length {length}: every step {every_step(batch).shape}, last step {last_step(batch).shape}"
    )
assert every_step(np.ones((2, 5, 3))).shape != every_step(np.ones((2, 9, 3))).shape
assert last_step(np.ones((2, 5, 3))).shape == last_step(np.ones((2, 9, 3))).shape

# %% [markdown]
# **(c) Three outputs for five words.** With three output neurons only words 0, 1 and 2 can ever be
# chosen. A vocabulary of five needs five scores.

# %%
states = rng.normal(size=(1000, 6))
three, five = (states @ rng.normal(size=(6, outputs)) for outputs in (3, 5))
print("words that three outputs can name:", sorted(set(three.argmax(-1).tolist())))
assert set(three.argmax(-1)) == {0, 1, 2} and set(five.argmax(-1)) == {0, 1, 2, 3, 4}

# %% [markdown]
# **(d) A softmax that returns its input.** The document applies softmax to a row that sums to one
# already and gets the same row. Softmax of probabilities flattens them; only an even row stays.

# %%
row = np.array([0.1, 0.6, 0.3])
again, _ = reference.softmax(row)
print("row", row, " softmax of it", again.round(3))
assert not np.allclose(again, row) and again.max() < row.max()
assert np.allclose(reference.softmax(np.full(5, 0.2))[0], 0.2)
assert np.allclose(reference.softmax(np.log(row))[0], row)  # mended: scores are logarithms

# %% [markdown]
# ## S13 · Attention, and half a Transformer
#
# **K is no "dense vector"** (密集向量, document 001) but the *key* (键). The three are not alike:
# exchange key and value and the result is another.

# %%
q, k, v = rng.normal(size=(3, 4, 4))
right, _ = reference.scaled_dot_product_attention(q, k, v)
swapped, _ = reference.scaled_dot_product_attention(q, v, k)
assert np.abs(right - swapped).max() > 0.1

# %% [markdown]
# **There is no "Markov loss"** (马尔可夫损失, document 002). *Markov* is an assumption about the
# text: the next word depends on the last few alone. The loss is the cross-entropy (交叉熵) for
# every language model. For a Markov language its best value is known, and the true model reaches
# it:

# %%
markov = markov_language(seed=0)
drawn = markov.sample(4000, seed=1)
nats = -sum(markov.log_probability(text_) for text_ in drawn)
tokens_drawn = sum(len(text_.split()) + 1 for text_ in drawn)
print(
    f"cross-entropy of the true model {nats / tokens_drawn:.3f}, entropy {markov.entropy_rate:.3f}"
)
assert abs(nats / tokens_drawn - markov.entropy_rate) < 0.02

# %% [markdown]
# **Self-attention is not "stateless"** (无状态, document 003) in that document's sense, "depends
# on the current word only": change the first token and the last output moves.

# %%
x = rng.normal(size=(1, 6, 8))
other = x.copy()
other[:, 0] += 1.0
before, _ = reference.scaled_dot_product_attention(x, x, x)
after, _ = reference.scaled_dot_product_attention(other, other, other)
assert np.abs(after - before)[0, -1].max() > 1e-3

# %% [markdown]
# **What is missing from the document's Transformer:** residual connections (残差连接), layer norm
# (层归一化) and the causal mask (因果掩码). Without residuals, each attention averages the
# tokens, and after some layers they are all alike:


# %%
def alike(x):
    """Return the mean cosine between the tokens of a text, 1 when all are the same."""
    unit = x[0] / np.linalg.norm(x[0], axis=-1, keepdims=True)
    cosines = unit @ unit.T
    return (cosines.sum() - len(unit)) / (len(unit) * (len(unit) - 1))


start = rng.normal(size=(1, 10, 16))
bare, whole, sameness = start, start, {"bare": [alike(start)], "whole": [alike(start)]}
for _ in range(8):
    values = rng.normal(size=(16, 16)) / 4
    bare, _ = reference.scaled_dot_product_attention(bare, bare, bare @ values)
    normed, _ = reference.layer_norm(whole, np.ones(16), np.zeros(16))
    read, _ = reference.scaled_dot_product_attention(normed, normed, normed @ values)
    whole = whole + read
    sameness["bare"].append(alike(bare))
    sameness["whole"].append(alike(whole))

plots.lines(
    {"with residual and norm": sameness["whole"], "attention alone": sameness["bare"]},
    xlabel="layers",
    ylabel="cosine between tokens",
    title="Without residuals tokens merge",
)

# %%
print(
    f"after 8 layers: attention alone {sameness['bare'][-1]:.2f}, "
    f"with residual and norm {sameness['whole'][-1]:.2f}"
)
assert sameness["bare"][-1] > 0.95 > 0.8 > sameness["whole"][-1]

# %% [markdown]
# And without the causal mask a "language model" reads the word that it should predict. The
# library's encoder has all three:

# %%
x = rng.normal(size=(1, 6, 8)).astype("float32")
changed = x.copy()
changed[:, 5] = rng.normal(size=8)  # another last token
for is_causal in (False, True):
    block = layers.TransformerEncoder(num_heads=2, inner_dim=16, causal=is_causal)
    past = [keras.ops.convert_to_numpy(block(a))[:, :5] for a in (x, changed)]
    sees = np.abs(past[0] - past[1]).max() > 1e-4
    print(f"causal={is_causal!s:5}  the past sees the last token: {sees}")
    assert sees != is_causal

# %% [markdown]
# ## S14 · What a large language model is, and what an LSTM costs
#
# **The failure.** Document 000 defines a large language model as an RNN and shortens it to BLSTM.
# But a BLSTM is a *bidirectional LSTM*, which reads the word that it is to predict; and most
# large models are Transformers. A language model is defined by what it computes, $p(\text{next}
# \mid \text{past})$, whatever computes it.

# %%
both = models.RecurrentBackbone(bilstm)
failure(ValueError, lambda: models.CausalLM(both))

transformer = models.TransformerConfig(11, hidden_dim=8, num_layers=1, num_heads=2, max_length=16)
for name, network in {
    "LSTM": language_model,
    "Transformer": models.CausalLM(models.TransformerBackbone(transformer)),
}.items():
    p, _ = reference.softmax(keras.ops.convert_to_numpy(network(inputs)))
    print(
        f"{name:11} p(next | past) sums to one at each step: {np.allclose(p.sum(-1), 1, atol=1e-5)}"
    )
    assert np.allclose(p.sum(-1), 1, atol=1e-5)

# %% [markdown]
# **"LSTM and GRU are cheaper on long sequences."** They are not: a step of an LSTM multiplies four
# times as many numbers as one of a simple RNN, a GRU three times, at any length. What gates buy is
# memory ([lesson 05](05_lstm_by_hand.ipynb)), not speed.

# %%
weights = {}
for name, cell in {
    "SimpleRNN": keras.layers.SimpleRNN,
    "GRU": keras.layers.GRU,
    "LSTM": keras.layers.LSTM,
}.items():
    layer = cell(32, use_bias=False)
    layer.build((None, None, 16))
    weights[name] = layer.count_params()  # each is multiplied once a step
    print(f"{name:10} {weights[name]:5} multiplications a step")
assert weights["LSTM"] == 4 * weights["SimpleRNN"] and weights["GRU"] == 3 * weights["SimpleRNN"]

# %% [markdown]
# ## S15 · Chunks are not tokens, and three sentences are no experiment
#
# **The failure, first part.** Document 004 names *tokenization* as the way to cut long texts into
# blocks (分块). Tokenising turns text into ids; a long text stays long. Cutting comes after.

# %%
novel = " ".join(datasets.load("grammar", n_texts=60).texts)
by_words = text.train_tokenizer([novel], "word", 200)
long_ids = by_words.encode(novel)
pieces = text.windows(long_ids, length=128)
print(f"tokenised: {len(long_ids)} ids, still one text; cut: {len(pieces)} windows of at most 128")
assert len(long_ids) > 500 and max(map(len, pieces)) <= 128
assert set().union(*map(set, pieces)) == set(long_ids)  # nothing is lost

# %% [markdown]
# **Second part.** 100 epochs on three sentences, and no held-out data (留出数据). The training
# accuracy will be perfect. What of other sentences?

# %%
train, test = datasets.load("spam_en"), datasets.load("spam_en", "test")  # notes, some unwanted
by_words = text.train_tokenizer(train.texts, "word", 2000)


def ids_of(data):
    return text.pad_sequences(by_words.encode_batch(data.texts), length=40)


def small_classifier():
    keras.utils.set_random_seed(7)
    config = models.RecurrentConfig(by_words.vocabulary_size, hidden_dim=16, units=16, num_layers=1)
    model = models.TextClassifier(models.RecurrentBackbone(config), num_classes=2)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss, metrics=["accuracy"], jit_compile=False)
    return model


# %%
three = train[:3]
model = small_classifier()
model.fit(ids_of(three), three.label_ids, epochs=100, verbose=0)
seen = model.evaluate(ids_of(three), three.label_ids, verbose=0)[1]
unseen = model.evaluate(ids_of(test), test.label_ids, verbose=0)[1]

mended = small_classifier()  # the same network, all the training rows
mended.fit(ids_of(train), train.label_ids, batch_size=16, epochs=10, verbose=0)
held_out = mended.evaluate(ids_of(test), test.label_ids, verbose=0)[1]
majority = baselines.majority(train, test).metrics["accuracy"]
linear = baselines.linear(train, test).metrics["accuracy"]
print(
    f"3 sentences, 100 epochs: right on these three {seen:.0%}, on {len(test)} others {unseen:.0%}"
)
print(f"always the same answer: {majority:.0%}")
print(f"mended, {len(train)} sentences: network {held_out:.0%}, linear baseline {linear:.0%}")
assert seen == 1.0 and unseen < min(held_out, linear) - 0.15

# %% [markdown]
# **Why.** A network with thousands of weights learns any three sentences by heart (过拟合,
# overfitting), and only data that it has not seen can tell. **Mended:** split first, score the
# held-out part, and print a linear baseline beside the network; `kerasllm.finetune` and
# `kerasllm.evaluate` do all three.
#
# ## S16 · Words
#
# **The failure.** Document 003 translates Transformer as 变压器, the device that changes a voltage.
# 004 says that GPT-3 learns from few examples, and calls it 零样本, zero-shot. 002 calls perplexity
# (困惑度) 分数, a score, of which more would be better.


# %%
def prompt(examples, question):
    return "".join(f"{word} -> {answer}\n" for word, answer in examples) + f"{question} ->"


zero_shot, few_shot = prompt([], "cat"), prompt([("dog", "狗"), ("bird", "鸟")], "cat")
shots = zero_shot.count("\n"), few_shot.count("\n")
guessing, sure = (language_metrics(nats, tokens=10)["perplexity"] for nats in (10 * np.log(8), 0.0))
print(f"{shots[0]} examples: zero-shot; {shots[1]}: few-shot")
print(f"perplexity of a model that guesses among 8: {guessing:.0f}; of one that knows: {sure:.0f}")
assert shots == (0, 2) and np.isclose(guessing, 8) and sure == 1.0

# %% [markdown]
# **Mended:** Transformer is not translated; zero-shot is 零样本, few-shot 少样本; of perplexity
# less is better. The [glossary](../docs/glossary.md) has all the terms.
#
# ## Exercises
#
# Several of these defects are tasks for the checker, which knows common mistakes. An attempt at
# the mask that S11 lacks:


# %%
def my_padding_mask(ids, pad=0):
    return (np.asarray(ids) == pad)[:, None, :]


verdict = exercises.check("padding_mask", my_padding_mask)
assert not verdict.ok

# %% [markdown]
# Now you; `exercises.show(...)` states a task, `exercises.hint(...)` helps:
#
# 1. `padding_mask` and `causal_mask`: what S11 and S13 lack (mend the attempt above).
# 2. `softmax`, which does *not* return its input (S12).
# 3. `lstm_step`: all four gates (S12).
# 4. Without the checker: take a listing of your own, and ask of each array: what is its shape, what
#    does it sum to, and which rows has the model never seen?

# %%
exercises.show("softmax")

# %% [markdown]
# ## What this lesson claims
#
# One cell, all sixteen. If it runs, they hold on your machine.

# %%
assert [len(ids_) for ids_ in broken] == [1, 1]  # S1
assert twice.shape == (3, 2, 2)  # S2
assert "lstm_3" not in names  # S3
assert np.isclose(loss_of_state, loss_of_opposite)  # S4
assert "deprecated" in str(caught[0].message)  # S5
assert moved(reads(False)) > 0.5 and moved(reads(True)) < 1e-6  # S6
assert largest == size  # S7
assert all(len(word) == 1 for word in letters.word_index)  # S8
assert tagger(texts).shape == (6, 9, 3) and pooled(texts).shape == (6, 3)  # S9
assert once_only(inputs).shape == (6, 11) and language_model(inputs).shape == (6, 8, 11)  # S10
assert abs(fresh[-1000:].mean()) < 0.2 and abs(kept[-1000:].mean() - 3) < 0.6  # S11
assert np.allclose(h, simple) and not np.allclose(again, row)  # S12
assert sameness["bare"][-1] > 0.95 > sameness["whole"][-1]  # S13
assert weights["LSTM"] == 4 * weights["SimpleRNN"]  # S14
assert seen == 1.0 and unseen < min(held_out, linear) - 0.15  # S15
assert shots == (0, 2) and sure < guessing  # S16

# %% [markdown]
# ## Where to go next
#
# - [05 LSTM by hand](05_lstm_by_hand.ipynb) for S12 and S14; lesson 06 for S6.
# - [09 Attention](09_attention.ipynb) for S11 and S13.
# - At a terminal: `kerasllm quickstart` goes the whole way that document 004 describes, with
#   held-out data and baselines.
