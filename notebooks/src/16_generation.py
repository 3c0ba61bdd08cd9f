# %% [markdown]
# # 16 · Generation
#
# **What you will do.** Train a small Transformer on a language whose grammar is known, let it
# write thousands of sentences, and count which ones are right. Then let a Chinese model loop, stop
# it, and make it write lines of five characters, which begin with the characters you choose.
#
# **What you will learn.** Temperature (温度), top-k and top-p (核采样); what a cache saves; why the
# likeliest text is not a typical one (beams, 束搜索); repetition; constraints.
#
# **What you need.** [Lesson 09](09_attention.ipynb). 40 minutes; the cells run in about a minute on
# a laptop, without network.
#
# **Where it comes from.** Document 004 §6.6 promises text of high quality, in two sentences. No
# document says how a token is chosen, nor what quality costs.

# %%
from kerasllm import lessons

lessons.start()

# %%
import keras
import numpy as np

from kerasllm import baselines, datasets, exercises, models, plots, reference, text, verify
from kerasllm.datasets.generated.grammar import grammar_language
from kerasllm.models import Sampling
from kerasllm.plots.fonts import use_fonts
from kerasllm.plots.style import COLOURS, GREY, panels, tidy
from kerasllm.text import BOS, EOS

lessons.quote("004", 489)

# %% [markdown]
# ## 1. A language that can be checked
#
# `grammar` has 84 words and rules of agreement: *this **boat** that two hungry farmers find
# **sings***. `log_probability` says whether a sentence belongs to it.

# %%
language = grammar_language(seed=0)
data = datasets.load("grammar", n_texts=3000)
words = text.train_tokenizer(data.texts, "word", 200)


def ids_of(texts, tokenizer, length):
    return text.pad_sequences(tokenizer.encode_batch(texts, bos=True, eos=True), length=length)


settings = models.TransformerConfig(
    words.vocabulary_size, hidden_dim=48, num_heads=4, num_layers=2, max_length=64
)
model = models.CausalLM(models.TransformerBackbone(settings))
model.compile(keras.optimizers.Adam(3e-3), models.TokenCrossEntropy(), jit_compile=False)
seen, held_out = (
    ids_of(texts, words, 32) for texts in (data.texts, datasets.load("grammar", "test").texts)
)
model.fit(seen[:, :-1], seen[:, 1:], batch_size=64, epochs=8, verbose=0)
loss = model.evaluate(held_out[:, :-1], held_out[:, 1:], verbose=0)
print(f"held-out loss {loss:.2f} nats a word, best possible {data.info['entropy_rate']:.2f}")

# %% [markdown]
# ## 2. Temperature, top-k, top-p
#
# The model gives logits; *we* choose the token. Divide by a temperature $\tau$, then cut:
#
# $$p_v = \frac{e^{x_v / \tau}}{\sum_u e^{x_u / \tau}}$$
#
# **top-k** keeps the $k$ likeliest tokens, **top-p** the fewest whose sum reaches $p$. (With
# $\tau \to 0$ only the likeliest is left: *greedy*.)

# %%
PROMPT = "this boat that two hungry farmers find"
trace = verify.trace(model, PROMPT, words)
logits = np.log(trace.probabilities[-1:])  # of the word after the prompt, up to a constant

ways = {"τ = 1": {}, "τ = 0.5": {"temperature": 0.5}, "τ = 2": {"temperature": 2.0},
        "top-k = 3": {"top_k": 3}, "top-p = 0.8": {"top_p": 0.8}}  # fmt: skip
chances = {name: reference.filter_probabilities(logits, **way)[0] for name, way in ways.items()}
by_hand = np.exp(logits[0] / 0.5) / np.exp(logits[0] / 0.5).sum()
assert np.allclose(chances["τ = 0.5"], by_hand, rtol=0, atol=1e-12)

# %% tags=["figure"]
shown = np.argsort(-chances["τ = 1"])[:14]
figure, (row,) = panels(1, 5, width=11, height=3.6, sharey=True, sharex=True)
for axes, (name, p) in zip(row, chances.items(), strict=True):
    axes.barh(range(14), p[shown], color=COLOURS[0])
    axes.set(title=name, xlabel="p")
    axes.set_yticks(range(14), [words.decode([int(v)]) for v in shown])
    tidy(axes)
row[0].invert_yaxis()
figure

# %% [markdown]
# Singular verbs lead. Behind them stand words that cannot follow (*that*, *paint*, *see*), with
# little probability each; but a long text draws often enough to hit one.
#
# **Predict first.** Which temperature writes the most correct sentences, and what does it cost?
#
# <details><summary>Answer</summary>
#
# The lowest of those tried; and greedy writes one sentence, always the same. Correctness is bought
# with variety.
# </details>

# %%
settings_of = {
    "temperature 温度": [Sampling(temperature=t) for t in (0.3, 0.6, 1.0, 1.5)],
    "top-k": [Sampling(top_k=k) for k in (2, 5, 15)],
    "top-p": [Sampling(top_p=p) for p in (0.5, 0.7, 0.9)],
}


def written(sampling, seed, count=256):
    new = models.generate_ids(model, [[BOS]] * count, 40, sampling, seed=seed)
    return [words.decode(ids) for ids in new]


def correct(texts):
    return np.mean([np.isfinite(language.log_probability(line)) for line in texts])


def variety(texts):
    return len(set(texts)) / len(texts)


def measure(sampling):
    """Return (correct, variety) of what three seeds write."""
    told = [written(sampling, seed) for seed in range(3)]
    return [[correct(texts), variety(texts)] for texts in told]


measured = {  # (settings, seeds, 2) each
    name: np.array([measure(sampling) for sampling in way]) for name, way in settings_of.items()
}
true = language.sample(256, seed=9)  # the language itself: the control

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7, height=4.2)
for (name, found), colour in zip(measured.items(), COLOURS, strict=False):
    mean = found.mean(axis=1)
    axes.plot(mean[:, 1], mean[:, 0], "o-", color=colour, label=name)
axes.plot(variety(true), correct(true), "*", color=GREY, markersize=14, label="language 语言本身")
axes.set(
    xlabel="variety: different sentences 不同句子的比例", ylabel="correct sentences 合语法的比例"
)
axes.legend(frameon=False)
tidy(axes)
use_fonts(figure)

# %% [markdown]
# ## 3. A cache: the same text for less
#
# Attention of a new token needs the keys and values of all earlier ones, and they do not change.
# Kept, they are the **cache**: a step computes *one* row.

# %%
q, k, v = (trace.array("block_1/attention", symbol)[0] for symbol in "qkv")  # head 0: (T, K)
_, last = reference.scaled_dot_product_attention(q[-1:], k, v)
assert np.allclose(last.weights[0], trace.array("block_1/attention", "weights")[0, -1])
plots.diagram("attention", last, keys=trace.tokens, tokens=trace.tokens[-1:], language="both")

# %% [markdown]
# **Predict first.** Twenty words without a cache: how many positions does the model compute?
#
# <details><summary>Answer</summary>
#
# 1 + 2 + … + 20 = 210, instead of 20. (The texts of the next cell end sooner: 2 + 3 + … + 9 = 44,
# instead of 9.)
# </details>

# %%
positions = []


def without_cache(tokens):
    """Read everything again, and return the logits of the last position."""
    positions.append(tokens.shape[1])
    return keras.ops.convert_to_numpy(model(tokens))[:, -1].astype("float64")


starts = [[BOS, *words.encode(line.split()[0])] for line in ("this", "these", "Ana", "two", "a")]
slow, _ = reference.greedy_search(without_cache, np.array(starts), 20, eos=EOS)
cached = models.generate_ids(model, starts, 20)
same = [list(row[2:][row[2:] != 0]) == ids for row, ids in zip(slow, cached, strict=True)]
print(f"texts that are equal: {sum(same)} of {len(same)}")
print(f"positions: {sum(positions)} without, {positions[-1]} with a cache")

# %% tags=["figure"]
lengths = np.arange(1, 101)
plots.lines(
    {"without 无缓存": lengths * (lengths + 1) / 2, "cache 有缓存": lengths},
    lengths,
    xlabel="words 词数",
    ylabel="positions 计算的位置",
    title="",
    log="y",
)

# %% [markdown]
# ## 4. Beams: the likeliest text
#
# Greedy takes the best word; a **beam** keeps the best few *beginnings*. It finds texts that are
# likelier as a whole.
#
# **Predict first.** Is the likeliest sentence a typical one?
#
# <details><summary>Answer</summary>
#
# No. Each word costs probability, so it is short; and it holds less surprise than what the language
# itself says.
# </details>

# %%
beginnings = sorted({tuple(line.split()[:2]) for line in true})[:60]
prompts = [[BOS, *words.encode(" ".join(pair))] for pair in beginnings]
greedy, beams = (
    [found[0] for found in models.beam_search_ids(model, prompts, 30, beam, 0.0, best=1)]
    for beam in (1, 8)
)
gain = np.array([b.score - g.score for b, g in zip(beams, greedy, strict=True)])
print(f"8 beams: likelier than greedy for {np.mean(gain > 1e-4):.0%}, less likely for "
      f"{np.mean(gain < -1e-4):.0%} of {len(gain)} beginnings")  # fmt: skip


def nats_of(texts):
    """Return the surprise of each text, in nats a word, under the model."""
    rows = ids_of(texts, words, 48)
    log_p = keras.ops.convert_to_numpy(keras.ops.log_softmax(model(rows[:, :-1])))
    nats = -np.take_along_axis(log_p, rows[:, 1:, None], -1)[..., 0]
    return (nats * (rows[:, 1:] > 0)).sum(1) / (rows[:, 1:] > 0).sum(1)


told = {
    "beams 束": [" ".join([*pair, words.decode(b.tokens)]).strip()
                for pair, b in zip(beginnings, beams, strict=True)],
    "sampled 采样": written(Sampling(), 5),
    "language 语言本身": true,
}  # fmt: skip
surprise = {name: nats_of(texts) for name, texts in told.items()}
length = {name: np.mean([len(line.split()) for line in texts]) for name, texts in told.items()}
for name in told:
    print(f"{name:14} {surprise[name].mean():.2f} nats a word, {length[name]:.1f} words")

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7, height=3)
for (name, nats), colour in zip(surprise.items(), COLOURS, strict=False):
    axes.hist(nats, np.arange(0, 5.1, 0.25), density=True, histtype="step", linewidth=2,
              color=colour, label=name)  # fmt: skip
axes.set(xlabel="surprise, nats a word 意外程度", ylabel="density 密度")
axes.legend(frameon=False)
tidy(axes)
use_fonts(figure)

# %% [markdown]
# ## 5. Chinese, and a model that loops
#
# Now characters: 980 short Chinese reviews and remarks that come with this project. Three models,
# which differ in their random start.

# %%
lines = [*datasets.load("sentiment_zh", split="all").texts]
lines += datasets.load("topic_zh", split="all").texts
np.random.default_rng(0).shuffle(lines)
signs = text.train_tokenizer(lines, "character")
rows = ids_of(lines, signs, 40)
small = models.RecurrentConfig(
    signs.vocabulary_size, hidden_dim=96, units=96, num_layers=1, dropout=0.3
)
writer = models.CausalLM(models.RecurrentBackbone(small))
writer.compile(keras.optimizers.Adam(1e-2), models.TokenCrossEntropy(), jit_compile=False)
writer.optimizer.build(writer.trainable_variables)
moments = [(variable, keras.ops.copy(variable)) for variable in writer.optimizer.variables]


def repeats(ids):
    """Return the share of four characters in a row that were there before."""
    fours = [tuple(ids[place : place + 4]) for place in range(len(ids) - 3)]
    return 1 - len(set(fours)) / len(fours)


def learn(seed):
    keras.utils.set_random_seed(seed)
    writer.set_weights(models.CausalLM(models.RecurrentBackbone(small)).get_weights())
    for variable, start in moments:
        variable.assign(start)
    writer.fit(rows[:880, :-1], rows[:880, 1:], batch_size=32, epochs=12, verbose=0)


openings = [[BOS, *signs.encode(line[:4])] for line in lines[880:904]]
choices = {
    "greedy": Sampling(temperature=0), "τ = 0.5": Sampling(temperature=0.5), "τ = 1": Sampling(),
    "greedy, θ = 1.2": Sampling(temperature=0, repetition_penalty=1.2),
}  # fmt: skip
again = []
for seed in (2, 1, 0):
    learn(seed)
    endless = [models.generate_ids(writer, openings, 120, way, stop=(), never=range(5))
               for way in choices.values()]  # fmt: skip
    again.append([np.mean([repeats(ids) for ids in new]) for new in endless])
again = np.array(again)  # (3 models, 4 ways)
real = signs.encode("".join(lines[880:]))
natural = np.mean([repeats(real[place : place + 120]) for place in range(0, len(real) - 119, 120)])

print("greedy:", signs.decode(sorted(endless[0], key=repeats)[-2])[-60:])

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7, height=3)
for seed, found in enumerate(again):
    axes.plot(found, range(4), "o", color=COLOURS[seed], label=f"model 模型 {seed}")
axes.axvline(natural, color=GREY, linestyle="--", label="real text 真实文本")
axes.set_yticks(range(4), choices)
axes.set(xlabel="repeated 4-grams 重复的四字串", ylim=(3.5, -0.5))
axes.legend(frameon=False)
tidy(axes)
use_fonts(figure)

# %% [markdown]
# (The text printed is one of the two that loop most, of 24.) With the same weights and $\tau = 1$
# the loop is gone, in each of three models: it comes from how we choose the next character. The
# *repetition penalty* $\theta$ divides the logits of what was said where they are positive, and
# multiplies them where they are negative. Which repeats are right it does not know.
#
# Be modest about the model, whose settings nobody searched: counting (Kneser-Ney) predicts
# held-out texts far better.

# %%
codes = signs.encode_batch(lines, bos=True, eos=True)
counted = baselines.kneser_ney(codes[:880], codes[880:], signs.vocabulary_size).metrics["loss"]
network = writer.evaluate(rows[880:, :-1], rows[880:, 1:], verbose=0)
print(f"held-out loss, nats a character: LSTM {network:.2f}, Kneser-Ney {counted:.2f}")

# %% [markdown]
# ## 6. Constraints
#
# What must or must not stand in a text is decided token by token, too: `never` forbids tokens,
# `prefix` forces the first ones, `max_new_tokens` ends a line. An acrostic, five
# characters a line:


# %%
def is_chinese(token):
    return "\u4e00" <= signs.decode([token]) <= "\u9fff"


no_sign = tuple(v for v in range(signs.vocabulary_size) if not is_chinese(v))


def acrostic(heads, sampling, seed=0):
    said, poem = [BOS], []
    for head in heads:
        begin = signs.encode(head)
        (new,) = models.generate_ids(
            writer, [said], 5, sampling, seed, prefix=begin, never=no_sign, stop=()
        )
        said, poem = [*said, *new, *signs.encode("，")], [*poem, signs.decode(new)]
    return poem


poem = acrostic("语言模型", Sampling(temperature=0.5))
print("，".join(poem) + "。")

# %% [markdown]
# The form is right by construction; of sense there is as much as so small a model has.
#
# ## Exercises
#
# An attempt at cutting, with a slip:


# %%
def my_filter(logits, temperature=1.0, top_k=None, top_p=None):
    p = reference.softmax(logits * temperature)[0]  # fill in the right operation
    return reference.filter_probabilities(np.log(p), 1.0, top_k, top_p)


verdict = exercises.check("filter_probabilities", my_filter)
assert not verdict.ok

# %% [markdown]
# Now you; `exercises.show(...)` states a task, `exercises.hint(...)` helps:
#
# 1. *Fill a line*: mend `my_filter`.
# 2. *Write it*: `greedy_search`, then `beam_search`.
# 3. *Break it*: in section 6 let `never` be empty. Which line breaks the form first?
# 4. In section 4 give the beams the length penalties 0.6 and 1. What happens to the lengths?

# %%
exercises.show("greedy_search")

# %% [markdown]
# ## What this lesson claims
#
# One cell, all claims. If it runs, they hold on your machine.

# %%
heat, p_cut = measured["temperature 温度"], measured["top-p"]
assert loss < data.info["entropy_rate"] + 0.2  # it has learned the language
assert (heat[0, :, 0] > heat[-1, :, 0] + 0.2).all()  # cold is correct, in each of three seeds
assert (heat[0, :, 1] < heat[-1, :, 1] - 0.1).all()  # and says the same again and again
assert variety(written(Sampling(temperature=0), 0)) == 1 / 256  # greedy knows one sentence
assert correct(true) == 1 and variety(true) > 0.9  # the language itself has both
assert all(same) and sum(positions) > 4 * positions[-1]  # a cache changes the cost alone
assert (gain > -1e-3).mean() > 0.9 and (gain > 1e-4).any()  # beams find likelier texts
assert surprise["beams 束"].mean() < surprise["language 语言本身"].mean() - 0.1
assert length["beams 束"] < length["language 语言本身"]
assert (again[:, 0] > 5 * natural).all() and (again[:, 0] > again[:, 2] + 0.1).all()  # it loops
assert (again[:, 3] < again[:, 0] / 2).all()  # the penalty stops it, in three models
assert counted < network
assert [line[0] for line in poem] == list("语言模型") and {len(line) for line in poem} == {5}

# %% [markdown]
# ## Where to go next
#
# - [12 Fine-tuning](12_fine_tuning.ipynb): make a model say what *you* need.
# - [09 Attention](09_attention.ipynb): the row that the cache leaves to compute.
# - In the code: `kerasllm/reference/sequence/decoding.py` is this lesson's equations,
#   `kerasllm/models/decoding/` its compiled loops. At a terminal: `kerasllm generate --help`.
