# %% [markdown]
# # 06 · GRU, stacks, directions, masks
#
# **What you will do.** Compute both networks that are called GRU (门控循环单元), see padding (填充)
# move a state, and train forty-two small networks in NumPy to learn what a second direction (双向)
# and a second layer bring.
#
# **What you will learn.** Update gate (更新门) and reset gate (重置门); masks (掩码) in each
# direction; when the right side of a word matters; what a stack is worth, and why.
#
# **What you need.** [Lesson 05](05_lstm_by_hand.ipynb). 40 minutes; the cells run in about a
# minute on a laptop, without network.
#
# **Where it comes from.** Document 000, §2, names the GRU; 001, §5, prints a tagger that reads in
# both directions; 004, §5, pads behind the text and has no mask (S6 of the
# [errata](21_the_errata.ipynb)).

# %%
from kerasllm import lessons

lessons.start()

# %%
import warnings

import keras
import numpy as np

from kerasllm import exercises, layers, plots, reference, text, verify
from kerasllm.plots import fonts
from kerasllm.plots.style import COLOURS, panels, tidy

lessons.quote("001", 68)

# %% [markdown]
# ## 1. Two networks under one name
#
# A GRU has one state and two gates. The update gate $z$ says how much of the old state stays; the
# rest is filled with the candidate $\tilde h$ (候选状态).
#
# $$z = \sigma(x W_z + h_{t-1} U_z + b_z) \qquad r = \sigma(x W_r + h_{t-1} U_r + b_r)$$
# $$h_t = z \cdot h_{t-1} + (1 - z) \cdot \tilde h$$
#
# The reset gate $r$ says how much of the old state the candidate may see, in one of two ways:
#
# $$\text{reset before (Cho et al.):}\quad \tilde h = \tanh(x W_h + (r \cdot h_{t-1}) U_h + b_h)$$
# $$\text{reset after (Keras, cuDNN):}\quad
# \tilde h = \tanh(x W_h + b_h + r \cdot (h_{t-1} U_h + c_h))$$
#
# The second has one more bias, $c_h$, inside of the reset. With $x = 1$ and $h_{t-1} = 0.5$:

# %%
W = np.array([[0.5, -0.5, 1.0]])  # z, r, h̃: Keras' order
U, c_h = np.array([[1.0, 1.0, 2.0]]), 0.4
z, r = 1 / (1 + np.exp(-np.array([0.5 + 1.0 * 0.5, -0.5 + 1.0 * 0.5])))
candidates = {"before": np.tanh(1.0 + (r * 0.5) * 2.0),
              "after": np.tanh(1.0 + r * (0.5 * 2.0 + c_h))}  # fmt: skip
by_hand, pencil = {}, {}
for name, bias in {"before": None, "after": np.array([[0, 0, 0], [0, 0, c_h]])}.items():
    by_hand[name] = z * 0.5 + (1 - z) * candidates[name]
    print(f"{name:6} h̃ = {candidates[name]:.4f}   h = z·0.5 + (1 - z)·h̃ = {by_hand[name]:.4f}")
    _, pencil[name] = reference.gru(np.ones((1, 1, 1)), W, U, bias, reset_after=name == "after",
                                    initial_state=(np.array([[0.5]]),))  # fmt: skip
plots.diagram("gru", pencil["after"], language="both")

# %% [markdown]
# On the way back each factor gets the other one, and the old state gets its direct share, $z$:
#
# $$dz = dh \cdot (h_{t-1} - \tilde h) \qquad d\tilde h = dh \cdot (1 - z) \qquad
# dh_{t-1} = dh \cdot z + \dots$$
#
# **Predict first:** weights trained with `reset_after=True`, no bias, are loaded into a layer with
# `reset_after=False`. Same outputs?
#
# <details><summary>Answer</summary>
#
# No, and nothing complains: without biases even the shapes are the same. Ask of a checkpoint which
# GRU it is. (And which $z$: with Chung et al. it lets the *new* in.)
#
# </details>

# %%
rng = np.random.default_rng(7)
short = rng.normal(size=(1, 4, 3))  # (B, T, D): one text of 4 tokens
proofs = {}
for reset_after in (True, False):
    gru = keras.layers.GRU(7, reset_after=reset_after, return_sequences=True, dtype="float64")
    gru.build(short.shape)
    gru.set_weights([rng.normal(size=w.shape) for w in gru.get_weights()])
    proofs[reset_after] = verify.compare(gru, short).ok
print("NumPy = Keras, forward and back, by reset_after:", proofs)
outputs = {which: reference.gru(short, *gru.get_weights()[:2], reset_after=which)[0]
           for which in (True, False)}  # fmt: skip

# %% [markdown]
# ## 2. Padding, and which way one reads
#
# Texts of a batch are filled up on the right. A padded step is a step like any other, unless a
# **mask** tells the layer to keep its state there.
#
# **Predict first:** a text of 4 tokens, padded to 10. Without a mask, which is wrong: the forward
# state at the last token, the forward state at the end, the backward state at the first token?
#
# <details><summary>Answer</summary>
#
# The last two. Forward, padding comes *after* the text: only the final state is wrong. Backward,
# the layer reads the padding *first*: every state is wrong.
#
# </details>

# %%
weights = gru.get_weights() * 2  # forward, backward
padded, mask = np.concatenate([short, np.zeros((1, 6, 3))], axis=1), np.arange(10)[None] < 4
options = {"layer": reference.gru, "reset_after": False, "return_sequences": True}
alone, _ = reference.bidirectional(short, *weights, **options)
wrong, traces = {}, {}
for name, given in {"with mask": mask, "without": None}.items():
    states, traces[name] = reference.bidirectional(padded, *weights, mask=given, **options)
    found = (states[0, 3, :7], traces[name].forward.h[0, -1], states[0, 0, 7:])
    true = (alone[0, 3, :7], alone[0, 3, :7], alone[0, 0, 7:])
    wrong[name] = [np.abs(a - b).max() / np.abs(b).max() for a, b in zip(found, true, strict=True)]
    print(f"{name:9} {[f'{share:.0%}' for share in wrong[name]]}")
plots.diagram("bidirectional", traces["with mask"], tokens="abcd------", language="both")

# %% [markdown]
# The same without the mask:

# %%
plots.diagram("bidirectional", traces["without"], tokens="abcd------", language="both")

# %% [markdown]
# In Keras an `Embedding(mask_zero=True)` makes the mask, and layers hand it on: up to version 3.15.
# From 3.16 on, recurrent layers use it and do not pass it on: the second layer of a stack reads
# padding. Our `layers.StackedRNN` hands it to every layer. `verify.check_masks` tries both, Keras'
# layers as the next version makes them:

# %%
checked = {}
with verify.recurrent_masks(kept=False), warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Keras says it once; few read it
    two = [keras.layers.GRU(5, return_sequences=True), keras.layers.GRU(5)]
    for name, stacked in {"Keras 3.16": two, "ours": [layers.StackedRNN(5, 2, "gru")]}.items():
        ids = keras.Input((None,), dtype="int32")
        model = keras.Sequential([ids, layers.TokenEmbedding(11, 3), *stacked])
        checked[name] = verify.check_masks(model)
checked["Keras 3.16"]

# %% [markdown]
# ## 3. Networks of NumPy
#
# We train with the equations themselves: `reference.stack` runs GRUs on top of one another, in one
# direction or two, and `stack_backward` sends gradients down. A network is asked about one place of
# each text.

# %%
PLACES, VERBS = ["near", "behind", "under", "beside"], ("sings", "sing")
NOUNS = ["a river", "every child", "a fox", "two rivers", "many children", "two foxes"]
FORMS = [("boat", "boats"), ("fox", "foxes"), ("child", "children"), ("robot", "robots")]
LEFT_TELLS, RIGHT_TELLS = ["银行", "步行", "音乐", "快乐"], ["重量", "重新", "长江", "长大"]
BEFORE, AFTER = ["听说", "我想", "他们去年在"], ["的事", "了", "以后回家"]


def sheep(rng):
    """Return words, the place asked about, one or many, and whether the right side tells."""
    many, right = (int(n) for n in rng.integers(2, size=2))
    row = ["the sheep" if right else ("this boat", "these boats")[many]]
    for _ in range(rng.integers(1, 5)):
        row += [PLACES[rng.integers(4)], NOUNS[rng.integers(6)]]
    row = " ".join([*row, VERBS[many] if right else "?"]).split()
    return row, 1 if right else len(row) - 1, many, right


def readings(rng):
    """The same of characters, one of which has two readings."""
    right, word, start, end = (int(n) for n in rng.integers((2, 4, 3, 3)))
    row = BEFORE[start] + (LEFT_TELLS, RIGHT_TELLS)[right][word] + AFTER[end]
    return list(row), len(BEFORE[start]) + 1 - right, word % 2, right


def spelled(rng, phrases=None):
    """Return the letters of some nouns, the last place, and the number of the first noun."""
    many = [int(n) for n in rng.integers(2, size=1 + (phrases or 1 + rng.integers(2)))]
    row = list(" by ".join(FORMS[rng.integers(4)][number] for number in many))
    return row, len(row) - 1, many[0], 0


SYMBOLS = sorted({s for f in (sheep, readings, spelled) for _ in range(400) for s in f(rng)[0]})


def batch(draw, count, rng, width=None, wait=False, masked=True):
    """Return one-hot texts (B, T, V), mask, places (`wait`: the last), labels, and the sides."""
    rows, places, labels, sides = zip(*(draw(rng) for _ in range(count)), strict=True)
    ids = text.pad_sequences([[SYMBOLS.index(s) + 1 for s in row] for row in rows],
                             length=width or max(map(len, rows)))  # fmt: skip
    places = np.full(count, ids.shape[1] - 1) if wait else np.array(places)
    mask, x = ids > 0 if masked else None, np.eye(len(SYMBOLS) + 1, dtype="float32")[ids]
    return x, mask, places, np.array(labels), np.array(sides)


def fresh(units, depth, both, opened, seed):
    """Return the weights of a stack, as Keras draws them, and of a head; `opened`: bias of z."""
    keras.utils.set_random_seed(seed)
    stack = layers.StackedRNN(units, depth, "gru", bidirectional=both)
    stack.build((None, None, len(SYMBOLS) + 1))
    head = keras.layers.Dense(2)
    head.build((None, units * (1 + both)))
    drawn = [layer.get_weights() for layer in (*stack.layers, head)]
    for weights in drawn[:-1]:
        weights[2][0, :units] += opened
    return drawn


def answers(net, x, mask, place, labels=None):
    """Return logits (B, 2) at the places asked about; with labels the loss and all gradients."""
    *stack, head = net
    h, below = reference.stack(x, stack, layer=reference.gru, mask=mask, return_sequences=True,
                               both_directions=len(stack[0]) == 6)  # fmt: skip
    logits, above = reference.dense(h[np.arange(len(x)), place], *head)
    if labels is None:
        return logits
    loss, entropy = reference.cross_entropy(logits, labels)
    d_logits = reference.cross_entropy_backward(1.0, entropy).d_logits
    d_asked, *d_head = reference.dense_backward(d_logits, above)
    d_h = np.zeros_like(h)
    d_h[np.arange(len(x)), place] = d_asked
    return loss, [*reference.stack_backward(d_h, below).d_weights, d_head]


def train(draw, seed, steps=150, units=16, depth=1, both=False, rate=0.02, opened=0, **how):
    """Return a network after some steps of Adam, and its losses."""
    net, rng = fresh(units, depth, both, opened, seed), np.random.default_rng(seed + 10)
    state, losses = None, []
    for _ in range(steps):
        loss, grads = answers(net, *batch(draw, 24, rng, **how)[:4])
        grads = reference.clip_by_global_norm(keras.tree.flatten(grads), 1.0)
        flat, state = reference.adam(keras.tree.flatten(net), grads, state, learning_rate=rate)
        net = keras.tree.pack_sequence_as(net, [w.astype("float32") for w in flat])
        losses.append(float(loss))
    return net, losses


def size(net):
    return sum(map(np.size, keras.tree.flatten(net)))


def right_of(net, draw, wait=False, **how):
    """Return how often the answer is right, where the left side tells and where the right does."""
    *asked, labels, sides = batch(draw, 400, np.random.default_rng(99), wait=wait, **how)
    good = answers(net, *asked).argmax(axis=-1) == labels
    return [good[sides == side].mean() for side in np.unique(sides)]


# %% [markdown]
# ## 4. Do two directions help?
#
# *this **boat** near two rivers **?***: asked is the number of the verb; the left side tells.
# *the **sheep** near two rivers **sings***: how many sheep? The verb to the right tells. Both are
# in one set. In Chinese, characters with two readings (多音字): 银**行** *háng* and 步**行**
# *xíng*, where the left side tells, **重**量 *zhòng* and **重**新 *chóng*, where the right one
# does.
#
# Four arms: forward; forward with more than twice the weights; both directions; and, as a sceptic
# would, forward, but the answer may wait for the end. Printed is the accuracy where the left side
# tells, and where the right does.
#
# **Predict first:** which arms know how many sheep there are?
#
# <details><summary>Answer</summary>
#
# Those that have read the verb: both directions, and the one that waits. No size and no training
# tells what has not been read.
#
# </details>

# %%
arms = {"forward · 正向": {}, "larger · 更大": {"units": 30}, "both · 双向": {"both": True},
        "waits · 等到句末": {"wait": True}}  # fmt: skip
trained, scores = {}, {}
for draw in (sheep, readings):
    for name, arm in arms.items():
        for seed in range(3):
            trained[draw, name, seed], _ = train(draw, seed, **arm)
            scores[draw, name, seed] = right_of(trained[draw, name, seed], draw, "wait" in arm)
        mean = np.mean([scores[draw, name, seed] for seed in range(3)], axis=0).round(2)
        print(draw.__name__, mean, f"{size(trained[draw, name, 0])} weights, {name}")

# %% tags=["figure"]
figure, (row,) = panels(columns=2, width=8.6, height=3.2, sharey=True)
for axes, draw, title in zip(row, (sheep, readings), ("boat, sheep", "多音字"), strict=True):
    for place, name in enumerate(arms):
        words = ("left tells · 看左边", "right tells · 看右边")
        for side, (marker, word) in enumerate(zip("os", words, strict=True)):
            shown = [scores[draw, name, seed][side] for seed in range(3)]
            axes.plot(shown, [place + 0.2 * side - 0.1] * 3, marker, color=COLOURS[side],
                      alpha=0.7, label=None if place else word)  # fmt: skip
    axes.axvline(0.5, color="grey", lw=1, ls=":")
    axes.set(xlim=(0.3, 1.05), ylim=(3.5, -0.5), title=title, xlabel="accuracy · 准确率")
    axes.set_yticks(range(4), arms)
    tidy(axes)
row[1].legend(frameon=False, loc="lower left", bbox_to_anchor=(0.0, 0.28))
fonts.use_fonts(figure)

# %% [markdown]
# Is it the *backward* half that knows about the sheep? Cut it from the head, and nothing else:

# %%
cut = {}
for half, keep in {"backward": np.arange(32) < 16, "forward": np.arange(32) >= 16}.items():
    nets = [trained[sheep, "both · 双向", seed] for seed in range(3)]
    cut[half] = [right_of([*stack, [kernel * keep[:, None], bias]], sheep)
                 for *stack, (kernel, bias) in nets]  # fmt: skip
    print(f"{half} half cut: left tells, right tells:", np.round(cut[half], 2).tolist())

# %% [markdown]
# It is: cut one half, and its side is a coin, the other untouched, in every seed. A *tagger* has to
# answer at the word, and needs the right side. Where the answer may wait, as in classification, one
# direction has it as well.
#
# ## 5. Does a stack help?
#
# Letters below, words above, one would like to say of two layers. So spell it, *b-o-a-t-s b-y
# f-o-x*, and ask for the number of the first noun. One layer of 32 units, or two of 21, with fewer
# weights. *Learned* is when the mean of 20 losses is below 0.1.
#
# **Predict first:** which learns it first?
#
# <details><summary>Answer</summary>
#
# Two layers, in every seed. Is it the depth? If so, one layer must stay slow however it starts. So
# we change its start: a bias of 1 for $z$, and nothing else.
#
# </details>

# %%
shapes = {"1 × 32": {"units": 32}, "2 × 21": {"units": 21, "depth": 2}}
grown = {(name, opened, seed): train(spelled, seed, rate=0.01, opened=opened, **shapes[name])
         for opened in (0, 1) for name in shapes for seed in range(3)}  # fmt: skip


needed = {key: 20 + [*(np.convolve(losses, np.ones(20) / 20, "valid") < 0.1), True].index(True)
          for key, (_, losses) in grown.items()}  # fmt: skip
for name, opened, _ in list(grown)[::3]:
    print(f"bias of z {opened}, {name}, {size(grown[name, opened, 0][0])} weights: learned after "
          f"{[needed[name, opened, seed] for seed in range(3)]} steps (151: not)")  # fmt: skip

# %% tags=["figure"]
figure, (row,) = panels(columns=2, width=8.6, height=3.2, sharey=True)
for axes, opened in zip(row, (0, 1), strict=True):
    for (name, colour), style in zip(zip(shapes, COLOURS, strict=False), ("-", "--"), strict=True):
        curves = [np.convolve(grown[name, opened, seed][1], np.ones(20) / 20, "valid")
                  for seed in range(3)]  # fmt: skip
        axes.plot(range(20, 151), np.transpose(curves), style, color=colour, alpha=0.8)
        axes.plot([], [], style, color=colour, label=name)
    axes.axhline(np.log(2), color="grey", lw=1, ls=":")
    axes.set(xlabel="step · 步", title=f"b_z = {opened}")
    tidy(axes)
row[0].set_ylabel("loss, nats · 损失")
row[1].legend(frameon=False)
fonts.use_fonts(figure)

# %% [markdown]
# With open update gates one layer learns it within 100 steps in every seed, like two. Both were
# slow because $z$ starts at ½, where each letter halves what was read (lesson 05, section 3). What
# was missing was memory, not depth. On your text a stack may pay: measure at equal size, each arm
# from its best start.
#
# ## 6. And training without a mask?
#
# Two arms answer from the last state of rows padded to 16, trained with a mask and without; then
# the *same* test sentences are padded further. A third is in the place of a second layer after an
# upgrade of Keras: trained with a mask, asked without.
#
# **Predict first:** which arm is right at 16, and which at 128?
#
# <details><summary>Answer</summary>
#
# Without a mask the network *learns* to hold its state over padding, much further than it ever saw.
# What breaks is the mask that is lost in between.
#
# </details>

# %%
nets = {(masked, seed): train(sheep, seed, width=16, wait=True, masked=masked)[0]
        for masked in (True, False) for seed in range(3)}  # fmt: skip
widths, padding = (16, 32, 64, 128), {}
for before, now in ((True, True), (False, False), (True, False)):
    padding[before, now] = [
        [np.mean(right_of(nets[before, seed], sheep, True, width=T, masked=now)) for T in widths]
        for seed in range(3)
    ]
    print(f"mask in training {before}, then {now}: {np.round(padding[before, now], 2).tolist()}")

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7.4, height=3.0)
words = ("mask · 有掩码", "none · 无掩码", "lost · 掩码丢失")
styles = ("o-", "s:", "^--")
for arm, word, style, colour in zip(padding, words, styles, COLOURS, strict=False):
    axes.plot(widths, np.transpose(padding[arm]), style, color=colour, alpha=0.7)
    axes.plot([], [], style, color=colour, label=word)
axes.axhline(0.5, color="grey", lw=1, ls=":")
axes.set(xscale="log", xlabel="padded to · 填充到", ylabel="accuracy · 准确率", ylim=(0.4, 1.05))
axes.set_xticks(widths, widths)
axes.minorticks_off()
axes.legend(frameon=False)
tidy(axes)
fonts.use_fonts(figure)

# %% [markdown]
# So "padding without a mask ruins the state" is true of weights that come from elsewhere (section
# 2, the third arm), and false of a network that learned on padded rows.
#
# ### And on real text?
#
# The recurrent translator of `docs/results.md` reads its source with *one* layer of GRU in *both*
# directions and has 39.41 BLEU on Multi30k (`kerasllm recipe translation`); a Transformer of three
# layers has 38.98. What each part of it brings was not measured there.
#
# ## Exercises
#
# An attempt at the GRU, with a slip:


# %%
def my_gru_step(projected, h_previous, *others):
    _, step = reference.gru_step(projected, h_previous, *others)
    return (1 - step.z) * h_previous + step.z * step.candidate  # where is the slip?


verdict = exercises.check("gru_step", my_gru_step)
assert not verdict.ok

# %% [markdown]
# `exercises.show(NAME)` states a task, `exercises.hint(NAME)` helps.
#
# 1. *Fill a line*: mend `my_gru_step`; write all of `gru_step`, for both resets.
# 2. *Write it*: `bidirectional` (turn the second reading round again), then `gru_step_backward`.
# 3. *Break it*: in section 4 train both directions without a mask (`masked=False`). Predict first:
#    which side suffers? In section 5 start one layer with `opened=3`.

# %%
exercises.show("bidirectional")

# %% [markdown]
# ## What this lesson claims
#
# One cell, all claims. If it runs, they hold on your machine.

# %%
assert all(np.isclose(pencil[name].h.item(), by_hand[name], atol=1e-12) for name in by_hand)
assert all(proofs.values()) and np.abs(outputs[True] - outputs[False]).max() > 0.1
assert max(wrong["with mask"]) == 0 == wrong["without"][0] and min(wrong["without"][1:]) > 0.3
assert checked["ours"].ok and not checked["Keras 3.16"].ok
for (draw, name, _), (left, right) in scores.items():
    assert left > 0.9 and (right > 0.9) == (name[:4] in ("both", "wait")), (draw, name)
assert all(left > 0.9 and right < 0.6 for left, right in cut["backward"])  # each half has its side
assert all(left < 0.6 and right > 0.9 for left, right in cut["forward"])
assert all(needed["2 × 21", 0, seed] < needed["1 × 32", 0, seed] > 150 for seed in range(3))
assert all(steps < 100 for (_, opened, _), steps in needed.items() if opened)  # memory, not depth
assert min(map(np.min, (padding[True, True], padding[False, False]))) > 0.95
assert np.max(padding[True, False]) < 0.9  # a mask that is lost

# %% [markdown]
# ## Where to go next
#
# - [14 Tagging and the CRF](14_tagging_and_crf.ipynb): both directions at work.
# - [09 Attention](09_attention.ipynb): look at any place, left or right, in one step.
# - [21 The errata](21_the_errata.ipynb): S6, padding without a mask.
# - In the code: `kerasllm/reference/recurrent/` has `gru.py`, `bidirectional.py` and `stack.py`,
#   `kerasllm/layers/recurrent/stack.py` the Keras layer.
