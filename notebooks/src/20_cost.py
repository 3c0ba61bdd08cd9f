# %% [markdown]
# # 20 · Cost
#
# **What you will do.** Predict the weights and the arithmetic of an LSTM and a Transformer, and the
# memory of a block, with a pencil, and hold each against a count; take bits away from a model until
# it breaks; predict the loss of a model that you have not trained; choose a size for a budget.
#
# **What you will learn.** Parameters (参数), FLOPs (浮点运算次数), memory of training and its
# activations (激活值); precision (精度) and quantisation (量化); a small scaling law (缩放定律).
#
# **What you need.** Lessons [02](02_neuron_layer_downhill.ipynb),
# [05](05_lstm_by_hand.ipynb) and [09](09_attention.ipynb). 45 minutes; the cells run in
# about a minute on a laptop, without network.
#
# **Where it comes from.** The appendix (§8) of document 002, below, and 004 §8: large models need
# much memory and computing. How much, and why, they do not say.

# %%
from kerasllm import lessons

lessons.start()

# %%
import tracemalloc

import keras
import ml_dtypes
import numpy as np
import tensorflow as tf

from kerasllm import datasets, exercises, models, plots, reference, text
from kerasllm.datasets.generated.loading import grammar_language
from kerasllm.lessons import window_network as net
from kerasllm.plots.fonts import use_fonts
from kerasllm.plots.style import COLOURS, panels, tidy

lessons.quote("002", 97)

# %% [markdown]
# ## 1. Weights
#
# A dense layer has $D H + H$. The rest is counting dense layers: an LSTM is four from
# $[x, h]$ to $H$; a block has four of $D \times D$, one up to $4D$, one back, and two norms.
#
# $$\text{LSTM} = 4\,\big((D + H) H + H\big) \qquad \text{block} = 12 D^2 + 13 D$$


# %%
def block_weights(D):
    return 12 * D**2 + 13 * D


def gpt_weights(V, D, L, T):  # tables of tokens and positions, blocks, the last norm
    return V * D + T * D + L * block_weights(D) + 2 * D


def gpt(V, D, L, T, heads=4):
    config = models.TransformerConfig(V, hidden_dim=D, num_layers=L, num_heads=heads, max_length=T)
    return models.CausalLM(models.TransformerBackbone(config))


for V, D, L, T in ((101, 16, 1, 32), (307, 32, 2, 64), (1009, 64, 3, 128)):
    counted = gpt(V, D, L, T).count_params()
    print(f"GPT V {V:4} D {D:2} L {L}: formula {gpt_weights(V, D, L, T):7,}, Keras {counted:7,}")
    assert counted == gpt_weights(V, D, L, T)
D, H = 32, 24
lstm = keras.layers.LSTM(H, unroll=True)
lstm.build((None, None, D))
of_lstm = 4 * ((D + H) * H + H)
print(f"LSTM D {D} H {H}:       formula {of_lstm:7,}, Keras {lstm.count_params():7,}")
small = gpt_weights(50_257, 768, 12, 1024)
print(f"GPT-2 small by the same formula: {small:,}")

# %% [markdown]
# **Predict first.** Twice the width $D$: how many times the weights? Twice the depth?
#
# <details><summary>Answer</summary>
#
# Almost four times in the blocks, twice in the tables. Twice the depth doubles the blocks only.
# </details>
#
# ## 2. Arithmetic
#
# A product of $(m, n)$ by $(n, k)$ is $m n k$ multiplications and as many additions: $2mnk$ FLOPs.
# So each weight of a matrix costs 2 a token; attention comes on top, because each token looks at
# all $T$, for scores and for values (the mask hides scores that were computed all the same):
#
# $$\text{LSTM} = 2 \cdot 4 (D + H) H \qquad
# \text{block} = 2 \cdot 12 D^2 + 4 T D \qquad \text{head} = 2 V D$$
#
# The formula against a count of the matrix products in TensorFlow's graph:


# %%
def block_flops(D, T):
    return 24 * D**2 + 4 * T * D


def counted_flops(model, shape, dtype="int32"):
    """Return 2 m n k of all matrix products that a model does with one text."""
    graph = tf.function(model).get_concrete_function(tf.TensorSpec(shape, dtype)).graph
    total = 0
    for op in graph.get_operations():
        if op.type in ("MatMul", "BatchMatMulV2"):
            a, out = op.inputs[0].shape, op.outputs[0].shape
            turned = "transpose_a" if op.type == "MatMul" else "adj_x"
            shared = a[-2] if op.get_attr(turned) else a[-1]
            total += 2 * out.num_elements() * shared
        elif op.type == "Einsum":  # as many as its letters' sizes, multiplied
            letters = op.get_attr("equation").decode().split("->")[0].split(",")
            sizes = {}
            for part, tensor in zip(letters, op.inputs, strict=True):
                sizes |= dict(zip(part, tensor.shape, strict=True))
            total += 2 * int(np.prod(list(sizes.values())))
    return total


V, L = 307, 2
model = gpt(V, D, L, 128)
for T in (16, 64, 128):
    formula = T * (L * block_flops(D, T) + 2 * V * D)
    print(f"GPT, T {T:3}: formula {formula:10,}, counted {counted_flops(model, (1, T)):10,}")
    assert formula == counted_flops(model, (1, T))
told, real = 16 * 8 * (D + H) * H, counted_flops(lstm, (1, 16, D), "float32")
print(f"LSTM, T 16: formula {told:10,}, counted {real:10,}")
assert told == real and of_lstm == lstm.count_params()

# %% tags=["figure"]
parts = {
    "names": ["tokens 词元表", "positions 位置表", "block 块 1", "block 块 2", "head 输出层"],
    "weights": [V * D, 128 * D, *[block_weights(D)] * L, 2 * D],
    "flops": [0, 0, *[block_flops(D, 128)] * L, 2 * V * D],
}
plots.diagram("cost", parts, language="both")

# %% [markdown]
# The backward pass does each product twice more, once for the weights and once for the input: a
# step of training costs about **6 FLOPs for each weight and token**, $6 N$ a token.
#
# **Predict first.** From which length on does attention ($4TD$) cost more than the block's weights
# ($24D^2$)?
#
# <details><summary>Answer</summary>
#
# $T > 6D$: for $D$ = 768 beyond 4,608 tokens. On shorter texts the weights are what costs.
# </details>
#
# The bill comes by the *token*, and how many tokens a text has is decided by the tokenizer. One
# that has learned from English alone reads Chinese byte by byte:

# %%
reviews = {name: datasets.load(f"sentiment_{name}", split="all").texts for name in ("en", "zh")}
taught = {"English 英文": reviews["en"], "both 中英文": reviews["en"] + reviews["zh"]}
per_sign = {}
for name, texts in taught.items():
    tokenizer = text.train_tokenizer(texts, "bpe", 1200)
    per_sign[name] = [sum(map(len, tokenizer.encode_batch(lines))) / sum(map(len, lines))
                      for lines in reviews.values()]  # fmt: skip
    en, zh = per_sign[name]
    print(f"{name:12}: {en:.2f} tokens a letter in English, {zh:.2f} a character in Chinese")

# %% [markdown]
# ## 3. Memory
#
# Training in float32 with Adam keeps four numbers of 4 bytes for each weight: the weight, its
# gradient, two moments. 16 bytes in all:

# %%
N = model.count_params()
model.compile(keras.optimizers.Adam(), models.TokenCrossEntropy(), jit_compile=False)
model.optimizer.build(model.trainable_variables)
stored, moments = (sum(np.asarray(v).nbytes for v in part)
                   for part in (model.weights, model.optimizer.variables))  # fmt: skip
print(f"{N:,} weights: {stored:,} bytes, Adam's {moments:,} (8 N = {8 * N:,})")

# %% [markdown]
# And it keeps what the backward pass will read: the **activations** (激活值). How many? Write down
# what each step of a block has to remember of one token: some vectors of $D$ numbers and, for each
# head, some rows of $T$ attention weights:
#
# $$\text{activations} = B\,T\,(A_1 D + A_2\,\text{heads}\,T) \cdot 8 \text{ bytes (float64)}$$
#
# $A_1$ and $A_2$ depend on what an implementation keeps. Ours keeps what its trace holds. Python's
# own meter of memory is `tracemalloc`, NumPy reports to it. We measure two lengths, and predict the
# others:


# %%
def measured(D, T):
    """Return the bytes that a block keeps for its backward pass, 2 texts of T tokens."""
    rng, heads = np.random.default_rng(0), 4
    shapes = [(D, heads, D // heads), (heads, D // heads)] * 3 + [(heads, D // heads, D), (D,)]
    shapes += [(D,), (D,), (D, 4 * D), (4 * D,), (4 * D, D), (D,), (D,), (D,)]
    x, weights = rng.standard_normal((2, T, D)), [0.1 * rng.standard_normal(s) for s in shapes]
    mask = reference.causal_mask(T)
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    kept = reference.transformer_encoder(x, *weights, mask=mask, norm="pre")
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    return used + 0 * len(kept)  # kept is alive until here


lengths, width = [16, 32, 64, 128, 256], 32
used = np.array([measured(width, T) for T in lengths])
columns = np.array([[2 * T * width * 8, 2 * T * 4 * T * 8] for T in lengths], float)
(A_1, A_2), *_ = np.linalg.lstsq(columns[1:3] / used[1:3, None], np.ones(2), rcond=None)
predicted = columns @ [A_1, A_2]
print(f"from T 32 and 64: A_1 = {A_1:.1f}, A_2 = {A_2:.1f}")
for row in zip(lengths, predicted, used, strict=True):
    print("T {:3}: predicted {:11,.0f} bytes, measured {:11,}".format(*row))

# %% tags=["figure"]
figure = plots.lines(
    {"measured 实测": used / 1e6, "predicted 预测": predicted / 1e6,
     "of attention weights alone 仅注意力权重": columns[:, 1] * A_2 / 1e6},
    lengths,
    xlabel="T",
    ylabel="MB",
    title="",
    log="xy",
)  # fmt: skip
figure.axes[0].set_xticks(lengths, lengths)
figure.axes[0].minorticks_off()
figure

# %% [markdown]
# Two short lengths were enough to tell the memory of the long ones. Weights cost the same at
# any length; activations grow with the batch and the length, and the attention weights with its
# square. That is why `--accumulate`, which takes a batch in parts, saves memory without changing
# the step.
#
# ## 4. Precision
#
# A number may have fewer bits. bfloat16 (16 bits) keeps the range of float32 and 2 to 3 digits;
# int8 keeps 255 steps for each column of a matrix. What is lost? We train a small model, a window
# of six words of a made-up grammar with one hidden layer (`kerasllm/lessons/window_network.py`,
# NumPy), and round its weights afterwards.

# %%
language = grammar_language(seed=0)
number = {word: k + 2 for k, word in enumerate(language.vocabulary)}
V = len(number) + 2


def windows_of(count, seed, K):
    """Return each place of some texts as an example of its own: (R, 1, K) and (R, 1)."""
    texts = [[0, *(number[w] for w in one.split()), 1] for one in language.sample(count, seed=seed)]
    x, y = net.windows(texts, K)
    return x[y > 0][:, None], y[y > 0][:, None]


def train(d, seed, steps, data, batch=256, **options):
    start = net.new_weights(V, data[0].shape[2], d, 4 * d, seed, "float32")
    return net.train(start, *data, steps, seed, batch=batch, rate=0.01, decay=True, **options)


SIZES = [2, 3, 4, 6, 8, 16]
learn, held = windows_of(12_000, 1, 6), windows_of(1500, 2, 6)
nets = {d: [train(d, seed, 600, learn) for seed in range(3)] for d in SIZES}
losses = np.array([[net.mean_loss(w, *held) for w in nets[d]] for d in nets])  # (sizes, seeds)


def rounded(kind):
    if isinstance(kind, int):
        return lambda a: reference.quantize(a, kind)[0] if a.ndim == 2 else a
    return lambda a: a.astype(kind).astype("float32")


kinds = {"float16": "float16", "bfloat16": ml_dtypes.bfloat16}
kinds |= {f"int{bits}": bits for bits in (8, 6, 4, 3, 2)}
lost = {}
for name, kind in kinds.items():
    again = [[rounded(kind)(a) for a in w] for w in nets[8]]
    three = lost[name] = [net.mean_loss(w, *held) for w in again] - losses[4]
    print(f"{name:8} loses {np.mean(three):8.5f} nats ({min(three):8.5f} to {max(three):8.5f})")

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7, height=3.2)
for place, three in enumerate(lost.values()):
    axes.plot([place] * 3, np.maximum(three, 1e-6), "o", color=COLOURS[0])
axes.set_xticks(range(len(lost)), lost)
axes.set(yscale="log", ylabel="nats lost 损失增加（奈特）")
tidy(axes)
use_fonts(figure)

# %% [markdown]
# Down to 8 bits nothing is lost that anyone would notice; at 2 the model breaks. That was
# *after* training.
#
# **Predict first.** And if the weights are kept in bfloat16 *during* training?
#
# <details><summary>Answer</summary>
#
# Worse, by far more than rounding at the end: an update smaller than half a step of the
# weight is rounded away. `1 + 0.001` *is* 1 in bfloat16. So one computes in 16 bits and keeps the
# weights in 32, as `--mixed-precision` does.
# </details>

# %%
half = rounded(ml_dtypes.bfloat16)
in_half = [net.mean_loss(train(8, seed, 600, learn, store=half), *held) for seed in range(3)]
print("1 + 0.001 in bfloat16:", half(np.float32([1.001]))[0])
for three in zip(losses[4], lost["bfloat16"] + losses[4], in_half, strict=True):
    print("float32 {:.4f}, rounded at the end {:.4f}, kept in bfloat16 {:.4f}".format(*three))

# %% [markdown]
# ## 5. A scaling law
#
# The larger the model, the lower the loss, and it falls along a smooth curve:
#
# $$L(N) = E + \frac{A}{N^{\alpha}}$$
#
# Fit it to the five smaller sizes, and predict the sixth, twice as wide as the largest of them.


# %%
def fitted(N, L):  # the best line in N^-α, for the α that fits best
    found = []
    for alpha in np.arange(0.2, 4, 0.01):
        columns = np.stack([np.ones(len(N)), (N / N[0]) ** -alpha], axis=1)
        answer, *_ = np.linalg.lstsq(columns, L, rcond=None)
        found.append((np.square(columns @ answer - L).sum(), *answer, alpha))
    return min(found)[1:]


def law(N, E, A, alpha):
    return E + A * (N / weights_of[0]) ** -alpha


weights_of = np.array([sum(a.size for a in nets[d][0]) for d in SIZES], float)
known = np.repeat(weights_of[:-1], 3), losses[:-1].ravel()  # all seeds together
fit = fitted(*known)
alone = np.array([fitted(weights_of[:-1], losses[:-1, seed]) for seed in range(3)])
told, real = law(weights_of[-1], *fit), losses[-1]
print(f"E {fit[0]:.3f}, α {fit[2]:.2f}: N = {weights_of[-1]:,.0f} predicted {told:.3f}, "
      f"measured {real.mean():.3f} ({real.min():.3f} to {real.max():.3f})")  # fmt: skip
print(f"by single seeds: E {alone[:, 0].round(3)}, α {alone[:, 2].round(2)}")

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7, height=3.6)
grid = np.geomspace(weights_of[0], weights_of[-1] * 1.3, 60)
axes.plot(grid, law(grid, *fit), color=COLOURS[0], linewidth=1, label="fit 拟合")
axes.plot(*known, "o", color=COLOURS[0], label="known 已知")
axes.plot(
    np.repeat(weights_of[-1], 3),
    real,
    "o",
    color=COLOURS[1],
    fillstyle="none",
    markersize=9,
    label="predicted 被预测",
)
axes.axhline(language.entropy_rate, color="#6b6b6b", linestyle="--", label="entropy 语言的熵")
axes.set(xscale="log", xlabel="N, weights 权重个数", ylabel="held-out loss 留出损失")
axes.legend(frameon=False)
tidy(axes)
use_fonts(figure)

# %% [markdown]
# The prediction misses by 0.007 nats. (To say that nothing is gained after width 8, whose loss is
# 2.472, would miss by 0.023.) The *parameters* deserve less trust: five noisy points hardly tell
# three numbers, single seeds disagree, and the sixth size is at $E$ already, which no size should
# reach.
#
# And $E$? It is often called the entropy of the text, below which no model gets. Here the entropy
# is known, and that story fails: $E$ belongs to *this kind of model*, which sees six words. Let it
# see two, and the same text has another $E$:

# %%
near, near_held = windows_of(12_000, 1, 2), windows_of(1500, 2, 2)
few = [[train(d, seed, 600, near) for seed in range(3)] for d in SIZES[:-1]]
short = np.array([[net.mean_loss(w, *near_held) for w in three] for three in few])
count = np.array([sum(a.size for a in three[0]) for three in few], float)
floor = fitted(np.repeat(count, 3), short.ravel())[0]
print(f"entropy {language.entropy_rate:.3f}; E with six words {fit[0]:.3f}, with two {floor:.3f}")

# %% [markdown]
# ## 6. A size for a budget
#
# A budget of $C$ FLOPs buys $C / 6N$ tokens: a large model sees few, a small one is soon as good as
# it gets. Which size is best?
#
# **Predict first.** With four times the budget, does the best size stay?
#
# <details><summary>Answer</summary>
#
# It grows, from 2 to 4 with two of the seeds (the third had 4 already); so does the data that it
# sees. (Hoffmann et al., 2022, found both in equal parts for large models: some 20 tokens a
# weight.)
# </details>

# %%
budgets, tried = (5e8, 2e9), (2, 4, 8, 16)
bought = {}
for C in budgets:
    for d in tried:
        steps = int(C / (6 * weights_of[SIZES.index(d)] * 128))
        made = [train(d, seed, steps, learn, batch=128) for seed in range(3)]
        bought[C, d] = [net.mean_loss(w, *held) for w in made]
curves = {C: np.array([np.mean(bought[C, d]) for d in tried]) for C in budgets}
chosen = {C: [tried[k] for k in np.argmin([bought[C, d] for d in tried], axis=0)] for C in budgets}
for C in budgets:
    print(f"{C:.1e} FLOPs: mean losses {curves[C].round(3)}, best width of three seeds {chosen[C]}")

# %% tags=["figure"]
figure = plots.lines(
    {f"{C:.1e} FLOPs": curves[C] for C in budgets},
    [weights_of[SIZES.index(d)] for d in tried],
    xlabel="N, weights 权重个数",
    ylabel="held-out loss 留出损失",
    title="",
    log="x",
)
figure.axes[0].set_xticks([weights_of[SIZES.index(d)] for d in tried], tried)
figure.axes[0].minorticks_off()
figure.axes[0].set_xlabel("width 宽度")
figure

# %% [markdown]
# The same for real text, from `docs/results.md`: on tiny Shakespeare the size of nanoGPT's CPU
# recipe reaches 1.739 in 2.3 minutes; with five minutes a model chosen for them reaches 1.575.
# (Counting n-grams, Kneser and Ney's way, reaches 1.561: at this size of text and budget, the cheap
# baseline wins.) `kerasllm pretrain --minutes 5` measures a step on your machine and plans the
# schedule for it.
#
# ## Exercises
#
# An attempt at int8, with a slip:


# %%
def my_quantize(kernel, bits=8):
    scale = kernel.max(axis=0) / (2 ** (bits - 1) - 1)
    return np.rint(kernel / scale) * scale


assert not exercises.check("quantize", my_quantize).ok

# %% [markdown]
# Now you; `exercises.show(...)` states a task, `exercises.hint(...)` helps:
#
# 1. *Fill a line*: mend `my_quantize`.
# 2. *Write it*: `gru_weights(D, H)`, without looking; Keras' GRU has two rows of biases.
# 3. *Break it*: in section 4 quantise with one scale for the whole matrix. From how many bits on
#    does it break now?
# 4. How much memory do the weights, gradients and moments of GPT-2 small take? Which of them does
#    LoRA ([12](12_fine_tuning.ipynb)) save?

# %%
exercises.show("quantize")

# %% [markdown]
# ## What this lesson claims
#
# One cell, all claims. If it runs, they hold on your machine.

# %%
assert small == 124_439_808  # GPT-2 small, as its authors' weights have
assert 3.5 < block_weights(768) / block_weights(384) < 4
assert block_flops(768, 4608) == 2 * 24 * 768**2  # T = 6 D: attention costs as much as the weights
assert per_sign["English 英文"][1] > 2.5 > 1.3 > per_sign["both 中英文"][1]
assert stored == 4 * N and 8 * N <= moments < 8 * N + 100
assert np.abs(predicted / used - 1).max() < 0.08  # told from two short lengths
assert max(map(abs, lost["int8"])) < 0.01 and max(map(abs, lost["bfloat16"])) < 0.01
assert min(lost["int2"]) > 0.2 and np.mean(lost["int4"]) > np.mean(lost["int8"])
assert half(np.float32([1.001]))[0] == 1
assert (np.array(in_half) - losses[4] > 3 * np.abs(lost["bfloat16"])).all()  # in each of three
assert abs(told - real.mean()) < 0.03 and (np.abs(told - real) < 0.05).all()  # the sixth size
assert (losses[0] - real > 0.15).all()  # where there was something to predict
assert floor > fit[0] + 0.1 > language.entropy_rate + 0.1  # E hangs on what the model sees
assert np.mean(chosen[budgets[1]]) > np.mean(chosen[budgets[0]])  # the best size grows

# %% [markdown]
# ## Where to go next
#
# - [12 Fine-tuning](12_fine_tuning.ipynb): the cheapest training is one that was done before.
# - [16 Generation](16_generation.ipynb): what a token costs when it is written, and the cache.
# - In the code: `kerasllm/training/engine/memory.py` refuses what cannot fit;
#   `benchmarks/README.md` has seconds, beside other projects.
