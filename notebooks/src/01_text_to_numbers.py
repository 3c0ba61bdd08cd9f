# %% [markdown]
# # 01 · Text to numbers
#
# **What you will do.** Cut Chinese and English into tokens in four ways, see one of them lose
# every word of a new text, build byte-pair encoding by hand, compare it with a library, and see
# that padding changes nothing once it is masked.
#
# **What you will learn.** Characters, bytes, tokens and ids; why Chinese needs another tokenizer
# (分词器) than English; what a vocabulary (词表) costs; padding (填充) and masks (掩码).
#
# **What you need.** Python; [lesson 00](00_start_here.ipynb) helps. 30 minutes; the cells run in
# about half a minute on a laptop, without network. It comes from document 004, §5.2, which turns
# three Chinese sentences into numbers.

# %%
from kerasllm import lessons

lessons.start()

# %%
from collections import Counter
from itertools import pairwise

import keras
import numpy as np
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.model_selection import StratifiedKFold, cross_val_score
from sklearn.naive_bayes import MultinomialNB
from sklearn.pipeline import make_pipeline
from tensorflow.keras.preprocessing.text import Tokenizer, text_to_word_sequence  # document 004's

from kerasllm import datasets, exercises, plots, reference, text, verify
from kerasllm.plots.fonts import use_fonts
from kerasllm.plots.style import COLOURS, GREY, panels, tidy

# %% [markdown]
# ## 1. What a text is made of
#
# A computer holds a text as numbers already. Each character has a *code point*, and UTF-8 writes a
# code point as one to four *bytes*: a Latin letter takes one, a Chinese character three.

# %%
line = "两条船 boats"
code_points = [ord(sign) for sign in line]
in_bytes = list(line.encode())
print(f"{len(line)} characters, {len(in_bytes)} bytes")
assert bytes(in_bytes).decode() == "".join(map(chr, code_points)) == line

# %% tags=["figure"]
wide = [len(sign.encode()) for sign in line]
plots.token_rows(
    [list(line.replace(" ", "␣")), code_points, in_bytes],
    spans=[wide, wide, [1] * len(in_bytes)],
    names=["character 字符", "code point 码点", "bytes 字节"],
)

# %% [markdown]
# Code points run beyond 150,000; a network has a row of weights for each number that it may read.
# So the numbers are dealt out anew: list the tokens (词元) that occur, and give each its place in
# the list, from 1, because 0 is kept for padding.

# %%
vocabulary = {sign: place for place, sign in enumerate(sorted(set(line)), 1)}
ids = [vocabulary[sign] for sign in line]
print(vocabulary)
print(line, "->", ids)
assert "".join(sorted(vocabulary)[place - 1] for place in ids) == line

# %% [markdown]
# Ids are names, not amounts: token 4 is in no way twice token 2. A network therefore looks up a
# vector for each id.
#
# ## 2. A tokenizer that cuts at spaces reads Chinese
#
# Document 004 does it like this:

# %%
lessons.quote("004", (337, 345))

# %% [markdown]
# Its three sentences are Chinese. We give the same tokenizer 384 short Chinese texts on six
# topics, and then 48 new ones.
#
# **Predict first:** in how many of the 48 does it know at least one token?
#
# <details><summary>Answer</summary>
#
# In none. Chinese puts no spaces between words, so a text became a single "word" (a few, where its
# author put a space), which no new text repeats. No error is raised: a model would train on rows
# of one token or a few, and read every new text as an empty row. This is defect S1 of
# [lesson 21](21_the_errata.ipynb).
#
# </details>

# %%
train, test = (datasets.load("topic_zh", split=split) for split in ("train", "test"))
splitter = Tokenizer(num_words=10_000)
splitter.fit_on_texts(train.texts)
example = train.texts[0]
print(f"{example!r} is {text_to_word_sequence(example)}")
known = [ids for ids in splitter.texts_to_sequences(test.texts) if ids]
print(f"{len(known)} of {len(test)} new texts have a token that it knows")
assert not known

characters = text.train_tokenizer(train.texts, "character")
read = np.concatenate(characters.encode_batch(test.texts))
print(f"cut into characters, {np.mean(read != characters.unk_id):.1%} of the tokens are known")

# %% [markdown]
# ## 3. Is it the tokenizer?
#
# Perhaps the texts are too hard, or too few. So the same linear classifier (naive Bayes on counts
# of tokens) sorts them into their six topics, with different tokens, on parts of the data that it
# has not seen. Two controls: the same on English; and Chinese with a space put behind each
# character, which changes nothing but what the tokenizer can see.
#
# **Predict first:** characters reach 62 % on Chinese. What does the tokenizer of document 004 reach
# once there are spaces? And which tokens win on English?
#
# <details><summary>Answer</summary>
#
# With spaces 63 %, practically the same; without, 17 %, which is guessing. It is the spaces. On
# English it is the other way round: words 45 %, letters 22 %. Which token is best depends on the
# script.
#
# </details>


# %%
def accuracy(rows, cut, seed, change=str):
    """Return the mean accuracy over 5 folds of a classifier that counts tokens."""
    model = make_pipeline(CountVectorizer(analyzer=cut), MultinomialNB())
    folds = StratifiedKFold(5, shuffle=True, random_state=seed)
    texts, labels = [change(row.text) for row in rows], [row.label for row in rows]
    return cross_val_score(model, texts, labels, cv=folds).mean()


topics = {
    name: [
        row
        for split in ("train", "validation", "test")
        for row in datasets.load(f"topic_{name}", split=split)
    ]
    for name in ("zh", "en")
}
arms = {
    "中文, at spaces": ("zh", text_to_word_sequence, str),
    "中文, at spaces put in": ("zh", text_to_word_sequence, " ".join),
    "中文, characters": ("zh", list, str),
    "English, at spaces": ("en", text_to_word_sequence, str),
    "English, characters": ("en", list, str),
}
reached = {
    name: [accuracy(topics[language], cut, seed, change) for seed in range(3)]
    for name, (language, cut, change) in arms.items()
}
for name, values in reached.items():
    print(f"{name:23} {np.mean(values):.0%}   folds drawn anew: {np.round(values, 2)}")

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7.2, height=2.8)
for place, (name, values) in enumerate(reached.items()):
    axes.barh(-place, np.mean(values), color=COLOURS[0 if "中文" in name else 1], alpha=0.8)
    axes.plot(values, [-place] * 3, "k|", markersize=9)
axes.axvline(1 / 6, color=GREY, linestyle="--")
axes.set_yticks(-np.arange(len(reached)), reached)
axes.set(xlabel="accuracy 准确率 (--: guessing 瞎猜)", xlim=(0, 0.7))
tidy(axes)
use_fonts(figure)

# %% [markdown]
# ## 4. Between words and characters
#
# Words have a price, too: to a word tokenizer *boat* and *boats* are two ids with nothing in
# common, and *coats*, if it was never seen, is unknown. Characters are rarely unknown, but rows
# get long and a token says little. **Byte-pair encoding** (字节对编码, BPE) lies between:
# begin with letters, and again and again join the pair of neighbours that is most frequent.

# %%
words = [tuple(word) for word in ["boat", "boats", "boats", "oats", "coat"]]
states = [("boats", "coats"), (tuple("boats"), tuple("coats"))]


def with_pair_joined(word, pair):
    """Join a pair of neighbours wherever it stands in a word."""
    joined = []
    for token in word:
        together = joined and (joined[-1], token) == pair
        joined = [*joined[:-1], joined[-1] + token] if together else [*joined, token]
    return tuple(joined)


for _ in range(3):
    counts = Counter(pair for word in words for pair in pairwise(word))
    pair, count = counts.most_common(1)[0]  # of equally frequent ones the first
    words = [with_pair_joined(word, pair) for word in words]
    states.append(tuple(with_pair_joined(word, pair) for word in states[-1]))
    print(f"{count} times {pair[0]!r} + {pair[1]!r}: {' '.join('|'.join(word) for word in words)}")

# %% tags=["figure"]
plots.token_rows(
    [[*boats, "", *coats] for boats, coats in states[1:]],
    spans=[[*map(len, boats), 1, *map(len, coats)] for boats, coats in states[1:]],
    names=["letters 字母"] + [f"join {step} 合并" for step in range(1, 4)],
)

# %% [markdown]
# *boat* and *boats* now share a token, and *coats*, never seen, is made of known pieces. A fourth
# join would make *boats* one token again: more entries, shorter rows, fewer shared pieces. (That
# subject and verb agree, *the boat floats, the boats float*, returns in lessons 04 and 05.)
#
# ## 5. Real byte-pair encoding, twice
#
# Real tokenizers of this kind begin with the 256 bytes, so no text at all is unknown, emoji
# included. `reference` has one in readable Python; the `tokenizers` library has the fast one in
# Rust. We train both on 1,000 of the project's own Chinese texts and compare them on the other
# 380.

# %%
chinese, english = (
    [
        row.text
        for name in ("topic", "sentiment", "spam")
        for split in ("train", "validation", "test")
        for row in datasets.load(f"{name}_{language}", split=split)
    ]
    for language in ("zh", "en")
)
order = np.random.default_rng(7).permutation(len(chinese))


def parts(texts):
    """Return 1,000 texts to learn from, and the others."""
    return [texts[i] for i in order[:1000]], [texts[i] for i in order[1000:]]


learned_from, new = parts(chinese)
ours = reference.bpe_train(learned_from, 4000, special_tokens=text.SPECIAL_TOKENS)
library = text.train_tokenizer(learned_from, "bpe", 4000)
pairs = [(reference.bpe_encode(line, ours), library.encode(line)) for line in new]
tokens = sum(len(ids) for ids, _ in pairs)
print(f"{len(new)} new texts, {tokens} tokens: {sum(a == b for a, b in pairs)} texts alike")
print(library.tokens("这家店的客服态度很好👍"))
assert all(a == b for a, b in pairs)
assert [reference.bpe_decode(ids, ours) for ids, _ in pairs] == new  # and back, exactly

# %% [markdown]
# A token such as `\xf0\x9f` is part of a character. Whoever cuts a row of ids at any place may cut
# a character in two:

# %%
print(reference.bpe_decode(library.encode("两条船，👍")[:-1], ours))

# %% [markdown]
# **Predict first:** before the first join, how many tokens is a Chinese character? How large must
# the vocabulary get until a token holds a whole one, on average?
#
# <details><summary>Answer</summary>
#
# Three, its bytes; 2.9 on average, since digits and Latin letters take one each. One character a
# token is reached at some 1,200 entries, when an English token holds three letters.
#
# </details>

# %%
sizes = [262, 300, 400, 600, 800, 1200, 1600, 2400]


def characters_a_token(texts):
    """Return for each size of the vocabulary how much text a token holds, on new texts."""
    learned_from, new = parts(texts)
    full = reference.bpe_train(learned_from, max(sizes), special_tokens=text.SPECIAL_TOKENS)
    shares = []
    for size in sizes:
        merges = {pair: (rank, i) for pair, (rank, i) in full.merges.items() if i < size}
        smaller = reference.BPE(full.vocabulary[:size], merges)
        shares.append(len("".join(new)) / sum(len(reference.bpe_encode(t, smaller)) for t in new))
    return shares


held = {"中文": characters_a_token(chinese), "English": characters_a_token(english)}
for name, values in held.items():
    print(name, np.round(values, 2))

# %% tags=["figure"]
figure = plots.lines(
    held,
    sizes,
    xlabel="entries of the vocabulary 词表大小",
    ylabel="characters a token 每个词元的字符数",
    title="BPE",
    level=("one character a token 一个词元一个字符", 1),
    log="x",
    size=(6.4, 3.4),
)
figure.axes[0].set_xticks([262, 600, 1200, 2400], ["262", "600", "1200", "2400"], minor=False)
figure.axes[0].minorticks_off()
figure

# %% [markdown]
# ## 6. One array: padding, and its mask
#
# A batch (批量) is one array, so its rows have to be equally long. Short ones are filled up with 0,
# on the right, and the mask remembers which places are real.

# %%
tokenizer = text.train_tokenizer(chinese, "character")
texts = ["船", "两条船", "船在湖上。"]
rows = tokenizer.encode_batch(texts)
batch = text.pad_sequences(rows)  # (B, T)
mask = batch != tokenizer.pad_id
print(batch)
assert batch.shape == (3, 5) and (mask.sum(1) == [1, 3, 5]).all()

# %% tags=["figure"]
plots.token_rows(
    [[*line, *"0" * (5 - len(line))] for line in texts],
    below=batch,
    shaded=~mask,
    names=[f"text {number} 文本" for number in range(1, 4)],
)

# %% [markdown]
# Padding is computed like any token, and thrown away.
#
# **Predict first:** batches of 32 of our Chinese texts, in any order: what share of the array is
# padding? And if texts of about the same length share a batch?
#
# <details><summary>Answer</summary>
#
# 59 % and 3 %: sorted by length, the same texts make less than half of the array.
#
# </details>

# %%
lengths = np.array([len(tokenizer.encode(line)) for line in chinese])


def padding_share(lengths):
    """Return the share of padding in batches of 32, taken as they come."""
    groups = [lengths[i : i + 32] for i in range(0, len(lengths), 32)]
    return 1 - lengths.sum() / sum(len(group) * group.max() for group in groups)


shares = padding_share(lengths[order]), padding_share(np.sort(lengths))
print(f"padding: {shares[0]:.0%} in any order, {shares[1]:.0%} sorted by length")

# %% tags=["figure"]
figure, (both,) = panels(1, 2, width=7.2, height=2.6, sharey=True)
for axes, name in zip(both, ("any order 任意", "sorted 排序"), strict=True):
    values = lengths[order] if "any" in name else np.sort(lengths)
    group = values[1248:1280]
    axes.imshow(
        np.arange(group.max()) < group[:, None], aspect="auto", cmap="Blues", vmin=0, vmax=1.4
    )
    axes.set(title=name, xlabel="tokens 词元")
both[0].set_ylabel("texts 文本")
use_fonts(figure)

# %% [markdown]
# ## 7. Padded is unpadded, or the mask is wrong
#
# To a network without a mask padding is text. What must hold is
#
# $$\text{state}(x_1 \ldots x_T, 0, \ldots, 0) = \text{state}(x_1 \ldots x_T)$$
#
# The document pads its sentences (`padding='post'`) and reads them with an LSTM without a mask: S6
# in [lesson 21](21_the_errata.ipynb). Two readers, five draws of random weights each, the same text
# with more and more padding: how far does the final state move, as a share of its size?


# %%
def reader(kind, masked, seed):
    """Return a network that turns ids (B, T) into a state (B, 16)."""
    keras.utils.set_random_seed(seed)
    last = {"mean": keras.layers.GlobalAveragePooling1D, "LSTM": lambda: keras.layers.LSTM(16)}
    table = keras.layers.Embedding(
        tokenizer.vocabulary_size, 16, mask_zero=masked, embeddings_initializer="normal"
    )
    return keras.Sequential([keras.Input((None,), dtype="int32"), table, last[kind]()])


def moved(model, zeros):
    """Return how far padding moves the state of a text, as a share of its size."""
    alone = text.pad_sequences(tokenizer.encode_batch(["船在湖上。"]))
    padded = np.pad(alone, ((0, 0), (0, zeros)))
    before, after = (keras.ops.convert_to_numpy(model(ids)) for ids in (alone, padded))
    return float(np.abs(after - before).max() / np.abs(before).max())


zeros = [0, 1, 2, 5, 10, 20, 40]
moves = {
    (kind, masked): np.array(
        [[moved(model, z) for z in zeros] for model in (reader(kind, masked, s) for s in range(5))]
    )
    for kind in ("mean", "LSTM")
    for masked in (False, True)
}
for (kind, masked), values in moves.items():
    how = "with" if masked else "without"
    print(f"{kind}, {how} mask: 40 zeros move the state by {np.round(values[:, -1], 7)}")

# %% tags=["figure"]
figure = plots.lines(
    {
        f"{kind}, {'with a mask 有掩码' if masked else 'without 无掩码'}": values.mean(0)
        for (kind, masked), values in moves.items()
    },
    zeros,
    xlabel="zeros behind the text 文本后补的 0 的个数",
    ylabel="the state moves by 状态的相对变化",
    title="Padding 填充",
    size=(6.4, 3.6),
)
for colour, values in zip(COLOURS, moves.values(), strict=False):
    figure.axes[0].fill_between(zeros, values.min(0), values.max(0), color=colour, alpha=0.2)
figure.axes[0].set_ylim(-0.2, 6)
figure

# %% [markdown]
# The library asks any model this question with one call:

# %%
checks = {masked: verify.check_masks(reader("LSTM", masked, 7)).ok for masked in (False, True)}
print(f"padding changes nothing: {checks[True]} with a mask, {checks[False]} without")

# %% [markdown]
# ## Exercises
#
# A first attempt at the mask for attention, which hides padding from every query:

# %%
verdict = exercises.check("padding_mask", lambda ids, pad=0: ids != pad)
assert not verdict.ok

# %% [markdown]
# 1. *Fill a line.* `padding_mask`: mend the attempt.
# 2. *Write it.* `bpe_encode`: section 4 for real; `exercises.show("bpe_encode")`.
# 3. *Break it.* Find a text that `characters` of section 2 cannot give back
#    (`characters.decode(characters.encode(text)) != text`). Why is there none for `library`?
# 4. Train `library` on `english` and read `new` with it. How many tokens is a Chinese character
#    now? Whoever pays by the token pays for Chinese like this, if the tokenizer was trained on
#    English.

# %%
exercises.show("padding_mask")

# %% [markdown]
# ## What this lesson claims

# %%
means = {name: np.mean(values) for name, values in reached.items()}
assert not known  # S1: nothing of a new Chinese text is left
assert abs(means["中文, at spaces"] - 1 / 6) < 0.03  # … and a classifier can only guess
assert means["中文, characters"] > 0.55 and means["中文, at spaces put in"] > 0.55  # the spaces
assert min(reached["English, at spaces"]) > max(reached["English, characters"])  # in English: words
assert states[-1] == (("boat", "s"), ("c", "oat", "s"))  # joined by hand
assert all(a == b for a, b in pairs)  # the readable BPE is the library's
assert held["中文"][0] < 0.4 and held["English"][0] > 0.99  # bytes: three a sign, one a letter
assert shares[0] > 0.5 and shares[1] < 0.06  # sorting saves padding
assert max(moves[kind, True].max() for kind in ("mean", "LSTM")) < 1e-5  # masked: nothing moves
assert min(moves[kind, False][:, -1].min() for kind in ("mean", "LSTM")) > 0.5  # without: it does
assert checks == {False: False, True: True}

# %% [markdown]
# ## Where to go next
#
# - [02 One neuron, one layer](02_neuron_layer_downhill.ipynb): what a network does with numbers.
# - [05 LSTM by hand](05_lstm_by_hand.ipynb): a network that reads the ids.
# - [09 Attention](09_attention.ipynb): where `padding_mask` is used.
# - [21 The errata](21_the_errata.ipynb): S1, S6, S7 and S8 are about this lesson's subject.
