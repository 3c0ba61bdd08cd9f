# %% [markdown]
# # 07 · Language models
#
# **What you will do.** Count words and turn the counts into a language model (语言模型); hold four
# models against languages whose entropy (熵) is known exactly; and make a perplexity (困惑度) more
# than four times smaller by forgetting words.
#
# **What you will learn.** n-grams (n 元语法) and Kneser-Ney smoothing; what a loss can reach
# and what not; what a network has that a table of counts lacks; perplexity, bits per character
# (每字符比特数) and per byte, and what unknown words do to them.
#
# **What you need.** [Lesson 04](04_rnn_by_hand.ipynb), and
# [05](05_lstm_by_hand.ipynb) helps. 40 minutes; the cells run in about a minute on a
# laptop, without network.
#
# **Where it comes from.** Document 002, §3 and §5, trains a language model and names a loss and a
# score for it. It holds no result against anything.

# %%
from kerasllm import lessons

lessons.start()

# %%
import re
from collections import Counter

import keras
import numpy as np

from kerasllm import datasets, exercises, models, plots, reference, text
from kerasllm.baselines.language import KneserNey
from kerasllm.datasets.generated.loading import grammar_language, markov_language
from kerasllm.plots.fonts import use_fonts
from kerasllm.plots.style import COLOURS, GREY, MARKERS, panels, tidy

lessons.quote("002", 29)

# %% [markdown]
# (分数 is any score; perplexity is 困惑度.)
#
# ## 1. Counting
#
# A language model gives each next word a probability. The oldest way: look at the last $n - 1$
# words, the *context* $h$, and count what followed it:
#
# $$p(w \mid h) = \frac{c(h\,w)}{\sum_v c(h\,v)}$$
#
# **Predict first.** *two foxes sing* is a new sentence. After *foxes*, the four sentences below
# have only *sings*. What perplexity do pure counts give it?
#
# <details><summary>Answer</summary>
#
# Infinite. What was never counted has probability 0, its surprise is infinite, and so is the mean.
# </details>

# %%
told = """this boat near two rivers sings
two rivers sing
two boats near a river sing
a fox near two foxes sings"""
bigrams = reference.ngram_fit([line.split() for line in told.splitlines()], order=2)
new = [["two", "foxes", "sing"]]
estimators = (reference.ngram_mle, reference.ngram_add_k, reference.ngram_kneser_ney)
mle, add_k, kneser_ney = (reference.ngram_perplexity(new, bigrams, one) for one in estimators)
print(f"perplexity: counts {mle}, add 1 {add_k:.2f}, Kneser-Ney {kneser_ney:.2f}")

# %% [markdown]
# To add 1 to every count (`add_k`) is crude. **Kneser-Ney** takes a little, $d$, from every count,
# and gives it out as the next shorter context $h'$ would; $N(h)$ different words followed $h$:
#
# $$p(w \mid h) = \frac{\max(c(h\,w) - d,\, 0)}{c(h)} + \frac{d \, N(h)}{c(h)}\; p(w \mid h')$$
#
# For a shorter context it counts *different words in front*: *rivers* came twice, but only after
# *two*, so it is no likely guess elsewhere.

# %%
before = bigrams.continuations[()]
shorter = before["rivers"] / before.total()  # only "two" stands before it
by_hand = (2 - 0.75) / 4 + 0.75 * 3 / 4 * shorter  # two: 4 times, with 3 different followers
by_library = reference.ngram_kneser_ney("rivers", ["two"], bigrams)
print(f"p(rivers | two) = {by_hand:.4f} by hand, {by_library:.4f} by the library")
plots.diagram("ngram", bigrams, context=["two"], language="both")

# %% [markdown]
# ## 2. A language whose entropy is known
#
# How good is a loss? For English nobody knows. So take a source that we own: it goes from state to
# state by a table $P$, and $\pi$ is how often it is in each. On average a step holds
#
# $$H = -\sum_i \pi_i \sum_j P_{ij} \ln P_{ij} \quad \text{nats}$$
#
# That is its **entropy rate**. No model can expect a smaller loss on new text.

# %%
P, pi = np.array([[0.9, 0.1], [0.5, 0.5]]), np.array([5, 1]) / 6  # π P = π
H = -(pi @ (P * np.log(P)).sum(axis=1))
print(f"π P = {(pi @ P).round(4)}, H = {H:.4f} nats; a coin: {np.log(2):.4f}")

# %% [markdown]
# A larger one has 30 words; what comes next depends on the last *two*. Kneser-Ney models of order
# 1 to 6 read 1,600 texts, and are scored on these and on 500 new ones.
#
# **Predict first.** Which order is best on new texts? Which on the old ones? Can a loss fall below
# the entropy?
#
# <details><summary>Answer</summary>
#
# Order 3: two words of context are all there is to know. On the old texts the longest is best, and
# falls below the entropy: it knows them by heart. So only held-out loss counts.
# </details>

# %%
chain = markov_language(states=30, branching=6, order=2, seed=0)
number = {word: place for place, word in enumerate([*chain.words, "<eos>"])}


def ids_of(texts, number):
    return [[number[word] for word in [*line.split(), "<eos>"]] for line in texts]


old, fresh = (ids_of(chain.sample(count, seed=count), number) for count in (6400, 500))
orders, sizes = range(1, 7), (100, 400, 1600, 6400)


def loss_of(order, count, where):
    return KneserNey(len(number), order).fit(old[:count]).token_nats(where).mean()


by_order = {
    "old texts 训练文本": [loss_of(order, 1600, old[:1600]) for order in orders],
    "new texts 新文本": [loss_of(order, 1600, fresh) for order in orders],
}
by_size = {f"n = {n}": [loss_of(n, count, fresh) for count in sizes] for n in (2, 3, 5)}
print(f"entropy {chain.entropy_rate:.3f}; n = 3 on new texts {by_size['n = 3'][2]:.3f}, "
      f"after 6,400 texts {by_size['n = 3'][3]:.3f}")  # fmt: skip

# %% tags=["figure"]
figure, (row,) = panels(1, 2, width=9, height=3.4, sharey=True)
for axes, curves, x in zip(row, (by_order, by_size), (orders, sizes), strict=True):
    for (name, curve), colour, marker in zip(curves.items(), COLOURS, MARKERS, strict=False):
        axes.plot(x, curve, marker=marker, color=colour, label=name)
    axes.axhline(chain.entropy_rate, color=GREY, linestyle="--", label="entropy 熵")
    axes.legend(frameon=False)
    tidy(axes)
row[0].set(xlabel="order n 阶", ylabel="nats", ylim=(1.1, 2.2))
row[1].set(xlabel="texts 文本数", xscale="log")
use_fonts(figure)

# %% [markdown]
# On the left the training loss falls through the floor. On the right order 2 stops above it,
# however much it reads: it lacks a word of context. Order 5 needs more text than order 3.
#
# ## 3. What lies beyond the window
#
# *this **boat** near two rivers **sings***: in the language `far` the verb agrees with the first
# noun, in `near` with the last one. Nothing else differs, so the entropy is the same.

# %%
ONE = ["this", "a", "every", "one", "boat", "river", "child", "fox"]
MANY = ["these", "many", "several", "two", "boats", "rivers", "children", "foxes"]
WORDS = f"""
DET1 = {" | ".join(ONE[:4])}
NOUN1 = {" | ".join(ONE[4:])}
DET2 = {" | ".join(MANY[:4])}
NOUN2 = {" | ".join(MANY[4:])}
PLACE = near | behind | under | beside
"""
FAR = """
SENTENCE = 0.5: DET1 NOUN1 MORE sings | 0.5: DET2 NOUN2 MORE sing
MORE = 0.3: | 0.7: PLACE THING MORE
THING = 0.5: DET1 NOUN1 | 0.5: DET2 NOUN2
"""
NEAR = """
SENTENCE = 0.5: DET1 NOUN1 MORE1 | 0.5: DET2 NOUN2 MORE2
THING = 0.5: DET1 NOUN1 MORE1 | 0.5: DET2 NOUN2 MORE2
MORE1 = 0.3: sings | 0.7: PLACE THING
MORE2 = 0.3: sing | 0.7: PLACE THING
"""
languages = {"far": grammar_language(FAR + WORDS), "near": grammar_language(NEAR + WORDS)}
far = languages["far"]
number = {word: k for k, word in enumerate([*far.vocabulary, "<eos>"], start=1)}  # 0: padding
V = len(number) + 1


def floor_of(language, texts):
    """Return the nats a token of the language itself on these very texts."""
    return -sum(map(language.log_probability, texts)) / sum(map(len, ids_of(texts, number)))


above = {}
for name, language in languages.items():
    new = language.sample(500, seed=2)
    scores = [
        KneserNey(V, order).fit(ids_of(language.sample(3000, seed), number))
        .token_nats(ids_of(new, number)).mean()
        for seed in (10, 11, 12) for order in (2, 3, 5)
    ]  # fmt: skip
    above[name] = np.array(scores).reshape(3, 3) - floor_of(language, new)
    best = above[name].min(axis=1)
    print(f"{name:4}: entropy {language.entropy_rate:.6f}; the best n-gram is above by",
          *(f"{x:.3f}" for x in best), "nats a token, for three draws")  # fmt: skip
print(f"ln 2 / {far.mean_tokens:.0f} tokens = {np.log(2) / far.mean_tokens:.3f}")

# %% [markdown]
# In `near` the word before tells all, and the best n-gram is nearly perfect. In `far` even the
# best one lacks about 0.065 nats a token. To toss one coin, $\ln 2$, for each sentence, of 11
# tokens in the mean, costs 0.063. Longer windows are no way out: there are 128 phrases like *near
# two rivers*, and $128^m$ rows of $m$.
#
# Now three kinds of network read 3,000 sentences of `far`.
#
# **Predict first.** Which of them will know the verb after five phrases: an RNN, an LSTM, a
# Transformer of one block?
#
# <details><summary>Answer</summary>
#
# The Transformers do, with every seed; of the LSTMs two of three, the third in part. The RNNs toss
# a coin, as the n-gram does. That they *cannot* does not follow: in lesson 04 RNNs did it.
# </details>


# %%
def rows_of(texts, length=None):
    return text.pad_sequences([[number["<eos>"], *row] for row in ids_of(texts, number)], length)


def trained(kind, seed):
    keras.utils.set_random_seed(seed)
    make, config = models.TransformerBackbone, models.TransformerConfig(V, 32, 1, 2, max_length=64)
    if kind != "Transformer":
        cell = {"RNN": "simple", "LSTM": "lstm"}[kind]
        make, config = models.RecurrentBackbone, models.RecurrentConfig(V, 32, 32, cell=cell)
    model = models.CausalLM(make(config))
    rate = keras.optimizers.schedules.CosineDecay(0.01 if kind == "LSTM" else 0.005, 5 * 47)
    model.compile(keras.optimizers.Adam(rate), models.TokenCrossEntropy(), jit_compile=False)
    model.fit(read[:, :-1], read[:, 1:], batch_size=64, epochs=5, verbose=0)
    return model


texts, new = far.sample(3000, seed=1), far.sample(500, seed=2)
read = rows_of(texts, length=22)
networks = {(kind, seed): trained(kind, seed)
            for kind in ("RNN", "LSTM", "Transformer") for seed in range(3)}  # fmt: skip

# %% [markdown]
# What does the verb cost? After each noun a sentence ends with probability 0.3, so even a model
# that knows the number pays $-\ln 0.3 = 1.20$ nats; one that tosses a coin pays $\ln 2$ more. And
# a model that looks at the subject must turn the verb when we swap *this boat* for *these boats*,
# and nothing else:

# %%
OTHER = dict(zip(ONE + MANY, MANY + ONE, strict=True))
rows = rows_of(new)
swapped = rows_of([" ".join([*map(OTHER.get, w[:2]), *w[2:]]) for w in map(str.split, new)])
at, every = np.array([len(line.split()) - 1 for line in new]), np.arange(500)


def by_phrases(values):
    return np.array([values[(at - 2) // 3 == count].mean() for count in range(6)])


cost, turned = {}, {}
for key, model in networks.items():
    p, q = (keras.ops.convert_to_numpy(keras.ops.log_softmax(model(x[:, :-1])))
            for x in (rows, swapped))  # fmt: skip
    nats = -np.take_along_axis(p, rows[:, 1:, None], -1)[..., 0]
    excess = nats[rows[:, 1:] > 0].mean() - floor_of(far, new)
    says, then = (x[every, at, number["sings"]] > x[every, at, number["sing"]] for x in (p, q))
    cost[key], turned[key] = by_phrases(nats[every, at]), by_phrases(says != then)
    print(f"{key[0]:11} above the language {excess:.3f}, swapping turns the verb of",
          *(f"{share:4.0%}" for share in turned[key]))  # fmt: skip
nats = KneserNey(V, 5).fit(ids_of(texts, number)).token_nats(ids_of(new, number))
cost["5-gram", 0] = by_phrases(nats[np.cumsum(at + 2) - 2])

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7.4, height=4)
for kind, colour, marker in zip(("RNN", "LSTM", "Transformer", "5-gram"), COLOURS, MARKERS,
                                strict=False):  # fmt: skip
    for name, seed in cost:
        if name == kind:
            axes.plot(cost[name, seed], marker=marker, color=colour, alpha=0.8,
                      label=None if seed else kind)  # fmt: skip
for height, name in ((-np.log(0.3), "1.20"), (np.log(2 / 0.3), "+ ln 2")):
    axes.axhline(height, color=GREY, linestyle=":")
    axes.annotate(name, (5.06, height), color=GREY, va="bottom")
axes.set(xlabel="phrases between noun and verb · 名词与动词之间的短语数", xlim=(-0.2, 5.5),
         ylabel="nats at the verb · 动词的损失")  # fmt: skip
axes.legend(frameon=False, loc="upper left", ncols=2)
tidy(axes)
use_fonts(figure)

# %% [markdown]
# The Transformers pay next to nothing for the number, and the swap turns their verb: it hangs on
# the first noun and the word before it. Two LSTMs do nearly as well; the third is unsure. With
# the RNNs the swap turns the verb only where nothing stands between. This is no ranking: each
# kind got one learning rate and five epochs, and [lesson 04](04_rnn_by_hand.ipynb) taught RNNs
# to carry a noun past nine phrases.
#
# ## 4. Per what?
#
# A loss is per token, and tokens differ. Divide the total by something that the tokenizer does not
# choose:
#
# $$\text{bits per character} = \frac{\text{total nats}}{\ln 2 \cdot \text{characters}}$$
#
# or by bytes, of which a letter takes one, a Chinese character three.
#
# **Predict first.** Two models of the built-in Chinese sets (reviews, remarks, messages). One
# predicts characters, with perplexity 22, one bytes, with perplexity 3.4. Which is better?
#
# <details><summary>Answer</summary>
#
# One cannot tell: a character is three bytes, and $3.4^3$ is 39. In bits per character they are
# close, once the first one pays for the characters that it does not know.
# </details>

# %%
zh, en = (
    {split: [row.text for name in ("sentiment", "topic", "spam")
             for row in datasets.load(f"{name}_{language}", split)] for split in ("train", "test")}
    for language in ("zh", "en")
)  # fmt: skip
place = {c: k for k, c in enumerate(sorted(set("".join(zh["train"]))), start=1)}  # 0: unknown
END = len(place) + 1
cuts = {
    "characters": (5, END + 1, lambda line: [*(place.get(c, 0) for c in line), END]),
    "bytes": (12, 257, lambda line: [*line.encode(), 256]),
}
count, bits = sum(map(len, zh["test"])), {}
for unit, (order, size, cut) in cuts.items():
    model = KneserNey(size, order).fit([*map(cut, zh["train"])])
    nats = model.token_nats([*map(cut, zh["test"])])
    bits[unit] = nats.sum() / np.log(2) / count
    print(f"{unit:10} perplexity {np.exp(nats.mean()):5.2f}, bits a character {bits[unit]:.2f}")
unseen = sum(8 * len(c.encode()) for line in zh["test"] for c in line if c not in place) / count
print(f"unknown ones as bytes: {unseen:.2f} more, {bits['characters'] + unseen:.2f} in all")

# %% [markdown]
# ### What unknown words do
#
# The English sets by words. The vocabulary (词表) is the most frequent ones; the rest becomes the
# token "unknown".
#
# **Predict first.** With which vocabulary is the perplexity lowest?
#
# <details><summary>Answer</summary>
#
# With 20 words: "unknown" is easy to guess where so many words are. So it must pay: let a
# model of letters spell each unknown word, and add those bits. Then the order turns round.
# </details>

# %%
split_up = {name: [re.findall(r"\w+|[^\w\s]", line.lower()) for line in en[name]] for name in en}
frequent = Counter(word for line in split_up["train"] for word in line).most_common()
letters = {c: k for k, c in enumerate(sorted(set("".join(dict(frequent)))), start=1)}


def scored(size):
    """Return the perplexity, and bits per character without and with spelling."""
    known = {word: k for k, (word, _) in enumerate(frequent[:size], start=1)}
    tokens, unknown = {}, {}
    for name, lines in split_up.items():
        tokens[name] = [[*(known.get(word, 0) for word in line), size + 1] for line in lines]
        left = [word for line in lines for word in line if word not in known]
        unknown[name] = [[*(letters.get(c, 0) for c in word), len(letters) + 1] for word in left]
    nats = KneserNey(size + 2, 3).fit(tokens["train"]).token_nats(tokens["test"])
    speller = KneserNey(len(letters) + 2, 5).fit(unknown["train"])
    spelled, per = speller.token_nats(unknown["test"]).sum(), np.log(2) * sum(map(len, en["test"]))
    return np.exp(nats.mean()), nats.sum() / per, (nats.sum() + spelled) / per


sizes = (20, 60, 200, 600, 2000)
unknowns = np.array([scored(size) for size in sizes])
for size, (ppl, cheap, paid) in zip(sizes, unknowns, strict=True):
    print(f"{size:4} words: perplexity {ppl:5.2f}, bits per character {cheap:.2f}, "
          f"with spelling {paid:.2f}")  # fmt: skip

# %% tags=["figure"]
figure, (row,) = panels(1, 2, width=9, height=3.2)
row[0].plot(sizes, unknowns[:, 0], "o-", color=COLOURS[0])
for column, colour, marker, name in ((1, COLOURS[1], "s", "unknown is free 未登录词免费"),
                                     (2, COLOURS[2], "^", "spelled 逐字母拼出")):  # fmt: skip
    row[1].plot(sizes, unknowns[:, column], color=colour, marker=marker, label=name)
for axes, name in zip(row, ("perplexity 困惑度", "bits per character 每字符比特数"), strict=True):
    axes.set(xscale="log", xlabel="words in the vocabulary 词表大小", ylabel=name, ylim=0)
    tidy(axes)
row[1].legend(frameon=False)
use_fonts(figure)

# %% [markdown]
# So a perplexity says nothing without its tokens. (Our sets share templates. Ordinary prose takes
# more bits: the 1.561 nats below are $1.561 / \ln 2 = 2.25$ bits per character.)
#
# ## 5. On real text
#
# Measured by recipes of this project (`kerasllm recipe …`, all in `docs/results.md`):
#
# | text | network | Kneser-Ney | command |
# |---|---|---|---|
# | Penn Treebank, words: perplexity | LSTM 151.7 | 141.1 | `recipe word_lm --share 0.3` |
# | Shakespeare, characters: loss | GPT 1.575 | 1.561 | `recipe character_lm --five-minutes` |
#
# After 28 minutes of training counting is still ahead on the first; after 5 minutes it is level on
# the second, where 1.561 lies inside the network's interval, 1.556 to 1.595. Others went on: 114.5
# for an LSTM on the first text, 1.4697 for a larger GPT on the second. Only a baseline on the same
# rows shows whether a network has earned its place.
#
# ## Exercises
#
# An attempt at the perplexity, with a slip:


# %%
def my_perplexity(sentences, model, estimator):
    logs = [reference.ngram_log_probabilities(s, model, estimator) for s in sentences]
    return np.mean([np.exp(-log.mean()) for log in logs])  # where is the slip?


verdict = exercises.check("ngram_perplexity", my_perplexity)
assert not verdict.ok

# %% [markdown]
# Now you; `exercises.show(...)` states a task, `exercises.hint(...)` helps:
#
# 1. *Fill a line*: mend `my_perplexity`.
# 2. *Write it*: `ngram_kneser_ney`, whose shorter contexts count words in front; then
#    `cross_entropy`, the loss of the networks.
# 3. *Break it*: in `FAR` let a sentence go on with 0.9 in the place of 0.7, and end with 0.1.
#    Predict first: what does the coin cost a token now, and how far does the best n-gram stay
#    above the language?

# %%
exercises.show("ngram_kneser_ney")

# %% [markdown]
# ## What this lesson claims
#
# One cell, all claims. If it runs, they hold on your machine.

# %%
assert mle == np.inf and kneser_ney < add_k and np.isclose(by_hand, by_library, atol=1e-12)
old_loss, new_loss = (np.array(curve) for curve in by_order.values())
assert new_loss.argmin() == 2 and (np.diff(old_loss) < 0).all()  # order 3; the longest on old texts
assert old_loss[-1] < chain.entropy_rate - 0.3 < chain.entropy_rate < new_loss.min()
assert min(by_size["n = 2"]) > chain.entropy_rate + 0.2  # a word of context that is not there
assert np.isclose(far.entropy_rate, languages["near"].entropy_rate, rtol=0, atol=1e-12)
assert max(above["near"].min(axis=1)) < 0.02  # same words, same entropy, verb in reach
assert np.abs(above["far"].min(axis=1) - np.log(2) / far.mean_tokens).max() < 0.015  # one coin
assert (cost["5-gram", 0][1:] > -np.log(0.3) + 0.5).all()
for seed in range(3):  # it asks the first noun, however far
    assert max(cost["Transformer", seed]) < 1.4 and min(turned["Transformer", seed]) > 0.9
recurrent = [cost[kind, seed][3:].mean() for kind in ("RNN", "LSTM") for seed in range(3)]
assert min(recurrent) < 1.6 < max(recurrent)  # some carry it, some do not
assert abs(bits["characters"] + unseen - bits["bytes"]) < 0.3
assert (np.diff(unknowns[:, 0]) > 0).all() and (np.diff(unknowns[:, 2]) < 0).all()

# %% [markdown]
# ## Where to go next
#
# - [08 Honest evaluation](08_honest_evaluation.ipynb): intervals, and baselines that embarrass.
# - [09 Attention](09_attention.ipynb): how the Transformer looks at the first noun.
# - [16 Generation](16_generation.ipynb): let a language model write.
# - In the code: `kerasllm/reference/sequence/ngram.py`, and `kerasllm/baselines/language.py` for a
#   million tokens.
