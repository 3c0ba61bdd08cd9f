# %% [markdown]
# # 12 · Fine-tuning
#
# **What you will do.** Pretrain (预训练) one small model, fine-tune (微调) it in four ways, look at
# which weights moved and what the model forgot, and measure what pretraining pays at 100 and at
# 1,000 labels.
#
# **What you will learn.** The difference between training from scratch, frozen (冻结), full and
# gradual fine-tuning; why a small learning rate below and a larger one above; how to test a
# plausible story about a score, and to compare honestly, with a linear baseline (线性基线) and
# several draws; four traps of `trainable` in Keras, most of which raise no error.
#
# **What you need.** [Lesson 00](00_start_here.ipynb). 30 minutes; the cells run in about a minute
# on a laptop, without network.

# %%
from kerasllm import lessons

lessons.start()

# %%
import tempfile
from pathlib import Path

import keras
import numpy as np

import kerasllm
from kerasllm import exercises, models, plots, reference, text
from kerasllm.baselines import classification as baselines
from kerasllm.datasets import Dataset, Labelled
from kerasllm.datasets.generated.loading import grammar_language
from kerasllm.plots.style import COLOURS, panels, tidy
from kerasllm.training.experiments.label_efficiency import draw

runs = Path(tempfile.mkdtemp())  # where the runs of this lesson go

# %% [markdown]
# ## 1. A question that counting words cannot answer
#
# Document 004 says: pretrain on much text without labels, then fine-tune on few texts with labels.
# It shows no number that says whether this is worth it. We need a task where we know what there is
# to know, and as many fresh test texts as we like. So we take a generated language again, a
# grammar of English-like sentences, and ask: **is this a sentence, or were its words shuffled?**
# Both kinds hold the same words, so that it is their order that counts.

# %%
language = grammar_language(seed=0)
rng = np.random.default_rng(7)


def labelled(count, split, seed):
    """Return texts of 4 to 16 words, about half of them shuffled so that the grammar says no."""
    rows = []
    for sentence in language.sample(3 * count, seed=seed):
        words = sentence.split()
        if not 4 <= len(words) <= 16 or len(rows) == count:
            continue
        shuffled = " ".join(rng.permutation(words))
        if rng.random() < 0.5:
            rows.append(Labelled(sentence, "sentence"))
        elif language.log_probability(shuffled) == -np.inf:
            rows.append(Labelled(shuffled, "shuffled"))
    return Dataset(rows, name="order", split=split, task="classification")


train, validation, test = (
    labelled(2000, "train", 11), labelled(200, "validation", 12), labelled(1000, "test", 13),
)  # fmt: skip
for row in train[:4]:
    print(f"{row.label:9} {row.text}")
assert (len(train), len(validation), len(test)) == (2000, 200, 1000)

# %% [markdown]
# ## 2. Pretrain once
#
# One call reads the bare sentences and learns to predict the next word. It knows nothing of our
# question. (At a terminal: `kerasllm pretrain grammar --tokenizer word …`.)

# %%
PRETRAINING = {
    "tokenizer": "word",
    "hidden_dim": 32,
    "units": 48,
    "num_layers": 1,
    "length": 24,
    "batch_size": 64,
    "steps": 400,
    "learning_rate": 1e-2,
    "xla": False,
    "quiet": True,
}
pretrained = kerasllm.pretrain("grammar", runs / "pretrained", **PRETRAINING)
tokenizer = pretrained.tokenizer

# %% [markdown]
# How good is it? This function, used again after fine-tuning, puts a
# language model's head on a backbone and measures the loss on fresh texts. (This head computes its
# scores with the embedding's own table, so that there is nothing new to train.)

# %%
new_texts = language.sample(300, seed=14)
new_ids = text.pad_sequences(tokenizer.encode_batch(new_texts, bos=True, eos=True), length=24)


def language_loss(backbone):
    """Return the loss, in nats a word, of a language model on this backbone, on new texts."""
    model = models.CausalLM(backbone)
    model.compile(loss=models.TokenCrossEntropy(), jit_compile=False)
    return model.evaluate(new_ids[:, 1:-1], new_ids[:, 2:], batch_size=300, verbose=0)


loss_before = language_loss(pretrained.model.backbone)
print(f"knowing nothing {np.log(tokenizer.vocabulary_size):.2f} nats, pretrained {loss_before:.2f}")
assert loss_before < 0.65 * np.log(tokenizer.vocabulary_size)

# %% [markdown]
# ## 3. Four ways to fine-tune
#
# A classifier is the pretrained *backbone* (embedding and LSTM) and a new *head*. Who may learn?
#
# | way | start of the backbone | what is trained |
# |---|---|---|
# | scratch | random | everything: pretraining is not used |
# | frozen 冻结 | pretrained | the head alone |
# | full 全量 | pretrained | everything, at one rate |
# | gradual 逐层解冻 | pretrained | the head, then one group of layers more at a time |
#
# *Gradual* goes with **discriminative rates** (Howard and Ruder 2018): general knowledge sits low,
# so lower layers take smaller steps. With the head at height 0,
#
# $$\eta_{\text{height}} = \frac{\eta}{2^{\,\text{height}}}$$
#
# All four, with the same 500 labels (and a rate that suits the way):

# %%
rows = draw(train, 500, seed=0)
tuned = {}
for way in ("scratch", "frozen", "full", "gradual"):
    tuned[way] = kerasllm.finetune(
        pretrained,
        (rows, validation),
        runs / way,
        method=way,
        pooling="max",
        discriminative=2.0 if way == "gradual" else 1.0,
        learning_rate=1e-2 if way in ("frozen", "gradual") else 5e-3,
        epochs=5.0,
        length=24,
        dropout=0.0,
        quiet=True,
    )


def accuracy(run):
    labels = np.array([answer["label"] for answer in kerasllm.predict(run, test.texts)])
    return float((labels == test.labels_of).mean())


scores = {way: accuracy(run) for way, run in tuned.items()}
linear = baselines.linear(rows, test).metrics["accuracy"]
for way, score in {"guessing": 0.5, "linear baseline": linear, **scores}.items():
    print(f"{way:16} right on new texts: {score:.1%}")
assert scores["full"] > max(linear, scores["scratch"], scores["frozen"]) + 0.03

# %% [markdown]
# ### A story that fails
#
# Why is *frozen* so much worse? One would like to say: the features were made to predict the *next*
# word; they lack the answer, and a head cannot ask for what is not there. Test it. Leave the whole
# language model frozen and look at one number, the probability of the **least likely word** of a
# text. The 500 labels choose a threshold, nothing else; three pretrainings, and three networks that
# never learned as the control:


# %%
def least_likely(backbone, data):
    """Return log p of the least likely word of each text, the end included."""
    ids = text.pad_sequences(tokenizer.encode_batch(data.texts, bos=True, eos=True), length=24)
    logits = keras.ops.convert_to_numpy(models.CausalLM(backbone)(ids[:, :-1]))
    log_p, _ = reference.log_softmax(logits)  # (B, T, V)
    came = np.take_along_axis(log_p, ids[:, 1:, None], axis=-1)[..., 0]  # of the word that came
    return np.where(ids[:, 1:] == 0, 0.0, came).min(axis=1)  # 0 is padding


def is_shuffled(data):
    return np.array(data.labels_of) == "shuffled"


def one_threshold(backbone):
    """Return the accuracy on the test texts of the threshold that suits the 500 labels best."""
    scored, shuffled = least_likely(backbone, rows), is_shuffled(rows)
    cuts = np.convolve(np.sort(scored), [0.5, 0.5], "valid")  # half-way between neighbours
    right = ((scored < cuts[:, None]) == shuffled).sum(axis=1)
    cut = np.median(cuts[right == right.max()])
    return float(((least_likely(backbone, test) < cut) == is_shuffled(test)).mean())


def pretrained_again(seed):
    return kerasllm.pretrain("grammar", runs / f"pretrained_{seed}", seed=seed, **PRETRAINING)


backbones = [pretrained.model.backbone, *(pretrained_again(s).model.backbone for s in (1, 2))]
threshold = [one_threshold(backbone) for backbone in backbones]
control = []
for seed in range(3):
    keras.utils.set_random_seed(seed)
    control.append(one_threshold(models.RecurrentBackbone(pretrained.model.backbone.settings)))
print("one threshold, three pretrained networks:", *(f"{score:.1%}" for score in threshold))
print("              three untrained networks:  ", *(f"{score:.1%}" for score in control))
assert min(threshold) > max(0.98, scores["full"]) and max(control) < 0.6

# %% [markdown]
# The story is false: the frozen network had the answer, and one threshold reads it better than all
# four ways of fine-tuning. It compares each word with what was expected; the head sees the maximum
# of each feature alone. Before you tune a network, ask what it knows already.
#
# ### What moved, and what it cost
#
# Each run folder says how far each group of weights went, $\lVert \theta_{\text{after}} -
# \theta_{\text{before}} \rVert / \lVert \theta_{\text{before}} \rVert$. And we can put the
# language model's head back on and ask how well it still predicts words; what it has lost is
# called **forgetting** (灾难性遗忘).

# %%
moved = {way: run.read_json("moved.json") for way, run in tuned.items()}
names = {"group 0": "embedding", "group 1": "LSTM", "head": "head"}
left = {way: language_loss(run.model.backbone) for way, run in tuned.items()}
print(f"{'':9}" + "".join(f"{name:>11}" for name in names.values()) + "   loss as a language model")
for way, distances in moved.items():
    shares = "".join(f"{distances[group]:11.2f}" for group in names)
    print(f"{way:9}{shares}   {left[way]:.2f} nats")

assert moved["frozen"]["group 0"] == moved["frozen"]["group 1"] == 0 < moved["frozen"]["head"]
assert moved["gradual"]["group 0"] < moved["full"]["group 0"] < moved["scratch"]["group 0"]
assert abs(left["frozen"] - loss_before) < 1e-3
assert moved["gradual"]["group 0"] < moved["full"]["group 0"] / 2
assert scores["gradual"] > scores["full"] - 0.03
assert left["full"] > left["scratch"] - 0.5  # nearly as badly as one that never learned to
assert left["gradual"] < (loss_before + left["scratch"]) / 2  # half of the way at most

# %%
figure, ((axes,),) = panels()
pretrained_ways = ("frozen", "gradual", "full")
places = np.arange(len(pretrained_ways))
for shift, (group, name), colour in zip(
    (-0.2, 0.2), list(names.items())[:2], COLOURS, strict=False
):
    distances = [moved[way][group] for way in pretrained_ways]
    axes.bar(places + shift, distances, 0.4, color=colour, label=name)
axes.set_xticks(places, pretrained_ways)
axes.set(
    xlabel="way of fine-tuning",
    ylabel="distance moved / size of the weights",
    title="Gradual fine-tuning spares what lies below",
)
axes.legend(frameon=False)
tidy(axes)
figure

# %% [markdown]
# Frozen weights moved by exactly 0: that is the proof that freezing worked. Full fine-tuning left
# little of the language model; it predicts words almost as badly as the network that never learned
# to. Gradual fine-tuning moved the embedding less than half as far, was as right, and kept more
# than half of what it knew. (For one task that is a side effect. For a model that has to do several
# it is the point.)
#
# ## 4. What pretraining pays
#
# One draw of labels proves little: with other rows the score is another. So: draw 100 and 1,000
# rows five times, train from scratch and from the pretrained weights on exactly these, and fit the
# linear baseline (counts of words and of pairs of words, logistic regression 逻辑回归) on them,
# too. `kerasllm.payoff` does this for any data; here it is by hand, so that you see each step.


# %%
def ids_of(data):
    return text.pad_sequences(tokenizer.encode_batch(data.texts, bos=True, eos=True), length=18)


def start(weights, seed):
    """Return a classifier with a new head and these weights below; new ones too for None."""
    keras.utils.set_random_seed(seed)
    backbone = models.RecurrentBackbone(pretrained.model.backbone.settings)
    model = models.TextClassifier(backbone, num_classes=2, pooling="max")
    if weights is not None:
        backbone.set_weights(weights)
    return model


def learner(weights):
    """Return a function that trains on some rows, from a start of that draw, and scores."""
    model = start(weights, 0)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.005), loss, metrics=["accuracy"], jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    adam = [keras.ops.convert_to_numpy(variable) for variable in model.optimizer.variables]

    def learn(rows, seed):
        for variable, value in zip(model.optimizer.variables, adam, strict=True):
            variable.assign(value)  # its moments are forgotten, too
        model.set_weights(start(weights, seed).get_weights())
        keras.utils.set_random_seed(seed)
        epochs = 30 if len(rows) <= 100 else 6
        model.fit(ids_of(rows), rows.label_ids, batch_size=50, epochs=epochs, verbose=0)
        return model.evaluate(ids_of(test), test.label_ids, batch_size=250, verbose=0)[1]

    return learn


# %% [markdown]
# Each draw is given to all three:

# %%
learners = {"scratch": learner(None), "full": learner(pretrained.model.backbone.get_weights())}
results = []
for labels in (100, 1000):
    for seed in range(5):
        drawn = draw(train, labels, seed)
        found = {way: learn(drawn, seed) for way, learn in learners.items()}
        found["linear"] = baselines.linear(drawn, test).metrics["accuracy"]
        results += [
            {"method": way, "labels": labels, "seed": seed, "score": score}
            for way, score in found.items()
        ]


def scores_of(method, labels):
    return np.array([r["score"] for r in results if (r["method"], r["labels"]) == (method, labels)])


for labels in (100, 1000):
    for method in ("linear", "scratch", "full"):
        mean, spread = scores_of(method, labels).mean(), scores_of(method, labels).std(ddof=1)
        print(f"{labels:5} labels  {method:8} {mean:.3f} ± {spread:.3f}")

# %%
plots.payoff(results, title="Pretraining pays most where labels are few")

# %%
for other in ("linear", "scratch"):
    few, many = (scores_of("full", n) - scores_of(other, n) for n in (100, 1000))  # draw by draw
    spread = max(scores_of(way, 100).std(ddof=1) for way in ("full", other))
    assert few.min() > 0 and few.mean() > spread and few.mean() > many.mean() > 0

# %% [markdown]
# At 100 labels there is a gain in every draw, and on average it is larger than the spread,
# against the network from scratch *and* against the baseline; and it shrinks as labels become
# many. Where a linear model does as well as your network, take the linear model.
#
# ### And on real English?
#
# A generated language is the kind case: the model has seen all of it. Real text takes more time
# than a lesson has. `kerasllm quickstart` (no network) pretrains on docstrings (文档字符串) of the
# libraries installed here, names the library of 3,000 test texts with 100 and with 300 labels, and
# writes a report with its own table: the pretrained LSTM, the one from scratch, the linear
# baseline, and latent semantic analysis. The last, a singular value decomposition of
# unlabelled text, is pretraining, too, and takes seconds: only what beats *it* is owed to the
# network. For other numbers of labels, and data of your own:
# `kerasllm payoff runs/quickstart/pretrained docstrings --label-counts 100 --label-counts 1000`.
#
# ## 5. Four traps of `trainable`
#
# Keras reads `trainable` when a model is compiled and its training step is built, not later. A
# small model shows what can go wrong; neither of the first two raises an error.


# %%
def small():
    keras.utils.set_random_seed(7)
    model = keras.Sequential(
        [keras.Input((4,)), keras.layers.Dense(3, name="below"), keras.layers.Dense(1, name="head")]
    )
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)
    return model


x = np.random.default_rng(1).normal(size=(32, 4)).astype("float32")
y = x.sum(axis=1, keepdims=True)


def moves(model):
    """Fit for an epoch and return how far the kernel of the layer below went."""
    before = model.get_layer("below").get_weights()[0]
    model.fit(x, y, verbose=0)
    return float(np.abs(model.get_layer("below").get_weights()[0] - before).max())


def compile_again(model):
    model.compile(keras.optimizers.Adam(0.01), "mse", jit_compile=False)


# %% [markdown]
# **Trap 1. Freeze after `fit`, forget to compile: it goes on learning.**

# %%
model = small()
moves(model)
model.get_layer("below").trainable = False
ignored = moves(model)
compile_again(model)
frozen = moves(model)
print(f"frozen without compiling again: moved {ignored:.3f};   compiled again: {frozen:.3f}")
assert ignored > 0 and frozen == 0

# %% [markdown]
# **Trap 2. Unfreeze, forget to compile: it stays frozen.** This is how gradual unfreezing silently
# becomes training of the head alone.

# %%
model.get_layer("below").trainable = True
still = moves(model)
compile_again(model)
free = moves(model)
print(f"unfrozen without compiling again: moved {still:.3f};   compiled again: {free:.3f}")
assert still == 0 and free > 0

# %% [markdown]
# **Trap 3. Compile again with the same optimizer object.** An optimizer knows the weights that it
# was built for. Given others it raises, and this one is the friendly trap:

# %%
model = small()
model.get_layer("below").trainable = False
compile_again(model)
moves(model)
model.get_layer("below").trainable = True
model.compile(model.optimizer, "mse", jit_compile=False)
try:
    moves(model)
    said = ""
except ValueError as error:
    said = str(error).split(".")[0]
print("ValueError:", " ".join(said.split())[:90])
assert said

# %% [markdown]
# **Trap 4. Frozen does not mean still.** `trainable=False` stops the gradient. A frozen dropout
# (暂退法) goes on dropping while the head trains; a frozen batch norm (批量归一化), as the one
# exception, does fall back on its stored statistics.

# %%
drop, norm = keras.layers.Dropout(0.5, seed=7), keras.layers.BatchNormalization()
norm(x)  # builds it
drop.trainable = norm.trainable = False
dropped = keras.ops.convert_to_numpy(drop(x, training=True))
normed = keras.ops.convert_to_numpy(norm(5 * x, training=True))
print(f"frozen dropout sets {np.mean(dropped == 0):.0%} of its inputs to 0")
print(f"frozen batch norm lets a deviation of {np.std(5 * x):.1f} pass: {np.std(normed):.1f}")
assert 0.3 < np.mean(dropped == 0) < 0.7 and np.allclose(normed, 5 * x, rtol=1e-2)

# %% [markdown]
# **The rule:** set `trainable`, then compile, with a new optimizer; and look at which weights
# moved. `kerasllm.finetune` does the three at every stage.
#
# ## Exercises
#
# Fine-tuning mostly uses AdamW, which lets weights shrink by themselves. An attempt with a slip
# that many libraries had for years:


# %%
def my_adamw(weights, grads, state=None, learning_rate=1e-3, weight_decay=0.01):
    grads = [g + weight_decay * w for g, w in zip(grads, weights, strict=True)]  # the slip
    return reference.adam(weights, grads, state, learning_rate=learning_rate)


verdict = exercises.check("adamw", my_adamw)
assert not verdict.ok

# %% [markdown]
# Now you; `exercises.show(...)` states a task, `exercises.hint(...)` helps:
#
# 1. `adamw`: mend the attempt above.
# 2. `clip_by_global_norm`: what keeps a first step on new data from breaking the old weights.
# 3. `cosine_decay`: the rate that rises, then falls, as in the runs of sections 2 and 3.
# 4. Without the checker: in section 3 give `full` the learning rate 0.05. What happens to its
#    score, and to what it forgets? Then 0.0005.

# %%
exercises.show("clip_by_global_norm")

# %% [markdown]
# ## What this lesson claims
#
# One cell, all claims. If it runs, they hold on your machine.

# %%
assert scores["full"] > max(linear, scores["scratch"], scores["frozen"])  # of the four ways
assert min(threshold) > scores["full"] and max(control) < 0.6  # the frozen network knew
assert moved["frozen"]["group 0"] == moved["frozen"]["group 1"] == 0  # frozen is frozen
assert moved["gradual"]["group 0"] < moved["full"]["group 0"]  # gradual spares what is below
assert abs(left["frozen"] - loss_before) < 1e-3 and left["gradual"] < left["full"]  # forgets less
for other in ("linear", "scratch"):  # pretraining pays: at 100 labels in every draw
    assert (scores_of("full", 100) > scores_of(other, 100)).all()
    assert scores_of("full", 1000).mean() > scores_of(other, 1000).mean()
assert ignored > 0 == frozen and still == 0 < free and said  # three traps
assert np.mean(dropped == 0) > 0.3  # and the fourth

# %% [markdown]
# ## Where to go next
#
# - [21 The errata](21_the_errata.ipynb): S3, S4, S11 and S15 are about fine-tuning.
# - [05 LSTM by hand](05_lstm_by_hand.ipynb): what moved, seen from inside.
# - In the code: `kerasllm/training/engine/freezing.py` is section 3,
#   `kerasllm/training/experiments/label_efficiency.py` section 4. At a terminal:
#   `kerasllm finetune --help`, `kerasllm payoff --help`.
