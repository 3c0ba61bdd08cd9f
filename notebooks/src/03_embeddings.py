# %% [markdown]
# # 03 · Embeddings
#
# **What you will do.** Work through the five-word example of document 004 correctly, show that
# looking up is multiplying, train word vectors in thirty lines of NumPy, and measure what their
# neighbours and their famous analogies are worth.
#
# **What you will learn.** What an embedding (嵌入) is; which rows of its table learn; what makes
# two vectors neighbours; how *king − man + woman* can flatter; when vectors help a task and when
# not.
#
# **What you need.** [Lesson 02](02_neuron_layer_downhill.ipynb): a layer, softmax, a gradient.
# 35 minutes; the cells run in about half a minute on a laptop, without network.
#
# **Where it comes from.** Document 004, §4.2.1 and §4.3: five words, three numbers each. §9.4
# adds that vectors may be 手动定义, defined by hand.

# %%
from kerasllm import lessons

lessons.start()

# %%
import keras
import numpy as np

from kerasllm import datasets, exercises, plots, reference
from kerasllm.datasets.generated.grammar import RULES
from kerasllm.plots import fonts
from kerasllm.plots.style import COLOURS, panels, tidy

lessons.quote("004", 264)

# %% [markdown]
# ## 1. Five words
#
# The document writes its five vectors by hand, one row a word, a table of $V = 5$ rows and $D = 3$
# columns. Looking up word 3 is taking row 3. It is also a matrix product: a vector with a single 1
# (one-hot, 独热) times the table. So an embedding *is* a dense layer without a bias, whose input
# is nearly all zeros; nobody computes the zeros.

# %%
words = ["hello", "world", "python", "code", "AI"]
table = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [0, 1, 1]], float)  # (V, D)
ids = np.array([[0, 1, 2, 3, 4]])  # "hello world python code AI"
vectors, looked_up = reference.embedding(ids, table)  # (1, 5, 3)
assert np.array_equal(vectors[0], np.eye(5) @ table)
plots.diagram("embedding", looked_up, step=3, tokens=words, language="both")

# %% [markdown]
# Then the document decodes: 3个输出神经元, three output neurons for five words. That cannot be: a
# score for each word takes five. Let us score each word by its own row,
# $\text{scores} = e\,E^\top$, and take a softmax, which does change what it is given (in the
# document it returns its input):
#
# **Predict first:** we look up "hello" and ask the table which word that was. What does it answer?
#
# <details><summary>Answer</summary>
#
# It cannot say. *hello* scores 1·1 = 1, and *code* = [1, 1, 0] scores 1·1 + 0·1 = 1 as well. These
# vectors look nice, and do not tell *hello* from *code*. So let us have vectors *learned*.
#
# </details>

# %%
scores = vectors[0] @ table.T  # (5, 5): a score for each word
probabilities, _ = reference.softmax(scores)
assert np.allclose(probabilities.sum(axis=1), 1) and not np.allclose(probabilities, scores)
for word, row in zip(words, probabilities, strict=True):
    best = [words[i] for i in np.flatnonzero(np.isclose(row, row.max()))]
    print(f"{word:7} {row.round(2)}  likeliest: {', '.join(best)}")

# %% [markdown]
# ## 2. Which rows learn
#
# The gradient of the table: a row gets what arrives at the places where its word stood, added up.
# A word that was not read gets nothing.
#
# **Predict first:** the text is "code code AI", and 1 arrives everywhere. What is the gradient of
# each row?
#
# <details><summary>Answer</summary>
#
# *code* gets 2, *AI* gets 1, the others 0. With 10,000 words of vocabulary, nearly all rows get
# nothing from a batch; rare words learn rarely.
#
# </details>

# %%
_, read = reference.embedding(np.array([[3, 3, 4]]), table)
d_table = reference.embedding_backward(np.ones((1, 3, 3)), read).d_table
assert d_table[:, 0].tolist() == [0, 0, 0, 2, 1]

layer = keras.layers.Embedding(5, 3, dtype="float64")
layer.build()
layer.set_weights([table])
assert np.array_equal(keras.ops.convert_to_numpy(layer(ids)), vectors)
dict(zip(words, d_table[:, 0].tolist(), strict=True))

# %% [markdown]
# ## 3. Learned vectors
#
# Take each word's two neighbours on either side, average their vectors, and predict the word: the
# *continuous bag of words*. Our texts come from a small grammar (语法), a made-up English of 84
# words. What its words have in common is known, because its rules are: *boat* and *fox* stand in
# the same rule, *boats* in another. The picture shows the two directions in which the vectors
# spread most; a colour is a rule: NOUN1 and DOES1 are singular, NOUN2 and DOES2 plural.

# %%
kinds = {}  # word -> the rule that it comes from
for rule in RULES.strip().splitlines():
    name, _, right = rule.partition(" = ")
    alternatives = [part.strip() for part in right.split("|")]
    if all(part.isalpha() and (part.islower() or name == "NAME") for part in alternatives):
        kinds |= dict.fromkeys(alternatives, name)
texts = [text.split() for text in datasets.load("grammar", n_texts=3000).texts]


def neighbourhoods(texts, ids):
    """Return the ids of two words on either side (N, 4), 0 beyond the end, and the words (N,)."""
    around, middle = [], []
    for text in texts:
        row = [0, 0, *(ids[word] for word in text), 0, 0]
        around += [row[t - 2 : t] + row[t + 1 : t + 3] for t in range(2, len(row) - 2)]
        middle += row[2:-2]
    return np.array(around), np.array(middle)


def learn_vectors(texts, vocabulary, seed, size=12, steps=600):
    """Return a vector for each word of the vocabulary, (V, D)."""
    rng = np.random.default_rng(seed)
    around, middle = neighbourhoods(texts, {word: i + 1 for i, word in enumerate(vocabulary)})
    V, state = len(vocabulary) + 1, None
    weights = [0.1 * rng.normal(size=(V, size)), 0.1 * rng.normal(size=(size, V))]
    for _ in range(steps):
        rows = rng.integers(0, len(middle), 256)
        found, read = reference.embedding(around[rows], weights[0])  # (256, 4, D)
        logits, dense = reference.dense(found.mean(axis=1), weights[1])
        _, entropy = reference.cross_entropy(logits, middle[rows])
        d_logits = reference.cross_entropy_backward(1.0, entropy).d_logits
        d_mean, d_kernel, _ = reference.dense_backward(d_logits, dense)
        d_found = np.repeat(d_mean[:, None] / 4, 4, axis=1)
        grads = [reference.embedding_backward(d_found, read).d_table, d_kernel]
        weights, state = reference.adam(weights, grads, state, learning_rate=0.02)
    return weights[0][1:]


vocabulary = sorted({word for text in texts for word in text})
learned = [learn_vectors(texts, vocabulary, seed) for seed in range(3)]

# %% tags=["figure"]
centred = learned[0] - learned[0].mean(axis=0)
flat = centred @ np.linalg.svd(centred, full_matrices=False)[2][:2].T  # its two widest directions
figure, ((axes,),) = panels(width=7.6, height=5.0)
shown = ("NOUN1", "NOUN2", "DOES1", "DOES2", "ADJECTIVE", "NAME", "PLACE")
for place, kind in enumerate(shown):
    rows = [i for i, word in enumerate(vocabulary) if kinds.get(word) == kind]
    axes.scatter(*flat[rows].T, s=14, color=COLOURS[place], label=kind)
    for i in rows:
        if vocabulary[i] in ("boat", "boats", "sees", "see", "old", "Mei", "near", "fox", "foxes"):
            axes.annotate(
                vocabulary[i], flat[i], fontsize=10, xytext=(4, 4), textcoords="offset points"
            )
axes.legend(frameon=False, fontsize=8, ncols=2)
axes.set(xticks=[], yticks=[])
fonts.use_fonts(figure)

# %% [markdown]
# ## 4. What makes two words neighbours?
#
# The usual story: *words are near each other because they occur in the same surroundings.* If so,
# destroying the surroundings must destroy the neighbours. Two interventions, three seeds each:
# shuffle the words within each sentence (order gone, company kept), and deal all words out anew
# (company gone, too). Near means the cosine of the angle (余弦相似度); we ask how often a word's
# nearest neighbour is of its own kind.
#
# **Predict first:** the order within each sentence is gone. How many neighbours are still of the
# same kind?
#
# <details><summary>Answer</summary>
#
# Most. *boats* still meet *many* and *sing*, in whatever order: the company is nearly enough.
#
# </details>


# %%
def cosines(vectors):
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit @ unit.T


def same_kind(vectors):
    near = cosines(vectors) - 9 * np.eye(len(vectors))  # not itself
    kind = np.array([kinds.get(word, word) for word in vocabulary])
    return (kind[near.argmax(axis=1)] == kind).mean()


def dealt_anew(texts, rng):
    words = iter(rng.permutation([word for text in texts for word in text]))
    return [[next(words) for _ in text] for text in texts]


shares = {"intact · 原样": [same_kind(vectors) for vectors in learned]}
for seed in range(3):
    rng = np.random.default_rng(seed)
    damaged = {
        "order gone · 打乱词序": [rng.permutation(text) for text in texts],
        "company gone · 重新分配": dealt_anew(texts, rng),
    }
    for name, others in damaged.items():
        vectors = learn_vectors(others, vocabulary, seed)
        shares.setdefault(name, []).append(same_kind(vectors))

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7.0, height=2.8)
for row, (values, colour) in enumerate(zip(shares.values(), COLOURS, strict=False)):
    axes.barh(row, np.mean(values), color=colour, alpha=0.5)
    axes.plot(values, [row] * 3, "o", color=colour)
axes.set(
    yticks=range(3), xlabel="nearest neighbour of the same kind · 最近邻同类的比例", xlim=(0, 1)
)
axes.set_yticklabels(shares)
axes.invert_yaxis()
tidy(axes)
fonts.use_fonts(figure)

# %% [markdown]
# The story holds, and is more modest than it sounds: company does most of it, order the rest. With
# the company gone no more neighbours are of the same kind than by lot, which would be 6 in 100.
#
# ## 5. Analogies, measured
#
# *boats − boat + fox ≈ foxes*. All 90 pairs of our ten nouns, three seeds. It is the custom to
# leave the three words of the question out of the answers. What does that hide?
#
# **Predict first:** how often is the very word right?
#
# <details><summary>Answer</summary>
#
# Look at the grammar: nothing in it ties *fox* to *foxes*. They share no company that *boats* does
# not have. Only the kind can be right.
#
# </details>

# %%
pairs = list(
    zip(*([w for w, k in kinds.items() if k == kind] for kind in ("NOUN1", "NOUN2")), strict=True)
)
place = {word: i for i, word in enumerate(vocabulary)}


def analogy(vectors):
    """Return how often: the word is right, its kind is, the answer was in the question."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    found = []
    for a, many_a in pairs:
        for b, many_b in pairs:
            if a == b:
                continue
            question = [place[word] for word in (many_a, a, b)]
            near = unit @ (unit[question[0]] - unit[question[1]] + unit[question[2]])
            everything = vocabulary[near.argmax()]
            near[question] = -9
            answer = vocabulary[near.argmax()]
            found.append(
                (answer == many_b, kinds.get(answer) == "NOUN2", place[everything] in question)
            )
    return np.mean(found, axis=0)


word_right, kind_right, in_question = np.array([analogy(vectors) for vectors in learned]).T
print(f"the very word is right      {word_right.round(2)}   (by lot among nine: 0.11)")
print(f"its kind is right           {kind_right.round(2)}")
print(f"nothing left out: the answer is a word of the question {in_question.round(2)}")

# %% tags=["figure"]
measured = {
    "its kind is right · 类别对": kind_right,
    "the very word is right · 词对": word_right,
    "a word of the question · 答案就在问题里": in_question,
}
figure, ((axes,),) = panels(width=7.0, height=2.8)
for row, (values, colour) in enumerate(zip(measured.values(), COLOURS, strict=False)):
    axes.barh(row, np.mean(values), color=colour, alpha=0.5)
    axes.plot(values, [row] * 3, "o", color=colour)
axes.axvline(1 / 9, color="grey", lw=1, ls="--")
axes.set(yticks=range(3), xlabel="share of 90 analogies · 90 个类比中的比例", xlim=(0, 1.02))
axes.set_yticklabels(measured)
axes.invert_yaxis()
tidy(axes)
fonts.use_fonts(figure)

# %% [markdown]
# A flattering report would say: "the analogy finds the plural every time". It finds *a* plural;
# and with nothing left out, two answers of three are words of the question. In this grammar the
# very word cannot be found, it was made so. In real text *fox* and *foxes* do share company, and
# an analogy may find more. So ask of any analogy which words were left out, and what a guess
# within the kind would score.
#
# ## 6. Do vectors help? The Chinese task
#
# The remarks of lesson 02 again, six topics, now with a vector for each character, averaged, and
# one layer. Averaging and a layer are both linear, so this is the counting of lesson 02, divided
# by the length, with a kernel $E W$ of rank $D$ at most: nothing new can be expressed, only
# learned otherwise. Unless the vectors bring something along: we train some on 900 *other* remarks
# (reviews and messages, 25,000 characters) first.

# %%
rows = [
    row for split in ("train", "validation", "test") for row in datasets.load("topic_zh", split)
]
others = [
    list(row.text)
    for name in ("sentiment_zh", "spam_zh")
    for split in ("train", "validation", "test")
    for row in datasets.load(name, split)
]
signs = sorted({sign for text in others for sign in text} | {s for row in rows for s in row.text})
code = {sign: i + 1 for i, sign in enumerate(signs)}
topics = sorted({row.label for row in rows})
labels = np.array([topics.index(row.label) for row in rows])
length = max(len(row.text) for row in rows)
ids = np.array([[code[s] for s in row.text] + [0] * (length - len(row.text)) for row in rows])


def accuracy(seed, vectors=None, size=16):
    """Return the accuracy on 80 test rows, with the weights that were best on 80 others."""
    order = np.random.default_rng(seed).permutation(len(rows))
    train, held_out, test = order[:320], order[320:400], order[400:]
    keras.utils.set_random_seed(seed)
    embedding = keras.layers.Embedding(len(signs) + 1, size, mask_zero=True)
    average = keras.layers.GlobalAveragePooling1D()
    model = keras.Sequential([keras.Input((length,)), embedding, average, keras.layers.Dense(6)])
    if vectors is not None:
        embedding.set_weights(
            [np.concatenate([np.zeros((1, size)), 0.5 * vectors / vectors.std()])]
        )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss, metrics=["accuracy"], jit_compile=False)
    stop = keras.callbacks.EarlyStopping(patience=25, restore_best_weights=True)
    model.fit(
        ids[train], labels[train], validation_data=(ids[held_out], labels[held_out]), epochs=25,
        batch_size=64, callbacks=[stop], verbose=0,
    )  # fmt: skip
    return model.evaluate(ids[test], labels[test], verbose=0)[1]


begun = [learn_vectors(others, signs, seed, size=16, steps=150) for seed in range(3)]
near = cosines(begun[0])
for sign in "好球":
    print(sign, "is near", "".join(signs[i] for i in near[code[sign] - 1].argsort()[::-1][1:7]))
from_scratch = [accuracy(seed) for seed in range(3)]
with_vectors = [accuracy(seed, begun[seed]) for seed in range(3)]
print("vectors from scratch     ", np.round(from_scratch, 3), f"mean {np.mean(from_scratch):.3f}")
print("vectors trained before   ", np.round(with_vectors, 3), f"mean {np.mean(with_vectors):.3f}")

# %% [markdown]
# The neighbours are nonsense, and they do not help: 900 remarks, in which a sign stands fifteen
# times on average, and 150 training steps did not suffice. (Which of the two was too little, this
# does not tell.) When pretraining pays, and how much, is [lesson 12](12_fine_tuning.ipynb).
#
# ## Exercises
#
# The gradient of a table, with a common slip:


# %%
def my_embedding_backward(d_output, trace):
    d_table = np.zeros_like(trace.table)
    d_table[trace.ids] += d_output  # where is the slip?
    return d_table


verdict = exercises.check("embedding_backward", my_embedding_backward)
assert not verdict.ok

# %% [markdown]
# 1. *Fill a line*: mend the line above (`np.add.at`).
# 2. *Write it*: `embedding_backward` without a loop and without `np.add.at`; `dense_backward`.
# 3. *Break it*: in section 3 let `size=2`. Predict first: how many neighbours are of the same kind?

# %%
exercises.show("embedding_backward")

# %% [markdown]
# ## What this lesson claims
#
# One cell, all claims. If it runs, they hold on your machine.

# %%
assert np.array_equal(
    np.eye(5) @ table, reference.embedding(np.arange(5), table)[0]
)  # a look-up is a product
assert np.isclose(scores[0, 0], scores[0, 3])  # the hand-made table cannot tell hello from code
assert d_table[:, 0].tolist() == [0, 0, 0, 2, 1]  # only what was read learns, and repeats add up
intact, no_order, no_company = (np.array(values) for values in shares.values())
assert intact.min() > 0.9 and no_company.max() < 0.3  # company makes neighbours …
assert (no_order < intact).all() and (no_order > no_company + 0.3).all()  # … and order the rest
assert kind_right.min() > 0.9 and word_right.max() < 0.25  # an analogy finds the kind, not the word
assert in_question.min() > 0.3  # and is helped by leaving the question out
assert np.mean(with_vectors) < np.mean(from_scratch) + 0.05  # a little text does not pay

# %% [markdown]
# ## Where to go next
#
# - [04 RNN by hand](04_rnn_by_hand.ipynb): read the vectors one after another, in their order.
# - [21 The errata](21_the_errata.ipynb): S12, the rest of the five-word example.
# - In the code: `kerasllm/reference/elementary/embedding.py`; the corrected script of the example,
#   `notebooks/listings/004_five_words.py`.
