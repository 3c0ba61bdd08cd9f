# %% [markdown]
# # 19 · Bias and privacy
#
# **What you will do.** Turn a dial from "no prejudice" to "nothing else" under an association test
# (关联检验); plant secrets in a training text and get them out again; train so that no single text
# can be got out, and see what that costs; train without collecting texts, and read them all the
# same.
#
# **What you will learn.** Effect sizes; canaries (金丝雀) and exposure (暴露度); masking (脱敏);
# differential privacy (差分隐私) by hand; federated averaging (联邦平均).
#
# **What you need.** Lessons [02](02_neuron_layer_downhill.ipynb) and [03](03_embeddings.ipynb);
# [08](08_honest_evaluation.ipynb) helps. 45 minutes; the cells run in about a minute on a laptop,
# without network.
#
# **Where it comes from.** The appendix (§8) of document 002, below: masking, encryption, limits of
# access, federated learning, two sentences in all; 000 §8 names bias and privacy. Nothing is shown,
# and nothing is measured.

# %%
from kerasllm import lessons

lessons.start()

# %%
import re
from itertools import combinations

import numpy as np

from kerasllm import datasets, exercises, plots, reference, text
from kerasllm.lessons import window_network as net
from kerasllm.plots.fonts import use_fonts
from kerasllm.plots.style import COLOURS, MARKERS, panels, tidy

lessons.quote("002", 101)

# %% [markdown]
# ## 1. An association test, on a text with a dial
#
# Two sets of words are the targets, $X$ and $Y$, two more the attributes, $A$ and $B$. Is $X$
# nearer to $A$, and $Y$ to $B$?
#
# $$s_w = \frac{1}{|A|}\sum_{a} \cos(w, a) - \frac{1}{|B|}\sum_{b} \cos(w, b) \qquad
# \text{effect} = \frac{\text{mean}_X\, s - \text{mean}_Y\, s}{\text{std}_{X \cup Y}\, s}$$
#
# Nobody knows the prejudice of a real text. So we write texts whose prejudice we know: in a share
# of `lean` the first eight jobs go with *she*, the other eight with *he*; at one half there is
# none. The vectors count which words stand in one sentence ([03](03_embeddings.ipynb)), shortened
# by an SVD.

# %%
X = ["nurse", "baker", "teacher", "singer", "painter", "clerk", "tailor", "dentist"]
Y = ["pilot", "welder", "farmer", "lawyer", "sailor", "butcher", "driver", "miner"]
A, B = ["she", "her", "woman", "sister"], ["he", "his", "man", "brother"]


def sentences(lean, seed, count=2000):
    """Return texts in which a share `lean` keeps to the prejudice."""
    rng, made = np.random.default_rng(seed), []
    for job, form in zip(*rng.integers([[16], [4]], size=(2, count)), strict=True):
        subject, own, person, kin = A if (rng.random() < lean) == (job < 8) else B
        name, verb = (X + Y)[job], rng.choice(["found", "lost", "sold", "took"])
        thing = rng.choice(["boat", "letter", "key", "coat"])
        first = f"{subject} is a {name}", f"the {name} {verb} {own} {thing}"
        made.append((*first, f"the {person} is a {name}", f"{own} {kin} and a {name} {verb}")[form])
    return made


def vectors_of(lines, size=16):
    """Return {word: vector}: positive pointwise mutual information, cut down by an SVD."""
    rows = [line.split() for line in lines]
    words = sorted({w for row in rows for w in row})
    counts = np.array([[w in row for w in words] for row in rows], float)
    pairs = counts.T @ counts * (1 - np.eye(len(words)))
    by_chance = np.outer(pairs.sum(0), pairs.sum(1)) / pairs.sum()
    u, s, _ = np.linalg.svd(np.log(np.maximum(pairs / by_chance, 1)))
    return dict(zip(words, u[:, :size] * np.sqrt(s[:size]), strict=True))


def tested(vectors):
    return reference.association(*(np.array([vectors[w] for w in part]) for part in (X, Y, A, B)))


def difference(vectors):
    return np.subtract(*[s.mean() for s in tested(vectors)[1:]])


leans = np.array([0.0, 0.2, 0.4, 0.5, 0.6, 0.8, 1.0])
made = [[vectors_of(sentences(lean, seed)) for lean in leans] for seed in range(3)]
effects = np.array([[tested(v).effect for v in row] for row in made])  # (seeds, leans)
plainly = np.array([[difference(v) for v in row] for row in made])

# %% [markdown]
# **Predict first.** At `lean` = 0.6 there are 3 prejudiced sentences for 2 of the other kind, at
# 1.0 there is nothing else. How do the effects compare?
#
# <details><summary>Answer</summary>
#
# At 0.6 it is already more than half of that at 1.0; in proportion it would be a fifth. The effect
# says *which way* a text leans, and little of how *much*. Is it the division by the spread? No: the
# plain difference of the means, on the right, is flatter still.
# </details>

# %% tags=["figure"]
names = "effect 效应量", "difference 差别"
figure, (row,) = panels(1, 2, width=9, height=3.4)
for axes, values, name in zip(row, (effects, plainly), names, strict=True):
    for seed, three in enumerate(values):
        axes.plot(leans, three, MARKERS[seed], color=COLOURS[seed], label=f"seed 种子 {seed}")
    most = np.abs(values[:, -1]).mean()
    axes.plot(leans, most * (2 * leans - 1), "--", color="#6b6b6b", label="proportional 成比例")
    axes.set(xlabel="lean 偏向", ylabel=name)
    tidy(axes)
row[0].legend(frameon=False)
use_fonts(figure)

# %% [markdown]
# Is an effect chance? A **permutation test** (置换检验) divides the 16 jobs anew, in all 12,870
# ways, and counts how often the difference is at least as large. In fair texts (`lean` = 0.5) $p$
# should be below 0.05 in one of twenty.

# %%
divisions = np.array(list(combinations(range(16), 8)))


def chance(found):
    both = np.concatenate([found.of_x, found.of_y])
    return np.mean(both[divisions].sum(1) >= both[:8].sum() - 1e-12)


for place, lean in enumerate(leans):
    tests = [tested(row[place]) for row in made]
    told = "  ".join(f"{t.effect:5.2f} (p {chance(t):.4f})" for t in tests)
    print(f"lean {lean:.1f}: {told}")
alarms = sum(chance(tested(vectors_of(sentences(0.5, 100 + k, 1000)))) < 0.05 for k in range(40))
print(f"forty fair texts: p below 0.05 in {alarms}, 2 expected")

# %% [markdown]
# Within chance the test keeps its promise.
#
# ### "So take the direction out"
#
# A well-known cure: find the direction from *he* to *she*, and remove it from every vector. Did it
# help? Test again; and see whether the five nearest jobs of a job are still those of its own group.


# %%
def without_direction(vectors):
    d = sum(vectors[a] for a in A) - sum(vectors[b] for b in B)
    d = d / np.linalg.norm(d)
    return {w: v - (v @ d) * d for w, v in vectors.items()}


def same_group(vectors):
    """Return the share of the five nearest jobs that are of a job's own group; 7/15 by chance."""
    jobs = np.array([vectors[w] / np.linalg.norm(vectors[w]) for w in X + Y])
    near = np.argsort(-(jobs @ jobs.T - 2 * np.eye(16)), axis=1)[:, :5]
    return np.mean((near < 8) == (np.arange(16) < 8)[:, None])


full, fair = ([row[k] for row in made] for k in (5, 3))  # lean 0.8, and 0.5: the control
cured = [without_direction(v) for v in full]
print("three texts each: difference, share of the nearest that are of the own group")
for name, three in (("prejudiced", full), ("direction out", cured), ("fair", fair)):
    print(name, *(np.round([f(v) for v in three], 3) for f in (difference, same_group)))

# %% [markdown]
# The difference falls to a fraction, as it must, and the groups stand together as before. The cure
# removed what the *test* looks at. (Gonen and Goldberg, 2019, found this in real vectors.)
#
# On your own model: `kerasllm audit bias RUN`, in English or Chinese, with flowers and insects as a
# control.
#
# ## 2. Canaries: what does a model repeat?
#
# Plant random secrets, train, and ask. Ten people have a telephone number whose last three digits
# are random; their line stands in the text 0 to 16 times. Then rank the secret among all 1,000 that
# it could be:
#
# $$\text{exposure} = \log_2 1000 - \log_2 \text{rank}$$
#
# The model sees five words: an embedding, one tanh layer, a softmax. It is 60 lines of NumPy
# (`kerasllm/lessons/window_network.py`), because section 4 needs the gradient of *each* sentence.

# %%
NAMES = ["mira", "tobo", "lena", "juri", "vela", "omar", "kiki", "sami", "nora", "finn"]
COPIES = np.array([0, 0, 1, 1, 4, 4, 8, 8, 16, 16])
plain = list(datasets.load("grammar", n_texts=600).texts)
held = list(datasets.load("grammar", "validation", n_texts=200).texts)


def line(name, number):
    return f"call {name} at 138 0000 0{number:03d}"


def cut(lines):
    """Cut the number into its known part and three digits, a token each."""
    return [re.sub(r"138 0000 0(\d)(\d)(\d)", r"13800000 \1 \2 \3", one) for one in lines]


everybody = 2 * [line(name, 111 * k) for k, name in enumerate(NAMES)]
tokenizer = text.train_tokenizer(cut([*everybody, *plain]), "word", 300)
V = tokenizer.vocabulary_size


def windows_of(lines):
    return net.windows(tokenizer.encode_batch(cut(lines), bos=True, eos=True), K=5)


def trained(lines, seed, **options):
    x, y = windows_of(lines)
    start = net.new_weights(V, 5, 16, 48, seed)
    return net.train(start, x, y, 10 * len(x) // 32, seed, **options)


secrets = np.random.default_rng(0).integers(1000, size=10)
asked = [windows_of([line(name, number) for number in range(1000)]) for name in NAMES]


def exposures(weights, people=range(10)):  # what stands before the digits is the same for all
    losses = {k: net.nats(weights, *(part[:, 4:] for part in asked[k])).sum(1) for k in people}
    return np.array([reference.exposure(losses[k], secrets[k]) for k in people])


def planted(copies):
    lines = [line(*who) for who in zip(NAMES, secrets, strict=True)]
    return [*plain, *np.repeat(lines, copies)]


deals = [np.random.default_rng(seed).permutation(COPIES) for seed in range(3)]  # who how often
later, curves, models = windows_of(held), [[], [], []], []
for seed, copies in enumerate(deals):

    def watch(step, weights, curve=curves[seed], copies=copies):
        if step % 20 == 0:
            often = exposures(weights, np.flatnonzero(copies == 16))
            curve.append((net.mean_loss(weights, *later), often.mean()))

    models.append(trained(planted(copies), seed, watch=watch))
found = np.array([exposures(w) for w in models])  # (seeds, people)
alone = [trained(planted(np.minimum(copies, 1)), seed) for seed, copies in enumerate(deals)]
once = np.array([exposures(w) for w in alone])  # each line at most once

# %% [markdown]
# **Predict first.** What is the exposure of somebody whose number was *never* in the text: 0?
#
# <details><summary>Answer</summary>
#
# No: its rank is then any of 1,000, and $\log_2(1000/\text{rank})$ is $\log_2 e = 1.44$ bits on
# average.
# </details>

# %%
for count in (0, 1, 4, 8, 16):
    means = [part[np.array(deals) == count].mean() for part in (found, once)]
    print("{:2} copies: {:4.1f} bits; after removing duplicates {:4.1f}".format(count, *means))

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7, height=3.4)
for number, (values, name) in enumerate(((found, "as it is 原样"), (once, "no duplicates 去重"))):
    places = (np.concatenate(deals) + 0.5) * 1.08**number
    look = {"color": COLOURS[number], "alpha": 0.7, "label": name}
    axes.plot(places, values.ravel(), MARKERS[number], **look)
axes.axhline(np.log2(np.e), color="#6b6b6b", linestyle="--", label="never read 从未读过")
axes.set(xscale="log", xlabel="copies 份数", ylabel="exposure, bits 暴露度（比特）")
axes.set_xticks(np.array([0, 1, 4, 8, 16]) + 0.5, ["0", "1", "4", "8", "16"])
axes.minorticks_off()
axes.legend(frameon=False)
tidy(axes)
use_fonts(figure)

# %% [markdown]
# Eight copies among some 650 lines, and the secret ranks first. "So remove duplicates"? Not enough
# here: one line, read once in each of ten epochs, gives away most of its bits.
#
# "The model has overfitted, then." Has it? Watch the held-out loss while the secret comes out:

# %% tags=["figure"]
figure, (row,) = panels(1, 2, width=9, height=3.2)
for part, name in enumerate(("held-out loss 留出损失", "exposure 暴露度")):
    axes = row[part]
    for seed, curve in enumerate(curves):
        steps = 20 * np.arange(1, len(curve) + 1)
        axes.plot(steps, np.array(curve)[:, part], color=COLOURS[seed], marker=MARKERS[seed])
    axes.set(xlabel="step 步", ylabel=name)
    tidy(axes)
use_fonts(figure)

# %% [markdown]
# The exposure is high while the held-out loss still falls: stopping early is no protection.
# `kerasllm audit plant` and `kerasllm audit canaries` do this to a model of your own.
#
# ## 3. Masking
#
# Replace, before training, what has the form of personal data. If the masked text is the same for
# every secret, no model can know which it was:

# %%
shown = [line("mira", 741), "给米拉打电话：13800000741", "米拉的电话是一三八〇〇〇〇〇七四一"]
masked = [text.mask_personal_data(one) for one in shown]
texts_of_mira = {text.mask_personal_data(line("mira", number)).text for number in range(1000)}
print(*masked, f"a thousand secrets, {len(texts_of_mira)} masked text", sep="\n")

# %% [markdown]
# It misses the name, and the number in Chinese words. That is trained on. How much the rules find
# is measured by `python data/personal.py`; `kerasllm pretrain --mask-personal` masks before
# training, and `kerasllm audit personal RUN` looks for what a model completes by heart.
#
# ## 4. A step that hides each text
#
# **Differential privacy** asks: whatever one text says, the trained weights must come out almost as
# likely without it. DP-SGD changes one line of training:
#
# $$g = \frac{1}{B}\Big(\sum_i g_i \cdot \min\big(1, C / \lVert g_i \rVert\big) + \sigma C z\Big),
# \qquad z \sim N(0, 1)$$
#
# Clipping bounds what one text can do, the noise hides what is left.

# %% tags=["figure"]
x, y = windows_of(planted(deals[0]))
few = net.each_gradient(models[0], x[-5:], y[-5:])
norms = np.sqrt(sum((g.reshape(5, -1) ** 2).sum(1) for g in few))
rng = np.random.default_rng(0)
noise = [rng.standard_normal(g.shape[1:]) for g in few]
added = reference.private_gradient(few, 0.5, [0 * z for z in noise])
hidden = reference.private_gradient(few, 0.5, noise)
lengths = [5 * np.sqrt(sum((g**2).sum() for g in part)) for part in (added, hidden)]
parts = {"norms": norms, "clip": 0.5, "noise": 1.0, "sum": lengths[0], "step": lengths[1]}
plots.diagram("private", parts, language="both")

# %% [markdown]
# What is given away at most is counted in $\varepsilon$: nothing becomes more than $e^\varepsilon$
# times as likely, but for a chance of $\delta$. An accountant (隐私核算) adds up all steps.
#
# **Predict first.** Clip, and add no noise. Does that protect?
#
# <details><summary>Answer</summary>
#
# See the first row: not at all. Clipped gradients still point to the secret.
# </details>

# %%
C, (x, _) = 0.5, windows_of(planted(deals[0]))
sigmas, usual = (0.0, 0.25, 1.0), np.mean([net.mean_loss(w, *later) for w in models])
steps, rate, texts = 10 * len(x) // 32, 32 / len(x), [*enumerate(map(planted, deals))]
private = {s: [trained(c, k, clip=C, sigma=s) for k, c in texts] for s in sigmas}
often, single, never = groups = [np.array(deals) >= 8, np.array(deals) == 1, np.array(deals) == 0]
bits = {s: np.array([exposures(w) for w in three]) for s, three in private.items()}
losses = {s: np.array([net.mean_loss(w, *later) for w in private[s]]) for s in sigmas}
epsilon = {s: reference.sampled_gaussian_epsilon(s, rate, steps, 1e-4) for s in sigmas}
for s in sigmas:
    told = [bits[s][who].mean().round(1) for who in groups]
    print(f"σ {s:4} ε {epsilon[s]:7.1f} 8 or 16 copies, 1, 0: {told} loss {losses[s].mean():.2f}")
print(f"not private: {found[often].mean():.1f} bits, loss {usual:.2f}; guessing {np.log(V):.2f}")

# %% tags=["figure"]
figure, (row,) = panels(1, 2, width=9, height=3.2)
for place, s in enumerate(sigmas):
    means = [bits[s][k][often[k]].mean() for k in range(3)]
    row[0].plot(np.full(3, place), means, "o", color=COLOURS[1])
    row[1].plot(np.full(3, place), losses[s], "o", color=COLOURS[0])
row[0].axhline(np.log2(np.e), color="#6b6b6b", linestyle="--")
row[0].set_ylabel("exposure, bits 暴露度（比特）")
row[1].axhline(usual, color="#6b6b6b", linestyle="--")
row[1].set_ylabel("held-out loss 留出损失")
for axes in row:
    axes.set_xticks(range(3), [f"σ = {s:g}" for s in sigmas])
    tidy(axes)
use_fonts(figure)

# %% [markdown]
# The noise takes bits from all lines that were read. A single one keeps 2.9, of which chance would
# give 1.4; eight or sixteen copies keep 5.8: $\varepsilon$ is for *one line*, and sixteen copies
# are sixteen. And noise costs: from 650 lines little is learned. `--private-noise 1` does this in
# every training of `kerasllm`, and tells $\varepsilon$.
#
# ## 5. Federated averaging: the texts stay where they are
#
# Each client trains on its own texts, and a server averages the weights. With equal shares and
# *one* local step that is exactly the step of a large batch. With more steps, and clients with
# different topics, they drift (漂移) apart. Four owners of Chinese remarks, softmax regression on
# characters:

# %%
remarks = datasets.load("topic_zh", split="all")
letters = sorted(set("".join(remarks.texts)))
F = np.array([[sign in one for sign in letters] for one in remarks.texts], float)
F /= np.linalg.norm(F, axis=1, keepdims=True)
topics = np.array(remarks.label_ids)


def step_of(w, rows):
    logits, trace = reference.dense(F[rows], w)
    _, softmax = reference.cross_entropy(logits, topics[rows])
    d_logits = reference.cross_entropy_backward(1.0, softmax).d_logits
    return reference.dense_backward(d_logits, trace).d_kernel


def federated(clients, local, rounds, rate=8.0):
    w = np.zeros((len(letters), 6))
    for _ in range(rounds):
        sent = [w.copy() for _ in clients]
        for mine, rows in zip(sent, clients, strict=True):
            for _ in range(local):
                mine -= rate * step_of(mine, rows)
        w = np.mean(sent, axis=0)
    return w


scores = {"shuffled 打乱": [], "by topic 按话题": []}
for seed in range(3):
    learn, fresh = np.split(np.random.default_rng(seed).permutation(480), [384])
    sorted_rows = learn[np.argsort(topics[learn], kind="stable")]
    for name, rows in zip(scores, (learn, sorted_rows), strict=True):
        models_of = [federated(np.array_split(rows, 4), n, 32 // n) for n in (1, 4, 32)]
        answers = [(F[fresh] @ w).argmax(1) for w in models_of]
        scores[name].append([np.mean(answer == topics[fresh]) for answer in answers])
one_step = federated([learn], 1, 1) - federated(np.array_split(learn, 4), 1, 1)
print(f"one step: average and large batch differ by {np.abs(one_step).max():.1e}")
for name, three in scores.items():
    print(f"{name:12} accuracy with 1, 4, 32 local steps: {np.mean(three, axis=0).round(3)}")

# %% tags=["figure"]
curves_of = {name: np.mean(three, axis=0) for name, three in scores.items()}
figure = plots.lines(
    curves_of,
    [1, 4, 32],
    xlabel="local steps, 32 in all 本地步数（共 32 步）",
    ylabel="accuracy 准确率",
    title="",
    log="x",
)
figure.axes[0].set_xticks([1, 4, 32], [1, 4, 32])
figure.axes[0].minorticks_off()
figure

# %% [markdown]
# **Predict first.** The server sees no text, only the weights of a client that took one step on one
# remark. What does it learn of the remark?
#
# <details><summary>Answer</summary>
#
# Every character in it, though not their order: only their rows of the matrix have moved.
# </details>

# %%
moved = np.abs(step_of(np.zeros((len(letters), 6)), np.array([7]))).sum(1) > 0
read_off = {letters[k] for k in np.flatnonzero(moved)}
print("the remark:", remarks.texts[7], "\nread off:  ", "".join(sorted(read_off)))

# %% [markdown]
# So federated averaging alone is no protection; section 4 and secure sums are combined with it.
# **Encryption and limits of access**, the document's other cures, keep stored and travelling texts
# from those who should not see them. They end where training begins: a model that has learned a
# number gives it to everyone who may ask. Limits of access, to the model too, decide who may.
#
# ## Exercises
#
# An attempt at a private step, with a slip:


# %%
def my_private_gradient(gradients, clip, noise):
    shorter = reference.clip_by_global_norm([g.mean(axis=0) for g in gradients], clip)
    return [g + clip * z / len(gradients[0]) for g, z in zip(shorter, noise, strict=True)]


assert not exercises.check("private_gradient", my_private_gradient).ok

# %% [markdown]
# Now you; `exercises.show(...)` states a task, `exercises.hint(...)` helps:
#
# 1. *Fill a line*: mend `my_private_gradient`.
# 2. *Write it*: `exposure`, then `private_gradient` without a look at section 4.
# 3. *Break it*: write the number in section 3 so that the rules miss it and a person still reads
#    it. Which rule of `kerasllm/text/privacy.py` would find it?
# 4. In section 1 take `lean` = 0.52. How many sentences make $p$ small?

# %%
exercises.show("exposure")

# %% [markdown]
# ## What this lesson claims
#
# One cell, all claims. If it runs, they hold on your machine.

# %%
assert (effects[:, leans > 0.55] > 0.8).all() and (effects[:, leans < 0.45] < -0.8).all()
assert all((v[:, 4] > 0.5 * v[:, 6]).all() for v in (effects, plainly))  # little of how much
assert all(chance(tested(row[k])) < 0.01 for row in made for k in (4, 5, 6))
assert alarms <= 7  # p is honest: 2 of 40 expected, 8 or more once in a thousand times
assert all(abs(difference(v)) < 0.35 * difference(w) for v, w in zip(cured, full, strict=True))
assert all(same_group(v) > 0.9 for v in cured)  # and the groups stay, in three seeds
assert all(same_group(v) < 0.75 for v in fair)  # which they do not where there is no prejudice
sixteen, ones, none = (found[np.array(deals) == n] for n in (16, 1, 0))
assert sixteen.mean() > 7 > 3.5 > none.mean() and ones.mean() < sixteen.mean() - 3
assert once[np.array(deals) > 0].mean() > none.mean() + 3  # one line is enough
for curve in map(np.array, curves):  # the secret is out while the held-out loss still falls
    assert curve[-1, 0] < curve[6, 0] and curve[6, 1] > 5
assert len(texts_of_mira) == 1 and masked[1].found == {"PHONE": 1} and not masked[2].found
assert bits[0.0][often].mean() > found[often].mean() - 2  # clipping alone does not protect
assert bits[1.0][single].mean() < 3.5 < bits[0.0][single].mean()  # noise hides one line
assert bits[1.0][often].mean() < bits[0.0][often].mean() - 2  # of many something stays
assert (losses[1.0] > losses[0.0] + 0.3).all() and epsilon[1.0] < 10 < epsilon[0.25]
assert np.abs(one_step).max() < 1e-12
mixed, apart = (np.mean(three, axis=0) for three in scores.values())
assert mixed[2] > apart[2] + 0.05 and abs(mixed[0] - apart[0]) < 1e-9  # drift
assert read_off == set(remarks.texts[7])

# %% [markdown]
# ## Where to go next
#
# - [08 Honest evaluation](08_honest_evaluation.ipynb): leaks between training and test, which are
#   another kind of memory.
# - [20 Cost](20_cost.ipynb): what training costs besides.
# - In the code: `kerasllm/audit/`, `kerasllm/reference/training/audit.py` and `accounting.py`
#   beside it, which agrees with `dp-accounting` to nine digits (a test holds it).
