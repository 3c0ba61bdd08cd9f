# %% [markdown]
# # 14 · Tagging and the CRF
#
# **What you will do.** Tag people, places and firms with a network that learned from 40
# sentences; add a conditional random field (条件随机场, CRF), compute it by hand on all 27 paths;
# and find out by five variants (arms) which part of it helps.
#
# **What you will learn.** Tags and entities, and why right tags are not right entities; the forward
# algorithm (前向算法) and Viterbi's (维特比算法); transitions that forbid; how to ask which part of
# a method does the work.
#
# **What you need.** Lessons [06](06_gru_stacks_directions_masks.ipynb) and
# [08](08_honest_evaluation.ipynb). 40 minutes; the cells run in less than a minute on a laptop,
# without network.
#
# **Where it comes from.** Document 004 §6.2 names entity recognition (命名实体识别) in two
# sentences; 001 §5 has a tagger's network and calls it fine-tuning of BERT (S9 of the
# [errata](21_the_errata.ipynb)). Neither says how tags become entities, nor how they are scored.

# %%
from kerasllm import lessons

lessons.start()

# %%
from collections import Counter
from itertools import pairwise, product

import keras
import numpy as np

from kerasllm import baselines, datasets, exercises, layers, metrics, plots, reference, text
from kerasllm.layers.crf import FORBIDDEN
from kerasllm.plots.fonts import use_fonts
from kerasllm.plots.style import COLOURS, GREY, panels, tidy
from kerasllm.text.entities import forbidden_pairs

lessons.quote("004", 473)

# %% [markdown]
# ## 1. From tags to entities
#
# B begins an entity, I goes on with it, O is outside. In `places_en` the same made-up words name
# people, places and firms, so that only the words around them tell; each test sentence has a name
# that training never shows.

# %%
known, test = datasets.load("places_en").take(40), datasets.load("places_en", "test")
tags = datasets.load("places_en").labels
C = len(tags)
for word, tag in zip(test[1].tokens, test[1].tags, strict=True):
    print(f"{word:10} {tag}")

# %% [markdown]
# By the rules of `conlleval` an entity is right if its type *and both its ends* are. Precision,
# recall and F1 count entities, not tags.
#
# **Predict first.** A tagger writes "O" for every word. How many tags are right? Its F1?
#
# <details><summary>Answer</summary>
#
# Most words are outside of any entity, so that more than half of the tags are right. F1 is 0.
# </details>

# %%
wanted = [list(example.tags) for example in test]
nothing = metrics.tagging_metrics(wanted, [["O"] * len(row) for row in wanted])
print(f"always O:      {nothing['accuracy']:.3f} of the tags, F1 {nothing['f1']:.3f}")
for name in ("frequent", "linear"):
    found = baselines.BASELINES["tagging"][name](known, test).metrics
    print(f"{name:14} {found['accuracy']:.3f} of the tags, F1 {found['f1']:.3f}")
linear = found["f1"]

# %% [markdown]
# The linear baseline looks at the word, its spelling and two neighbours on each side. Keep its
# number in mind.
#
# ## 2. A tag at a time, or all at once
#
# A softmax chooses each tag for itself. It may write I-LOC after O: no entity at all. A CRF scores
# a whole *sequence* $y$, with a matrix $A$ of transitions from tag to tag; the *emission*
# $e_{t,j}$ is the network's score of tag $j$ at word $t$:
#
# $$s(y) = \text{start}_{y_0} + \sum_t e_{t, y_t} + \sum_t A_{y_{t-1}, y_t} + \text{end}_{y_T}
# \qquad p(y) = \frac{e^{s(y)}}{\sum_{y'} e^{s(y')}}$$
#
# The denominator of $p$, the sum over all sequences, is called $Z$. Three words, three tags.
# Alone, the second word leans to O, by a little; the last one is inside of something. $A$ forbids
# I after O.

# %%
names = ["O", "B-LOC", "I-LOC"]
emissions = np.array([[[1.0, 0.2, 0.1], [0.7, 0.6, 0.2], [0.3, 0.1, 0.9]]])  # (B, T, C)
A = np.array([[0.5, 0.2, FORBIDDEN], [-0.2, -1.0, 0.8], [0.3, -0.5, 0.1]])
start, end = np.array([0.0, 0.0, FORBIDDEN]), np.zeros(3)


def score(path):
    steps = sum(emissions[0, t, tag] for t, tag in enumerate(path))
    moves = sum(A[i, j] for i, j in pairwise(path))
    return start[path[0]] + steps + moves + end[path[-1]]


paths = {path: score(path) for path in product(range(3), repeat=3)}  # 3³ = 27
best = max(paths, key=paths.get)
by_hand = np.log(sum(np.exp(s) for s in paths.values()))
print("one by one:", [names[k] for k in emissions[0].argmax(-1)])
print("best path: ", [names[k] for k in best], f"score {paths[best]:.2f}, log Z {by_hand:.6f}")

# %% [markdown]
# **Predict first.** A sentence of 20 words and 7 tags: how many paths?
#
# <details><summary>Answer</summary>
#
# $7^{20}$, some $8 \cdot 10^{16}$. But what comes after a tag does not depend on how it was
# reached, so sums can be carried from word to word: $20 \cdot 7^2 = 980$ additions.
# </details>
#
# The **forward algorithm** carries sums, **Viterbi** carries maxima and remembers where from; both
# begin with $\text{start}_j + e_{0,j}$:
#
# $$\alpha_{t,j} = e_{t,j} + \log \sum_i e^{\alpha_{t-1,i} + A_{ij}} \qquad
# b_{t,j} = e_{t,j} + \max_i \, (b_{t-1,i} + A_{ij})$$

# %%
alpha = top = start + emissions[0, 0]
for e in emissions[0, 1:]:
    alpha = e + np.log(np.exp(alpha[:, None] + A).sum(axis=0))
    top = e + (top[:, None] + A).max(axis=0)
forward, highest = np.log(np.exp(alpha + end).sum()), (top + end).max()

_, trace = reference.crf(emissions, np.array([best]), A, start, end)
path, viterbi = reference.crf_viterbi(emissions, A, start, end)
print(f"log Z: 27 paths {by_hand:.6f}, forward {forward:.6f}, library {trace.log_z[0]:.6f}")
print(f"best:  27 paths {paths[best]:.6f}, Viterbi {highest:.6f}, library {viterbi[0]:.6f}")

plots.diagram("crf", trace, tokens=["the", "New", "York"], names=names, language="both")

# %% tags=["figure"]
many = np.arange(1, 21)
figure = plots.lines(
    {"paths 路径": 7.0**many, "additions 加法": 49 * many},
    many,
    xlabel="words 词数",
    ylabel="7 tags 七种标签",
    title="",
    log="y",
)
figure.axes[0].set_xticks(range(0, 21, 5))
figure

# %% [markdown]
# ## 3. Forty sentences
#
# The same BiLSTM gives the emissions; behind it stands a softmax, or a CRF. Words seen once in
# training become "unknown", so that the network learns what to do with a new name.

# %%
counts = Counter(word for example in known for word in example.tokens)
number = {word: k + 2 for k, word in enumerate(sorted(w for w, n in counts.items() if n > 1))}
T = max(len(example.tokens) for example in (*known, *test))


def ids_of(data):
    return text.pad_sequences([[number.get(w, 1) for w in e.tokens] for e in data], length=T)


x, x_test, real = ids_of(known), ids_of(test), ids_of(test) > 0
y = text.pad_sequences([[tags.index(tag) for tag in e.tags] for e in known], length=T)


def trained(head, seed):
    """Return emissions of the test words and the CRF's weights: zeros behind a softmax."""
    keras.utils.set_random_seed(seed)
    words, truth = keras.Input((T,), dtype="int32"), keras.Input((T,), dtype="int32")
    h = keras.layers.Dropout(0.2)(layers.TokenEmbedding(len(number) + 2, 32)(words))
    scores = keras.layers.Dense(C)(layers.BiLSTM(32)(h))
    emit, adam = keras.Model(words, scores), keras.optimizers.Adam(0.01)
    if head == "softmax":
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        emit.compile(adam, loss, jit_compile=False)
        emit.fit(x, y, sample_weight=(x > 0) * 1.0, batch_size=16, epochs=25, verbose=0)
        weights = [np.zeros((C, C)), np.zeros(C), np.zeros(C)]
    else:
        field = layers.CRF(C)
        mask = keras.ops.not_equal(words, 0)
        model = keras.Model([words, truth], field(scores, tags=truth, mask=mask))
        model.compile(adam, lambda _, log_p: -keras.ops.mean(log_p), jit_compile=False)
        model.fit([x, y], np.zeros(len(x)), batch_size=16, epochs=25, verbose=0)
        weights = field.get_weights()
    found = emit.predict(x_test, batch_size=400, verbose=0)
    return found.astype("float64"), *(np.asarray(w, "float64") for w in weights)


runs = {head: [trained(head, seed) for seed in range(3)] for head in ("softmax", "crf")}

# %% [markdown]
# ## 4. Which part of the CRF helps?
#
# A CRF brings two things: *learned* transitions, and a search that can *forbid*. Forbidding needs
# no training; a softmax may have it, too. And the learned transitions can be taken out. So, five
# arms, three seeds each:
#
# **Predict first.** Which arm wins?
#
# <details><summary>Answer</summary>
#
# The CRF with the rules, by a little; it had learned most of them, and they add next to nothing.
# But see the second row: about half of the CRF's lead is had by rules that nobody had to learn.
# </details>

# %%
rules = np.zeros((C + 1, C + 1))
for i, j in forbidden_pairs(tags):  # C stands for the edge of the sentence
    rules[i, j] = FORBIDDEN


def decoded(e, A, start, end, forbid):
    if forbid:
        A, start, end = A + rules[:C, :C], start + rules[C, :C], end + rules[:C, C]
    best, _ = reference.crf_viterbi(e, A, start, end, real)
    return [[tags[k] for k in row[: len(w)]] for row, w in zip(best, wanted, strict=True)]


def without(e, A, start, end):
    return e, 0 * A, 0 * start, 0 * end


arms = {
    "softmax": [decoded(*run, False) for run in runs["softmax"]],
    "softmax + rules 规则": [decoded(*run, True) for run in runs["softmax"]],
    "CRF": [decoded(*run, False) for run in runs["crf"]],
    "CRF + rules 规则": [decoded(*run, True) for run in runs["crf"]],
    "CRF, transitions cut 去掉转移": [decoded(*without(*run), False) for run in runs["crf"]],
}


def broken(rows):
    """Return the share of sentences that hold tags which cannot follow each other."""
    pairs = [zip(["edge", *row], [*row, "edge"], strict=True) for row in rows]
    shut = {(([*tags, "edge"])[i], ([*tags, "edge"])[j]) for i, j in forbidden_pairs(tags)}
    return np.mean([any(pair in shut for pair in row) for row in pairs])


f1 = {arm: [metrics.tagging_metrics(wanted, rows)["f1"] for rows in found]
      for arm, found in arms.items()}  # fmt: skip
for arm, found in arms.items():
    print(f"F1 {np.mean(f1[arm]):.3f} ± {np.std(f1[arm], ddof=1):.3f}, impossible tags in "
          f"{np.mean([broken(rows) for rows in found]):.1%} of the sentences: {arm}")  # fmt: skip

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7, height=3)
for place, found in enumerate(f1.values()):
    axes.plot(found, [place] * 3, "o", color=COLOURS[place])
axes.axvline(linear, color=GREY, linestyle="--", label="linear baseline 线性基线")
axes.set_yticks(range(5), f1)
axes.set(xlabel="F1", ylim=(4.5, -0.5))
axes.legend(frameon=False, loc="upper left")
tidy(axes)
use_fonts(figure)

# %% [markdown]
# Cut the transitions, and the CRF falls: it does use what it learned. But forbid the impossible to
# the softmax, and what is left of the CRF's lead is about the spread of three seeds. And the
# linear model of section 1, with 0.950, is about as good as both. What did the CRF learn? To lean
# towards the rules (blue: it favours the step, red: it avoids it):

# %% tags=["figure"]
learned = np.mean([run[1] for run in runs["crf"]], axis=0)
figure, ((axes,),) = panels(width=6, height=4.6)
image = axes.imshow(learned, cmap="RdBu", vmin=-np.abs(learned).max(), vmax=np.abs(learned).max())
for i, j in forbidden_pairs(tags):
    if max(i, j) < C:
        axes.plot(j, i, "x", color="black")
axes.set_xticks(range(C), tags, rotation=45)
axes.set_yticks(range(C), tags)
axes.set(xlabel="to 到 (x: forbidden 不允许)", ylabel="from 从")
figure.colorbar(image)
use_fonts(figure)

# %%
inner = [(i, j) for i, j in forbidden_pairs(tags) if max(i, j) < C]
others = [pair for pair in product(range(C), repeat=2) if pair not in inner]
means = [[np.mean([run[1][pair] for pair in part]) for part in (inner, others)]
         for run in runs["crf"]]  # fmt: skip
for shut, free in means:
    print(f"learned score of forbidden transitions {shut:5.2f}, of the others {free:5.2f}")

# %% [markdown]
# ### And in Chinese, and for real?
#
# In Chinese the tokens are characters, and the rest is the same: `kerasllm train cluener`. Whether
# a CRF pays on your text, measure: train once more with `--head softmax`.
#
# ## Exercises
#
# An attempt at Viterbi, with a slip:


# %%
def my_viterbi(emissions, transitions, start, end, mask=None):
    return reference.crf_viterbi(emissions, transitions.T, start, end, mask)


verdict = exercises.check("crf_viterbi", my_viterbi)
assert not verdict.ok

# %% [markdown]
# Now you; `exercises.show(...)` states a task, `exercises.hint(...)` helps:
#
# 1. *Fill a line*: mend `my_viterbi`.
# 2. *Write it*: `crf_viterbi` as a loop (section 2 has most of it), then `crf`.
# 3. *Break it*: in section 2 make `end` forbid "I-LOC". Which path wins? Predict first.
# 4. In section 3 take 200 sentences. What is left of the differences?

# %%
exercises.show("crf")

# %% [markdown]
# ## What this lesson claims
#
# One cell, all claims. If it runs, they hold on your machine.

# %%
assert nothing["accuracy"] > 0.5 and nothing["f1"] == 0
assert np.isclose(forward, by_hand, rtol=0, atol=1e-12) and np.isclose(trace.log_z[0], by_hand)
assert np.isclose(highest, paths[best]) and tuple(path[0]) == best
assert tuple(emissions[0].argmax(-1)) != best  # a tag at a time is not the best path
plain, rule, crf, crf_rule, cut = map(np.array, f1.values())
assert (cut < crf - 0.02).all()  # the transitions do their work, in three seeds
assert (rule > plain - 0.01).all() and rule.mean() > plain.mean()  # rules help, without training
assert abs(rule.mean() - crf.mean()) < 0.03  # and bring a softmax close to the CRF
assert all(broken(rows) == 0 for arm in arms if "rules" in arm for rows in arms[arm])
assert (abs(crf_rule - crf) < 0.01).all()  # the CRF had learned them: forbidding adds little
assert all(shut < free - 0.2 for shut, free in means)  # it learned the rules, in three seeds
assert abs(crf.mean() - linear) < 0.06  # the linear baseline is about as good

# %% [markdown]
# ## Where to go next
#
# - [08 Honest evaluation](08_honest_evaluation.ipynb): intervals for these F1s
#   (`metrics.tagging_intervals` draws whole sentences).
# - [21 The errata](21_the_errata.ipynb): S9, a tagger that was taken for BERT.
# - In the code: `kerasllm/reference/sequence/crf.py` has the backward pass as well,
#   `kerasllm/layers/crf.py` the layer. At a terminal: `kerasllm train places_en`.
