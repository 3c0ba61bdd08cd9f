# %% [markdown]
# # 10 · The Transformer from its parts
#
# **What you will do.** Put a Transformer block together from attention, a feed-forward network
# (前馈网络), residual connections (残差连接) and layer normalisation (层归一化); take each of the
# last two away; and find out what a Transformer knows without positions (位置编码).
#
# **What you will learn.** What each part computes and costs; learned, sinusoidal and rotary
# positions, and what becomes of them beyond the trained length; why a deep stack needs residual
# *and* norm, and why "the gradient vanishes" is half of the answer.
#
# **What you need.** [Lesson 09](09_attention.ipynb). 45 minutes; the cells run in about a minute on
# a laptop, without network.
#
# **Where it comes from.** Document 003, §3, lists the parts of the Transformer. Residual, norm and
# causal mask are not among them (S13 of the [errata](21_the_errata.ipynb)): here you see what that
# costs.

# %%
from kerasllm import lessons

lessons.start()

# %%
import keras
import numpy as np

from kerasllm import exercises, layers, models, plots, reference, verify
from kerasllm.plots.fonts import use_fonts
from kerasllm.plots.style import COLOURS, GREY, panels, tidy

# %% [markdown]
# ## 1. The block
#
# A block takes one vector a token, and gives one back. Twice it *adds* something to what it was
# given:
#
# $$h = x + \text{attention}(\text{norm}(x)) \qquad y = h + \text{FFN}(\text{norm}(h))$$
#
# Attention brings tokens together. The feed-forward network works on each token alone,
# $f(x W_1 + b_1) W_2 + b_2$. **Layer normalisation** gives each token's features mean 0 and
# variance 1, then a scale $\gamma$ and a shift $\beta$ that are learned. The sum $x + \dots$ is the
# **residual** connection.
#
# **Predict first.** Double all numbers that go into a layer norm. What happens to what comes out?
#
# <details><summary>Answer</summary>
#
# Nothing, but for the tiny $\epsilon$: mean and spread double as well.
# </details>

# %%
rng = np.random.default_rng(0)
T, D, N, H = 5, 8, 2, 32  # tokens, features, heads, units of the feed-forward network
shapes = [(D, N, D // N), (N, D // N)] * 3 + [(N, D // N, D), (D,)]
heads = [rng.normal(size=shape) * 0.3 for shape in shapes]
network = [rng.normal(size=shape) * 0.3 for shape in ((D, H), (H,), (H, D), (D,))]
unit = [np.ones(D), np.zeros(D)]  # γ, β
x, causal = rng.normal(size=(1, T, D)), reference.causal_mask(T)


def norm(x):
    spread = np.sqrt(x.var(axis=-1, keepdims=True) + 1e-3)
    return (x - x.mean(axis=-1, keepdims=True)) / spread


y = norm(x)
h = x + reference.multi_head_attention(y, y, y, *heads, mask=causal)[0]
out = h + np.maximum(norm(h) @ network[0] + network[1], 0) @ network[2] + network[3]

weights = [*heads, *unit, *network, *unit]
by_library, trace = reference.transformer_encoder(x, *weights, mask=causal, norm="pre")
doubled = np.abs(norm(2 * x) - norm(x)).max()
print(f"by hand and by the library: {np.abs(out - by_library).max():.1e} apart")
print(f"a norm of doubled numbers moves by {doubled:.4f}")
plots.diagram("block", trace, language="both")

# %% [markdown]
# The Keras layer, against the reference, gradients included; and what a block of GPT-2's width
# consists of:

# %%
proof = verify.compare(layers.TransformerEncoder(2, causal=True), x)
assert proof.ok
wide = layers.TransformerEncoder(12, causal=True)
wide.build((None, 4, 768))
counts = [part.count_params() for part in (wide, wide.attention, wide.feed_forward)]
print("{:,} weights: attention {:,}, feed-forward {:,}, the rest norms".format(*counts))
proof

# %% [markdown]
# Two thirds of the weights are in the feed-forward network, and the norms are next to nothing.
#
# ## 2. Without positions
#
# Attention is an average, and an average has no order. Shuffle all tokens before the last one:
#
# **Predict first.** Does what one causal block without positions says at the last token change? And
# what two blocks say?
#
# <details><summary>Answer</summary>
#
# One block says the same, to the last digits. Two blocks do not: in the first one each token sees
# only those before it, so that what the second reads does depend on the order. The causal mask lets
# some of the order in.
# </details>

# %%
shuffled = x[:, [2, 0, 3, 1, 4]]


def last(x, blocks):
    for _ in range(blocks):
        x = reference.transformer_encoder(x, *weights, mask=causal, norm="pre")[0]
    return x[0, -1]


change = {blocks: np.abs(last(x, blocks) - last(shuffled, blocks)).max() for blocks in (1, 2)}
print({f"{blocks} block(s)": f"{moved:.1e}" for blocks, moved in change.items()})

# %% [markdown]
# Positions tell where a token stands. **Learned** ones are a table with a row a position, added to
# the embedding. **Sinusoidal** ones are a fixed table:
#
# $$P_{t,2i} = \sin(t / 10000^{2i/D}) \qquad P_{t,2i+1} = \cos(t / 10000^{2i/D})$$
#
# **Rotary** ones add nothing: in each head they turn queries and keys by an angle that grows with
# the position. A query at $t$ and a key at $s$ then have a product that depends on $t - s$ alone:

# %%
q, k = rng.normal(size=(2, 16))
turned = [reference.rotary(np.tile(one, (40, 1)))[0] for one in (q, k)]  # the same at 40 places
products = turned[0] @ turned[1].T
along = [np.diagonal(products, -back) for back in (0, 3, 9)]
print("q·k, 0, 3 and 9 places apart:", *(f"{line.mean():.3f} ± {line.std():.0e}" for line in along))

# %% tags=["figure"]
figure, row = panels(1, 2, width=9, height=3)
row = row[0]
row[0].imshow(reference.sinusoidal_table(40, 32).T, aspect="auto", cmap="RdBu", vmin=-1, vmax=1)
row[0].set(xlabel="position 位置", ylabel="feature 特征", title="sinusoidal 正弦")
row[1].imshow(products, cmap="RdBu", vmin=-np.abs(products).max(), vmax=np.abs(products).max())
row[1].set(xlabel="position of the key 键", ylabel="of the query 查询", title="rotary 旋转: q·k")
use_fonts(figure)

# %% [markdown]
# Now a task that is nothing but order: say the digit that stood three places back. Four kinds of
# positions, three seeds, texts of 12 digits. Then texts of 36.
#
# **Predict first.** Which of them still work at position 36? Is none of any use without positions?
#
# <details><summary>Answer</summary>
#
# Rotary ones, for a while. The learned table has rows beyond 12 that were never trained, and fails
# at once; so do the waves, which come back here and there. Without positions two blocks do little
# more than name a digit that they have seen: a quarter of the answers at position 12 are right.
# </details>

# %%
BACK, SHORT, LONG = 3, 12, 36


def digits(count, length, seed):
    x = np.random.default_rng(seed).integers(1, 11, (count, length))
    return x, np.pad(x, ((0, 0), (BACK, 0)))[:, :length]  # target 0: not scored


def copier(positions, blocks, seed):
    keras.utils.set_random_seed(seed)
    config = models.TransformerConfig(11, 32, blocks, 2, 64, LONG, positions=positions)
    model = models.CausalLM(models.TransformerBackbone(config))
    model.compile(keras.optimizers.Adam(0.01), models.TokenCrossEntropy(), jit_compile=False)
    model.fit(*digits(7680, SHORT, seed), batch_size=64, verbose=0)
    return model


def right(*settings):
    """Return how often each position of long texts is right, for three seeds."""
    x, y = digits(500, LONG, seed=99)
    answers = [keras.ops.convert_to_numpy(copier(*settings, seed)(x)) for seed in range(3)]
    return np.array([(found.argmax(-1) == y).mean(axis=0)[BACK:] for found in answers])


kinds = {"learned 学习": ("learned", 1), "sinusoidal 正弦": ("sinusoidal", 1),
         "rotary 旋转": ("rotary", 1), "none, 2 blocks 无，两块": (None, 2)}  # fmt: skip
copied = {name: right(*kind) for name, kind in kinds.items()}
for name, found in copied.items():
    print(name, *(f"{place}: {found[:, place - BACK - 1].round(2)}" for place in (12, 16, 36)))

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7.6, height=3.8)
for (name, found), colour in zip(copied.items(), COLOURS, strict=False):
    axes.plot(np.arange(BACK + 1, LONG + 1), found.T, color=colour, alpha=0.7)
    axes.plot([], [], color=colour, label=name)
axes.axvline(SHORT + 0.5, color=GREY, linestyle="--")
axes.axhline(0.1, color=GREY, linestyle=":")
axes.set(xlabel="position, trained up to 12 · 位置，训练到 12", ylabel="accuracy 准确率")
axes.legend(frameon=False, loc="upper right")
tidy(axes)
use_fonts(figure)

# %% [markdown]
# Up to 12 the three are perfect. Rotary positions go on to be right past 12, then fade: that the
# product depends on the distance alone does not make a model ready for distances, or numbers of
# keys, that it never saw. And without positions? The two blocks *could* tell the order, as the
# shuffle showed. In this training they hardly did.
#
# ## 3. Four arms: what do residual and norm do?
#
# Take them away, one, the other, or both, and stack twelve blocks. Before any training: how large
# is the gradient (梯度) at each depth? And how different from each other are the tokens still? Here
# is such a stack, with its way back; γ and β are left at 1 and 0:


# %%
def step(x, arm, forward, backward, weights, **options):
    """Return x + f(norm(x)), or what the arm has of it, and the way back."""
    y, normed = reference.layer_norm(x, np.ones(16), np.zeros(16)) if "norm" in arm else (x, None)
    z, trace = forward(y, *weights, **options)

    def back(d):
        d_y, *d_weights = backward(d, trace)
        d_x = reference.layer_norm_backward(d_y, normed).d_x if "norm" in arm else d_y
        return d_x + d * ("residual" in arm), d_weights

    return z + x * ("residual" in arm), back


def attend(x, *weights, mask):
    return reference.multi_head_attention(x, x, x, *weights, mask=mask)


def attend_back(d, trace):
    d_q, d_k, d_v, *d_weights = reference.multi_head_attention_backward(d, trace)
    return d_q + d_k + d_v, *d_weights


def tower(weights, ids, verbs, arm, looking=99):
    """Return loss, gradients, states and their gradients; only so many blocks look at others."""
    table, places, *blocks, w, b = weights
    x, backs, states = table[ids] + places, [], []
    for n in range(0, len(blocks), 12):
        mask = None if n < 12 * looking else np.eye(ids.shape[1], dtype=bool)
        one, two = blocks[n : n + 8], blocks[n + 8 : n + 12]
        states.append(x)
        x, back_one = step(x, arm, attend, attend_back, one, mask=mask)
        x, back_two = step(x, arm, reference.feed_forward, reference.feed_forward_backward, two)
        backs = [(back_two, back_one), *backs]
    logits, head = reference.dense(x[:, -1], w, b)
    loss, entropy = reference.cross_entropy(logits, verbs)
    d_logits = reference.cross_entropy_backward(1.0, entropy).d_logits
    d, grads = np.zeros_like(x), []
    d[:, -1], *d_head = reference.dense_backward(d_logits, head)
    slopes = [d]
    for back_two, back_one in backs:
        d, d_two = back_two(d)
        d, d_one = back_one(d)
        grads, slopes = [*d_one, *d_two, *grads], [d, *slopes]
    d_table = np.zeros_like(table)
    np.add.at(d_table, ids, d)
    return loss, [d_table, d.sum(axis=0), *grads, *d_head], [*states, x], slopes, logits


def fresh(depth, seed, scale=1.0):
    """Return weights of a stack: 16 features, 2 heads, 32 units, 8 words, 8 places."""
    rng = np.random.default_rng(seed)
    sizes = [(16, 2, 8), (2, 8)] * 3 + [(2, 8, 16), (16,), (16, 32), (32,), (32, 16), (16,)]
    fans = [32, 0, 32, 0, 32, 0, 32, 0, 48, 0, 48, 0]  # in + out of each matrix: Glorot
    blocks = [scale * rng.uniform(-1, 1, size) * (6 / fan) ** 0.5 if fan else np.zeros(size)
              for _ in range(depth) for size, fan in zip(sizes, fans, strict=True)]  # fmt: skip
    ends = [rng.normal(size=(8, 16)), rng.normal(size=(8, 16)), rng.normal(size=(16, 2)) / 4]
    return [array.astype("float32") for array in (*ends[:2], *blocks, ends[2], np.zeros(2))]


NOUNS = ["boat", "boats", "river", "rivers", "child", "children", "fox", "foxes"]


def draw(count, rng):
    """Return eight nouns a row, and whether the first is one (0, sings) or many (1, sing)."""
    ids = rng.integers(0, 8, (count, 8))
    return ids, ids[:, 0] % 2


ARMS = {"neither 都没有": "", "residual 残差": "residual", "norm 归一化": "norm",
        "both 两者": "residual norm"}  # fmt: skip
ids, verbs = draw(32, np.random.default_rng(1))
print(*(NOUNS[word] for word in ids[0]), "…", ("sings", "sing")[verbs[0]])
arriving, spread = {}, {}
for name, arm in ARMS.items():
    seen = [tower(fresh(12, seed), ids, verbs, arm)[2:4] for seed in range(3)]
    sizes = np.array([[np.linalg.norm(d) for d in slopes] for _, slopes in seen])
    arriving[name] = sizes / sizes[:, -1:]
    spread[name] = np.array([[np.linalg.norm(x - x.mean(1, keepdims=True)) / np.linalg.norm(x)
                              for x in states] for states, _ in seen])  # fmt: skip
    print(f"{name:14} gradient at the bottom, of that at the top: "
          f"{arriving[name][:, 0].min():.0e} to {arriving[name][:, 0].max():.0e}; "
          f"tokens differ by {spread[name][:, -1].mean():.4f} of their size")  # fmt: skip

# %% tags=["figure"]
figure, (row,) = panels(1, 2, width=9, height=3.6)
for axes, curves in zip(row, (arriving, spread), strict=True):
    for (name, found), colour in zip(curves.items(), COLOURS, strict=False):
        axes.plot(np.maximum(found, 1e-7).T, color=colour, alpha=0.8)
        axes.plot([], [], color=colour, label=name)
    axes.set(yscale="log", xlabel="block 块")
    tidy(axes)
row[0].set_title("gradient, of that at the top 梯度")
row[1].set_title("how different the tokens are 词元之间的差别")
row[0].legend(frameon=False, fontsize=9)
use_fonts(figure)

# %% [markdown]
# Is the way back right? In float64, along a random direction in all weights at once:

# %%
given = [array.astype("float64") for array in fresh(3, 0)]
way = [rng.normal(size=array.shape) for array in given]


def ahead(far, arm):
    return tower([w + far * v for w, v in zip(given, way, strict=True)], ids, verbs, arm)[0]


for arm in ARMS.values():
    slope = sum((g * v).sum() for g, v in zip(tower(given, ids, verbs, arm)[1], way, strict=True))
    assert np.isclose(slope, (ahead(1e-6, arm) - ahead(-1e-6, arm)) / 2e-6, rtol=1e-5, atol=1e-8)

# %% [markdown]
# The usual stories fit. Without a residual connection the gradient vanishes (梯度消失): with
# *neither* a thousandth arrives. With *residual* alone it explodes (梯度爆炸), a hundred thousand
# times and more. A norm keeps its size. And attention is an average: without a residual, twelve
# averages leave all tokens the same.
#
# If these are the causes, they decide who learns. Eight blocks, eight nouns, the verb of the first
# one: *boat rivers fox … sings*. 100 steps of Adam, two learning rates, three seeds.
#
# **Predict first.** Which arms learn it?
#
# <details><summary>Answer</summary>
#
# *Both*, six of six. *Residual* alone and *norm* alone, none of six. But *neither*, with the
# smallest gradient and tokens that are all the same, learns it with every seed at the larger rate.
# </details>


# %%
def trained(seed, rate, arm, scale=1.0, looking=99):
    """Return the accuracy on new rows after 100 steps, or as soon as the loss is small."""
    weights, state, losses = fresh(8, seed, scale), None, []
    rng = np.random.default_rng(seed + 50)
    while len(losses) < 100 and not (len(losses) > 9 and np.mean(losses[-10:]) < 0.1):
        loss, grads, *_ = tower(weights, *draw(16, rng), arm, looking)
        grads = reference.clip_by_global_norm(grads, 1.0)
        weights, state = reference.adam(weights, grads, state, learning_rate=rate)
        losses.append(loss)
    new, wanted = draw(500, np.random.default_rng(99))
    return (tower(weights, new, wanted, arm, looking)[4].argmax(-1) == wanted).mean()


learned = {name: {rate: [trained(seed, rate, arm) for seed in range(3)] for rate in (0.001, 0.003)}
           for name, arm in ARMS.items()}  # fmt: skip
for name, *change_of in (("residual, small start 小初始值", "residual", 0.3),
                         ("norm, 1 block looks 只有一块看别处", "norm", 1.0, 1)):  # fmt: skip
    learned[name] = {0.003: [trained(seed, 0.003, *change_of) for seed in range(3)]}
for name, found in learned.items():
    print(f"{name:14}", *(f"{rate}: {np.round(scores, 2)}" for rate, scores in found.items()))

# %% tags=["figure"]
figure, ((axes,),) = panels(width=8, height=3.4)
for place, found in enumerate(learned.values()):
    for rate, scores in found.items():
        shift, marker = (-0.14, "o") if rate == 0.001 else (0.14, "s")
        axes.plot(scores, [place + shift] * 3, marker, color=COLOURS[place], alpha=0.8)
        if not place:
            axes.plot([], [], marker, color=GREY, label=f"{rate}")
axes.axvline(0.5, color=GREY, linestyle=":")
axes.set_yticks(range(len(learned)), learned)
axes.set(xlabel="accuracy 准确率", xlim=(0.4, 1.03), ylim=(5.5, -0.5))
axes.legend(frameon=False, loc="center", bbox_to_anchor=(0.72, 0.62), title="learning rate 学习率")
tidy(axes)
use_fonts(figure)

# %% [markdown]
# So the stories have to be tested, each by changing only what it names:
#
# - *Residual alone fails because of its size.* Start it with weights 0.3 times as large: three of
#   three learn. The story holds, and a small start can stand in for the norm here.
# - *Norm alone fails because its tokens become the same.* Let the first block alone look at other
#   tokens, and each later one at itself: it still fails. The story is refuted. This lesson has no
#   better one.
# - *Neither fails because its gradient vanishes.* It does not fail. Adam divides by the size of
#   the gradient; whether that is why, exercise 3 asks.
#
# A gradient before training is a symptom, not a verdict. What is left: *both* is the only arm that
# learned at both rates from the usual start. What holds for a hundred blocks is not shown here.
#
# ## Exercises
#
# An attempt at rotary positions, with a slip:


# %%
def my_rotary(x, base=10000.0, offset=0):
    a, b = np.split(x, 2, axis=-1)
    frequency = base ** -(np.arange(a.shape[-1]) / a.shape[-1])
    angle = (offset + np.arange(x.shape[-2]))[:, None] * frequency
    cos, sin = np.cos(angle), np.sin(angle)
    return np.concatenate([a * cos + b * sin, b * cos - a * sin], axis=-1)  # where is the slip?


verdict = exercises.check("rotary", my_rotary)
assert not verdict.ok

# %% [markdown]
# 1. *Fill a line*: `layer_norm` (section 1 has it), mend `my_rotary`.
# 2. *Write it*: `sinusoidal_table`, `layer_norm_backward`, `transformer_encoder`: a whole block.
# 3. *Break it*: in `trained` put `reference.sgd` in the place of `reference.adam`, with a rate of
#    0.1. Predict first: which arms still learn?

# %%
exercises.show("transformer_encoder")

# %% [markdown]
# ## What this lesson claims
#
# One cell, all claims. If it runs, they hold on your machine.

# %%
assert np.abs(out - by_library).max() < 1e-12 and proof.ok and doubled < 0.01
assert counts[2] > 1.9 * counts[1] and counts[0] - sum(counts[1:]) < 0.001 * counts[0]
assert change[1] < 1e-12 and change[2] > 0.01  # one block knows no order; two causal ones do
assert all(line.std() < 1e-12 for line in along)  # rotary: the distance alone
table, waves, turns, nothing = copied.values()
assert min(found[:, :9].mean() for found in (table, waves, turns)) > 0.95  # up to length 12
assert max(table[:, 9:].mean(), waves[:, 9:].mean()) < 0.5 < turns[:, 9:13].mean()  # and beyond
none, residual, normed, both, small, one_looks = (np.ravel([*x.values()]) for x in learned.values())
assert max(arriving["neither 都没有"][:, 0]) < 0.1 and min(arriving["residual 残差"][:, 0]) > 1e3
assert all(found[:, 0].min() > 0.01 for name, found in arriving.items() if "norm" in ARMS[name])
assert max(spread[name][:, -1].max() for name in list(ARMS)[::2]) < 0.01  # neither, norm
assert min(both) > 0.9 and min(small) > 0.9  # both; or residual alone, from a small start
assert max(residual) < 0.8 and max(normed) < 0.8 and max(one_looks) < 0.8
assert min(none[3:]) > 0.8  # at the larger rate "neither" learns, whatever its gradient

# %% [markdown]
# ## Where to go next
#
# - [12 Fine-tuning](12_fine_tuning.ipynb): what to do with a stack that was trained before.
# - [16 Generation](16_generation.ipynb): let it write, with a cache of keys and values.
# - [21 The errata](21_the_errata.ipynb): S13, the Transformer without residual, norm and mask.
# - In the code: `kerasllm/reference/attention/transformer.py`, with the way back through a block;
#   `kerasllm/layers/attention/transformer.py` is the Keras layer.
