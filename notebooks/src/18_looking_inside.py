# %% [markdown]
# # 18 · Looking inside
#
# **What you will do.** Find the number of the subject (one or many) in the cell of an LSTM, and
# just as well a number that it does not use; change the one and the other, and watch the verb;
# explain an answer by gradients whose sum is exact, and get the answer to another question; shuffle
# the weights of an attention; open your own model as a page.
#
# **What you will learn.** Probes (探针) and control tasks (对照任务); interventions (干预);
# saliency (显著性) and integrated gradients (积分梯度); how a good story fails.
#
# **What you need.** Lessons [05](05_lstm_by_hand.ipynb),
# [08](08_honest_evaluation.ipynb) and [09](09_attention.ipynb). 45 minutes; the cells run in less
# than a minute on a laptop, without network.
#
# **Where it comes from.** Document 003 §8, below, calls large models black boxes, and leaves it at
# that. A small one can be opened.

# %%
from kerasllm import lessons

lessons.start()

# %%
import keras
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from kerasllm import exercises, explorer, models, plots, text, verify
from kerasllm.plots.fonts import use_fonts
from kerasllm.plots.style import COLOURS, GREY, panels, tidy

lessons.quote("003", 127)

# %% [markdown]
# ## 1. A network that knows
#
# *this **boat** near two rivers **sings***, *these **boats** near two rivers **sing***. The verb
# follows the first noun, not the second, which stands closer. Three LSTMs of 16 units learn it.

# %%
NOUNS = [(one, f"{one}s") for one in ("farmer", "teacher", "river", "boat", "robot", "doctor")]
DETERMINERS = ("a", "this", "every", "one"), ("these", "many", "several", "two")
VERBS = ("sleeps", "waits", "sings", "returns"), ("sleep", "wait", "sing", "return")
SEEDS = range(3)


def draw(seed, count):
    """Return sentences, and whether the first and the second noun are many: (count, 2)."""
    rng, numbers = np.random.default_rng(seed), []
    numbers = rng.integers(2, size=(count, 2))
    lines = []
    for pair in numbers:
        things = [f"{rng.choice(DETERMINERS[k])} {rng.choice(NOUNS)[k]}" for k in pair]
        near = rng.choice(("near", "behind", "under", "beside"))
        lines.append(f"{things[0]} {near} {things[1]} {rng.choice(VERBS[pair[0]])}")
    return lines, numbers


(lines, numbers), (fresh, many) = draw(0, 1500), draw(1, 400)
words = text.train_tokenizer(lines, "word", min_frequency=1)
ids, read = (np.array(words.encode_batch(some, bos=True, eos=True)) for some in (lines, fresh))
read = read[:, :6]  # <bos> and five words: the verb comes next
VERB_IDS = [[words.token_to_id(verb) for verb in kind] for kind in VERBS]
settings = models.RecurrentConfig(
    words.vocabulary_size, hidden_dim=16, units=16, num_layers=1, cell="lstm", dropout=0.0
)


def network(seed, epochs=8):
    keras.utils.set_random_seed(seed)
    model = models.CausalLM(models.RecurrentBackbone(settings))
    model.compile(keras.optimizers.Adam(0.02), models.TokenCrossEntropy(), jit_compile=False)
    if epochs:
        model.fit(ids[:, :-1], ids[:, 1:], batch_size=64, epochs=epochs, verbose=0)
    return model


def is_plural(p):
    """Return whether plural verbs are likelier than singular ones."""
    return p[..., VERB_IDS[1]].sum(-1) > p[..., VERB_IDS[0]].sum(-1)


def says_plural(net, texts):
    return is_plural(keras.ops.convert_to_numpy(keras.ops.softmax(net(texts)))[:, -1])


nets = [network(seed) for seed in SEEDS]
answers = [says_plural(net, read) for net in nets]
differ = many[:, 0] != many[:, 1]
for seed, answer in enumerate(answers):
    hits = answer == many[:, 0]
    print(f"network {seed}: {hits.mean():.1%} right, {hits[differ].mean():.1%} where nouns differ")

# %% [markdown]
# Here is the step after which the verb is chosen, with one unit of the cell. Which of the sixteen
# holds the number?

# %%
trace = verify.twin(nets[0]).trace(read[:1])["stack/lstm_0"]
tokens = ["<bos>", *fresh[0].split()[:5]]
plots.diagram("lstm", trace, step=5, unit=0, tokens=tokens, language="both")

# %% [markdown]
# ## 2. What a probe finds
#
# Take the cell $c$ after that step, and train a linear classifier on it:
# $p(\text{many}) = \sigma(w \cdot c + b)$. That is a **probe**. It may find what the network holds;
# or it may learn the task by itself. Three controls: the number of the *second* noun, which the
# verb does not need; the same LSTM *untrained*; and a **control task**, where each word is given a
# label by the toss of a coin, and the probe is asked for that of the last word (Hewitt and Liang
# 2019).
#
# **Predict first.** Which of the four does a probe find?
#
# <details><summary>Answer</summary>
#
# Both numbers, without a mistake: the one that the verb needs, and the one that it does not. In the
# untrained network, and in the control task, it does better than chance, and yet errs often.
# </details>


# %%
def cells(net, texts=read):
    """Return the cell (texts, units) where the verb is chosen."""
    return verify.twin(net).trace(texts)["stack/lstm_0"].c[:, -1]


def probe_of(cell, labels):
    """Return a probe trained on 300 texts, and its accuracy on the 100 others."""
    probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
    probe.fit(cell[:300], labels[:300])
    return probe, probe.score(cell[300:], labels[300:])


coins = [np.random.default_rng(toss).integers(2, size=words.vocabulary_size) for toss in range(5)]
states, raw = [cells(net) for net in nets], [cells(network(seed, 0)) for seed in SEEDS]
found = {
    "first noun 第一个名词": [probe_of(c, many[:, 0])[1] for c in states],
    "second noun 第二个名词": [probe_of(c, many[:, 1])[1] for c in states],
    "first noun, untrained 未训练": [probe_of(c, many[:, 0])[1] for c in raw],
    "control task 对照任务": [
        np.mean([probe_of(c, coin[read[:, 5]])[1] for coin in coins]) for c in states
    ],
}

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7, height=2.8)
for place, scores in enumerate(found.values()):
    axes.plot(scores, [place] * 3, "o", color=COLOURS[place], alpha=0.8)
axes.axvline(0.5, color=GREY, linestyle="--")
axes.set_yticks(range(4), found)
axes.set(xlabel="accuracy of the probe 探针的准确率 (3 seeds)", ylim=(3.5, -0.5))
tidy(axes)
use_fonts(figure)

# %% [markdown]
# The controls say that training made both numbers easy to read. They do not say that the network
# reads them. (`verify.probe` does this for a run of yours, control task and all.)
#
# ## 3. Is it used?
#
# A probe is a plane: "many" on one side, "one" on the other. Put in the place of the cell its
# mirror image behind that plane, and leave all else as it was; `verify.intervene` computes what
# follows. As controls: the plane of the second noun; a random direction, as far; and the cell of
# the same sentence with the first noun in the other number, which must turn the verb.
#
# **Predict first.** How often does the verb turn, from *sings* to *sing* or back?
#
# <details><summary>Answer</summary>
#
# By the cell of the other text always; by the plane of the second noun, or a random step, next to
# never. But by the plane of the first noun in one network mostly, in the two others never! The
# number is found, and it is used; but a cell that is "many" to the probe is not yet "many" to the
# network. (How far one has to go: exercise 3.)
# </details>


# %%
def mirrored(cells, probe):
    """Return cells on the other side of the plane of a probe, as far from it."""
    scaler, regression = probe
    w = regression.coef_[0] / scaler.scale_
    b = regression.intercept_[0] - w @ scaler.mean_
    return cells - 2 * np.outer(cells @ w + b, w) / (w @ w)


def with_other_number(row, place):
    """Return the ids of a text in which the noun at a place, and its determiner, change number."""
    line, kind = ["<bos>", *fresh[row].split()[:5]], many[row, int(place > 2)]
    pair = next(noun for noun in NOUNS if noun[kind] == line[place])
    line[place - 1 : place + 1] = DETERMINERS[1 - kind][0], pair[1 - kind]
    return words.encode(" ".join(line[1:]), bos=True)


rng = np.random.default_rng(0)
others = np.array([with_other_number(row, 2) for row in range(24)])
probes = [[probe_of(c, many[:, noun])[0] for noun in (0, 1)] for c in states]
turned = {name: [] for name in ("first noun 第一个名词", "second noun 第二个名词",
                                "random 随机方向", "another text 换记忆元")}  # fmt: skip
for net, cell, answer, (one, two) in zip(nets, states, answers, probes, strict=True):
    cell = cell[:24]
    way = rng.normal(size=cell.shape)
    length = np.linalg.norm(mirrored(cell, one) - cell, axis=1) / np.linalg.norm(way, axis=1)
    ways = (
        mirrored(cell, one),
        mirrored(cell, two),
        cell + length[:, None] * way,
        cells(net, others),
    )
    for name, new in zip(turned, ways, strict=True):
        reads = [verify.intervene(net, read[row].tolist(), words) for row in range(24)]
        after = [r.set("stack/lstm_0", "c", c, position=5).after.probabilities[-1]
                 for r, c in zip(reads, new, strict=True)]  # fmt: skip
        turned[name].append((is_plural(np.array(after)) != answer[:24]).mean())

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7, height=2.8)
for place, shares in enumerate(turned.values()):
    axes.plot(shares, [place] * 3, "o", color=COLOURS[place], alpha=0.8)
axes.set_yticks(range(4), turned)
axes.set(xlabel="verbs that turn 改变的动词 (3 seeds)", ylim=(3.5, -0.5), xlim=(-0.05, 1.05))
tidy(axes)
use_fonts(figure)

# %% [markdown]
# ## 4. A story that fails: the unit of the subject
#
# "One unit carries the subject, and the probe's largest weight names it." We swap one unit of the
# cell at a time between *this boat near two rivers* and *these boats near two rivers*, and see how
# far the share of plural verbs moves. `verify.over_seeds` asks each network.


# %%
def share(read_):
    p = read_.after.probabilities[-1]
    return p[VERB_IDS[1]].sum() / p[VERB_IDS[0] + VERB_IDS[1]].sum()


def moves(net):
    """Return how far each unit alone moves the share, and all of them together."""
    pair = ("this boat near two rivers", "these boats near two rivers")
    one, other = (verify.intervene(net, words.encode(line, bos=True), words) for line in pair)
    swaps = [one.swap("stack/lstm_0", "c", other, unit=u, position=5) for u in [*range(16), None]]
    return np.array([share(swap) for swap in swaps]) - share(one)


moved = [moves(net) for net in nets]
weights = [abs(first[-1].coef_[0]) for first, _ in probes]


def one_unit_does_most_of_it(seed):
    """One unit alone moves the verb more than half as far as all together."""
    part = moved[seed][:-1].max() / moved[seed][-1]
    return part > 0.5, f"{part:.2f}"


def the_probe_names_it(seed):
    """The unit of the probe's largest weight moves the verb most."""
    return weights[seed].argmax() == moved[seed][:-1].argmax()


stories = [verify.over_seeds(story, 3, train=lambda seed: seed)
           for story in (one_unit_does_most_of_it, the_probe_names_it)]  # fmt: skip
print(*stories, sep="\n\n")

# %% tags=["figure"]
figure, (row,) = panels(1, 3, width=9, height=3, sharex=True, sharey=True)
for seed, axes in enumerate(row):
    axes.plot(weights[seed], moved[seed][:-1], "o", color=COLOURS[seed], alpha=0.8)
    axes.axhline(moved[seed][-1], color=GREY, linestyle="--")
    axes.set(title=f"seed {seed}", xlabel="|w| of the probe 探针权重")
    tidy(axes)
row[0].set_ylabel("share moves 动词的变化")
use_fonts(figure)

# %% [markdown]
# (A dot is a unit; dashed: all units together.) Each half of the story holds in one network of
# three. A unit picked from one network is no finding.
#
# ## 5. Gradients: an exact sum, and a baseline
#
# **Saliency** is the length of the gradient of a score $F$ at the embedding of each word.
# **Integrated gradients** add the gradients up along the straight way to the text $x$ from a
# baseline $x'$, which stands for "no word":
#
# $$\text{value}_t = (x_t - x'_t) \cdot \int_0^1 \frac{\partial F}{\partial x_t}
# \big(x' + \alpha (x - x')\big)\, d\alpha \qquad \sum_t \text{value}_t = F(x) - F(x')$$
#
# They are *complete*. A computer takes finitely many steps along the way; by how much the sum then
# misses is the **completeness error**:

# %%
STEPS = [1, 2, 5, 10, 20, 50]


def gradients_of(net, row, verb, steps=50, baseline=1):  # <unk>
    return verify.integrated_gradients(net, read[row].tolist(), verb, tokenizer=words, steps=steps,
                                       baseline=baseline)  # fmt: skip


errors = [[gradients_of(net, 0, "sings", k).completeness_error for k in STEPS] for net in nets]

# %% tags=["figure"]
plots.lines(
    {f"seed {seed}": row for seed, row in enumerate(errors)},
    STEPS,
    xlabel="steps 步数",
    ylabel="completeness error 完备性误差",
    title="",
    log="xy",
)

# %% [markdown]
# Why *sings* and not *sing*? Gradients are linear in $F$, so we subtract the values of the two
# verbs. The truth we know by intervention: give a noun, and its determiner, the other number, and
# see whether the verb turns.
#
# **Predict first.** Do integrated gradients name the first noun, or its determiner?
#
# <details><summary>Answer</summary>
#
# Never the noun, its determiner in 16 of 72 cases: that depends on the seed *and* on the baseline.
# Completeness says that nothing was lost on the way, and nothing of where the way leads through.
# </details>

# %%
BASELINES = {"<unk>": 1, "<eos>": 3, "near": words.token_to_id("near")}
named = {}
for seed, net in enumerate(nets):
    for name, token in BASELINES.items():
        largest = []
        for row in range(8):
            right, wrong = (gradients_of(net, row, VERBS[kind][2], 20, token).values
                            for kind in (many[row, 0], 1 - many[row, 0]))  # fmt: skip
            largest.append(abs(right - wrong).argmax())
        named[f"seed {seed}, {name}"] = np.bincount(largest, minlength=6)
truth = [[(says_plural(net, np.array([with_other_number(row, place) for row in range(100)]))
           != answer[:100]).mean() for net, answer in zip(nets, answers, strict=True)]
         for place in (2, 5)]  # fmt: skip
print("the verb turns with the first noun:", *truth[0], "  with the second:", *truth[1])

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7, height=4.2)
counts = np.array(list(named.values()))
axes.imshow(counts, cmap="Blues", vmin=0, vmax=8, aspect="auto")
for (i, j), count in np.ndenumerate(counts):
    axes.text(j, i, count or "", ha="center", va="center", color="white" if count > 4 else "black")
axes.set_xticks(range(6), ["<bos>", "this", "boat", "near", "two", "rivers"])
axes.set_yticks(range(9), named)
axes.set(xlabel="texts whose largest value lies here 值最大处落在此的句数", ylabel="baseline 基线")
use_fonts(figure)

# %% [markdown]
# ## 6. Attention weights as an explanation
#
# Another network answers one question, whether the first noun is many: an LSTM, and an attention
# that pools its states, $\sum_t a_t h_t$. Can we read off $a$ which word it used? If the weights
# are the reason, the answer must suffer when we *shuffle* them in each text (Jain and Wallace
# 2019). The control: the words are shuffled instead.
#
# **Predict first.** Which of the two costs more?
#
# <details><summary>Answer</summary>
#
# The words. Shuffling the weights changes no answer: they explain none. (On average they are nearly
# even: see the means.) With other networks weights may matter (in [lesson
# 15](15_sequence_to_sequence.ipynb) they do): test it.
# </details>

# %%
looks = []
for seed in SEEDS:
    keras.utils.set_random_seed(seed)
    model = models.TextClassifier(models.RecurrentBackbone(settings), 2, pooling="attention")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss, jit_compile=False)
    model.fit(ids[:, :6], numbers[:, 0], batch_size=64, epochs=6, verbose=0)
    pooling, head = model.get_layer("pooling"), model.layers[-1]
    states_of = keras.Model(model.input, keras.tree.flatten(pooling.input)[0])
    h, (kernel, bias) = states_of.predict_on_batch(read), map(np.asarray, head.get_weights())
    scores = np.exp(h @ np.asarray(pooling.query))
    a = scores / scores.sum(axis=1, keepdims=True)  # (texts, tokens)
    order = np.random.default_rng(seed).permuted(np.tile(range(6), (400, 1)), axis=1)
    logits = [np.einsum("bt,bth->bh", some, h) @ kernel + bias
              for some in (a, np.take_along_axis(a, order, axis=1))]  # fmt: skip
    logits.append(model.predict_on_batch(np.take_along_axis(read, order, axis=1)))
    looks.append([(one.argmax(-1) == many[:, 0]).mean() for one in logits])
    print(f"seed {seed}: right {looks[-1][0]:.2f}, weights shuffled {looks[-1][1]:.2f}, words "
          f"shuffled {looks[-1][2]:.2f}; mean weights {np.round(a.mean(0), 2)}")  # fmt: skip

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7, height=2.4)
for place, scores in enumerate(np.transpose(looks)):
    axes.plot(scores, [place] * 3, "o", color=COLOURS[place], alpha=0.8)
axes.axvline(0.5, color=GREY, linestyle="--")
axes.set_yticks(
    range(3), ["as learned 学到的", "weights shuffled 打乱权重", "words shuffled 打乱词"]
)
axes.set(xlabel="accuracy 准确率 (3 seeds)", ylim=(2.5, -0.5), xlim=(0.4, 1.03))
tidy(axes)
use_fonts(figure)

# %% [markdown]
# ## 7. Open yours
#
# Network 0 as a page of its own, which computes it in your browser and says how far it is from
# NumPy: read *this boat near two rivers*, choose `lstm_0` and `c`, and repeat section 4 by hand.
# `kerasllm explore RUN` writes such a page for any run, and reads Chinese as well.

# %%
pair = ["this boat near two rivers", "these boats near two rivers"]
page = explorer.show(nets[0], "18_looking_inside", pair, words)
page

# %% [markdown]
# ## Exercises
#
# An attempt at the step that all of this looks into, with a slip:


# %%
def my_step(projected, h_previous, c_previous, recurrent_kernel):
    i, f, g, o = np.split(projected + h_previous @ recurrent_kernel, 4, axis=-1)
    i, f, o = (1 / (1 + np.exp(-gate)) for gate in (i, f, o))
    c = f * c_previous + i * np.tanh(g)
    return o * c, c


verdict = exercises.check("lstm_step", my_step)
assert not verdict.ok

# %% [markdown]
# Now you; `exercises.show(...)` states a task, `exercises.hint(...)` helps:
#
# 1. *Fill a line*: mend `my_step`.
# 2. *Write it*: `lstm_step_backward`, which gradients of section 5 are made of.
# 3. *Break it*: in section 3 go four times as far as the mirror image, by each plane and at random.
#    Or move the cell by the difference of the mean cells of "many" and "one". In which networks
#    does the verb turn now?
# 4. Write longer sentences, and read the number of the second noun off the cell at later words.
#    When is it gone?

# %%
exercises.show("lstm_step")

# %% [markdown]
# ## What this lesson claims
#
# One cell, all claims. If it runs, they hold on your machine.

# %%
first, second, untrained, control = found.values()
assert all((answer == many[:, 0]).mean() > 0.98 for answer in answers)
assert min(first + second) > 0.97 and max(untrained + control) < 0.9  # both are found
mine, other, random, swapped = turned.values()
assert min(swapped) > 0.9 and max(other) < 0.1 and max(random) < 0.2
assert min(mine) < 0.1 and max(mine) > 0.7  # what a probe reads may not be what is used
assert not all(story.holds == 3 for story in stories)  # the story of one unit fails
assert all(row[-1] < 1e-2 < row[0] for row in errors)  # exact, with enough steps
assert min(truth[0]) > 0.97 and max(truth[1]) < 0.03  # the verb hangs on the first noun alone
assert (counts[:, 1:3].sum(1) < 4).sum() >= 2  # and gradients often do not name it
assert all(right > 0.97 and shuffled > right - 0.1 and mixed < right - 0.2
           for right, shuffled, mixed in looks)  # fmt: skip
assert page.path.stat().st_size < 5_000_000

# %% [markdown]
# ## Where to go next
#
# - [09 Attention](09_attention.ipynb): lines of sight, cut one by one.
# - [15 Sequence to sequence](15_sequence_to_sequence.ipynb): weights that do matter.
# - [08 Honest evaluation](08_honest_evaluation.ipynb): paired tests and intervals for such shares.
# - In the code: `kerasllm/verify/interventions/`, `kerasllm/explorer/`. At a terminal:
#   `kerasllm intervene --help`.
