# %% [markdown]
# # 15 · Sequence to sequence
#
# **What you will do.** Train translators of a little Chinese, with attention and without; decode in
# NumPy; hide from the decoder what it looks at; find the likeliest of *all* texts, and see that it
# is a bad translation; compute BLEU, and fool it.
#
# **What you will learn.** Encoder (编码器) and decoder (解码器); the bottleneck of one vector;
# teacher forcing (强制教学), and what it hides; search errors and model errors of beams (束搜索);
# what a BLEU says, and why it needs a signature.
#
# **What you need.** Lessons [06](06_gru_stacks_directions_masks.ipynb) and
# [09](09_attention.ipynb). Lesson [16](16_generation.ipynb) helps. 45 minutes; the cells run in
# about a minute on a laptop, without network.
#
# **Where it comes from.** Document 004 §2.1, below: the encoder makes *one vector of fixed length*
# of a text. §6.3 promises translation in two sentences.

# %%
from kerasllm import lessons

lessons.start()

# %%
import heapq
from collections import Counter

import keras
import numpy as np
from sacrebleu.metrics import BLEU

from kerasllm import exercises, layers, metrics, models, plots, reference, text
from kerasllm.datasets.generated.boats import NUMBERS, SYNONYMS, boat_pairs
from kerasllm.plots.fonts import use_fonts
from kerasllm.plots.style import COLOURS, GREY, panels, tidy
from kerasllm.text import BOS, EOS

lessons.quote("004", 75)

# %% [markdown]
# ## 1. A language pair of our own
#
# *两条船* is *two **boats***, *一条船* is *one **boat***: Chinese does not say the plural, so the
# translator has to find it in the number. And *桥边*, which stands before, comes last in English:
# *near bridges*. Some words have synonyms (*near*, *by*, *beside*), drawn at random.

# %%
train, test = boat_pairs(0, 4000), boat_pairs(1, 150)  # one, two, three phrases, one, two, …
chars = text.train_tokenizer([chinese for chinese, _ in train], "character", min_frequency=1)
words = text.train_tokenizer([english for _, english in train], "word", min_frequency=1)
S, T, V = 18, 15, words.vocabulary_size
SHOWN = 26
print(*test[SHOWN], sep="  →  ")


def ids_of(pairs):
    source = chars.encode_batch([chinese for chinese, _ in pairs], eos=True)
    target = words.encode_batch([english for _, english in pairs], bos=True, eos=True)
    return text.pad_sequences(source, length=S), text.pad_sequences(target, length=T + 1)


(x, y), (x_test, y_test) = ids_of(train), ids_of(test)

# %% [markdown]
# ## 2. One vector, or all states
#
# The encoder reads $x_1 \dots x_S$; its last state $h_S$ is where the decoder begins. At each word
# the decoder forms a state $s_t$, and is given a context $k_t$:
#
# $$\text{vector: } k_t = h_S \qquad \text{attention: } k_t = \sum_i \alpha_{ti} h_i, \quad
# \alpha_t = \text{softmax}(s_t \cdot h_1, \dots, s_t \cdot h_S)$$
#
# Then $p(y_t) = \text{softmax}(W \tanh(C\,[s_t; k_t]))$ in both: as many weights, another context.
# (Encoder and decoder are GRUs.) While it learns, the decoder is given the *right* words so far,
# whatever it would have said itself: **teacher forcing**.


# %%
def network(look, units):
    source, before = keras.Input((S,), dtype="int32"), keras.Input((T,), dtype="int32")
    m, h = layers.GRU(units, return_sequences=True, return_state=True)(
        layers.TokenEmbedding(chars.vocabulary_size, 32)(source)
    )
    s = layers.GRU(units, return_sequences=True, name="decoder")(
        layers.TokenEmbedding(V, 32, name="words")(before), initial_state=h
    )
    if look:  # at all states of the encoder
        k = keras.layers.Attention()([s, m], mask=[None, keras.ops.not_equal(source, 0)])
    else:  # at the last one, always
        k = keras.layers.RepeatVector(T)(h)
    both = keras.ops.concatenate([s, k], axis=-1)
    f = keras.layers.Dense(units, "tanh", name="combine")(both)
    model = keras.Model([source, before], keras.layers.Dense(V, name="head")(f))
    rate = keras.optimizers.schedules.CosineDecay(0.01, 6 * 32)  # six epochs
    adam = keras.optimizers.Adam(rate, global_clipnorm=1.0)
    model.compile(adam, models.TokenCrossEntropy(), jit_compile=False)
    adam.build(model.trainable_variables)
    return model, keras.Model(source, [m, h]), [keras.ops.copy(v) for v in adam.variables]


def learn(model, start, weights, x, y, epochs, done=0):
    """Train from these weights, with the optimizer as it was at its start."""
    model.set_weights(weights)
    for variable, value in zip(model.optimizer.variables, start, strict=True):
        variable.assign(value)
    model.optimizer.iterations.assign(done)
    model.fit([x, y[:, :-1]], y[:, 1:], batch_size=128, epochs=epochs, verbose=0)


# %% [markdown]
# ## 3. The decoder in NumPy
#
# To search and to intervene we need one step at a time:


# %%
class Decoder:
    """The decoder of a model, and what its encoder read."""

    def __init__(self, model, encoder, ids):
        parts = map(model.get_layer, ("words", "decoder", "combine", "head"))
        self.weights = [w.astype("float64") for part in parts for w in part.get_weights()]
        m, self.h = (np.asarray(a, "float64") for a in encoder.predict_on_batch(ids))
        look = any(isinstance(layer, keras.layers.Attention) for layer in model.layers)
        self.memory = m if look else self.h[:, None]
        self.real = ids > 0 if look else np.ones((len(ids), 1), bool)

    def step(self, h, word, rows, hidden=False):
        """Take states, their last words, their texts; return states, ln p of the next, weights."""
        E, W, U, b, C, b_c, W_o, b_o = self.weights
        h, _ = reference.gru_step(E[word] @ W + b[0], h, U, b[1])
        scores = np.einsum("bh,bsh->bs", h, self.memory[rows])
        alpha, _ = reference.softmax(np.where(self.real[rows] & ~np.array(hidden), scores, -1e30))
        k = np.einsum("bs,bsh->bh", alpha, self.memory[rows])
        f = np.tanh(np.concatenate([h, k], axis=-1) @ C + b_c)
        return h, reference.log_softmax(f @ W_o + b_o)[0], alpha

    def write(self, given=None):
        """Write greedily; with the right words given: say which it would choose after each."""
        rows, said, looked = np.arange(len(self.h)), [], []
        h, word = self.h, np.full(len(rows), BOS)
        for t in range(T):
            h, log_p, alpha = self.step(h, word, rows)
            said, looked = [*said, log_p.argmax(-1)], [*looked, alpha]
            word = said[-1] if given is None else given[:, t]
        return np.stack(said, 1), np.stack(looked, 1)


same = np.arange(V)  # a synonym counts as the first of its kind
for group in SYNONYMS:
    same[[words.token_to_id(word) for word in group]] = words.token_to_id(group[0])
given, real = y_test[:, 1:], y_test[:, 1:] > 0

EPOCHS = {"attention 64": 4, "vector 32": 6, "vector 96": 6}
decoders, right, kept = {}, {}, []
for arm, epochs in EPOCHS.items():
    model, encoder, start = network(arm.startswith("attention"), int(arm.split()[1]))
    for seed in range(3):
        keras.utils.set_random_seed(seed)
        learn(model, start, keras.models.clone_model(model).get_weights(), x, y, epochs)
        decoders[arm, seed] = decoder = Decoder(model, encoder, x_test)
        right[arm, seed] = [  # after the right words, and after its own
            (same[decoder.write(words_so_far)[0]] == same[given]) | ~real
            for words_so_far in (given, None)
        ]
        if arm == "attention 64":
            translator = model, encoder, start
            kept.append(model.get_weights())
logits = np.asarray(model.predict_on_batch([x_test, y_test[:, :-1]]))
agree = decoder.write(given)[0] == logits.argmax(-1)
print(f"NumPy and Keras choose the same word: {agree[real].mean():.1%}")

# %% tags=["figure"]
said, looked = (array[SHOWN] for array in decoders["attention 64", 0].write())
source = [*map(chars.id_to_token, chars.encode(test[SHOWN][0])), "<eos>"]
target = [words.id_to_token(int(word)) for word in said[: list(said).index(EOS)]]
looked = looked[: len(target), : len(source)]
parts = {"source": source, "target": target, "weights": looked}
plots.diagram("translation", parts, step=3, language="both")

# %% [markdown]
# ## 4. What one vector holds
#
# The usual story against the vector: it is too narrow for a long text. If so, a wider one must hold
# more.
#
# **Predict first.** A vector of 32 numbers, one of 96, and attention with 64: how many texts of
# one, two, three phrases are translated without a mistake? (Attention learns for four epochs, the
# vectors for six.)
#
# <details><summary>Answer</summary>
#
# With attention nearly all, of any length. The vectors lose most with a second phrase, and the
# wider one holds more, from each of three random starts: width is a part of it. (The network of 96
# has more weights than the one with attention.) How much of the rest longer training would mend,
# this does not say: exercise 4.
# </details>

# %%
phrases = np.arange(len(test)) % 3
perfect = {  # (seeds, phrases)
    arm: np.array([[right[arm, seed][1][phrases == k].all(1).mean() for k in range(3)]
                   for seed in range(3)])
    for arm in EPOCHS
}  # fmt: skip
print({arm: shares.mean(0).round(2).tolist() for arm, shares in perfect.items()})

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7, height=3.2)
for (arm, shares), colour in zip(perfect.items(), COLOURS, strict=False):
    name = arm.replace("attention", "attention 注意力").replace("vector", "vector 向量")
    axes.plot([1, 2, 3], shares.mean(0), color=colour, label=name)
    axes.plot([1, 2, 3], shares.T, "o", color=colour, alpha=0.6)
axes.set(xlabel="phrases 短语数", ylabel="without a mistake 全对的比例", xticks=[1, 2, 3])
axes.legend(frameon=False)
tidy(axes)
use_fonts(figure)

# %% [markdown]
# ## 5. Where it looks, and whether it has to
#
# The map goes back where the place is due: it is said last in its phrase, and stood first.

# %% tags=["figure"]
plots.attention_map(target, looked, source, title="")

# %% [markdown]
# A map shows where a decoder looks, not what it needs ([lesson 09](09_attention.ipynb)). So we
# *hide*, whenever a number is due, the place with the largest weight; as a control, another place
# at random; at last the place and its two neighbours.
#
# **Predict first.** How often does the word change?
#
# <details><summary>Answer</summary>
#
# Another place: never. The heaviest one: in half of the cases or more, but not always. With its
# neighbours, more often: the states beside a character know of it, too. And still not always.
# </details>


# %%
def changed(decoder):
    """Return how often the number that is said changes when places are hidden."""
    rows, places, found = np.arange(len(test)), np.arange(S), {}
    count, rng = decoder.real.sum(1, keepdims=True), np.random.default_rng(0)
    h, word = decoder.h, np.full(len(test), BOS)
    for t in range(T):
        after, log_p, alpha = decoder.step(h, word, rows)
        heavy = alpha.argmax(-1)[:, None]
        other = (heavy + rng.integers(1, count)) % count
        arms = {"another 另一处": places == other, "heaviest 权重最大处": places == heavy,
                "and neighbours 连同两邻": abs(places - heavy) < 2}  # fmt: skip
        for name, hidden in arms.items():
            now = decoder.step(h, word, rows, hidden)[1].argmax(-1)
            found.setdefault(name, []).extend((now != log_p.argmax(-1))[np.isin(given[:, t], due)])
        h, word = after, given[:, t]
    return {name: np.mean(one) for name, one in found.items()}


due = [words.token_to_id(word) for word in NUMBERS.values()]
hidden = [changed(decoders["attention 64", seed]) for seed in range(3)]
print({name: [round(float(one[name]), 2) for one in hidden] for name in hidden[0]})

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7, height=2.4)
for place, name in enumerate(hidden[0]):
    axes.plot([one[name] for one in hidden], [place] * 3, "o", color=COLOURS[place], alpha=0.8)
axes.set_yticks(range(3), hidden[0])
axes.set(xlabel="numbers that change 改变的数词 (3 seeds)", ylim=(2.5, -0.5), xlim=(-0.05, 1.05))
tidy(axes)
use_fonts(figure)

# %% [markdown]
# ## 6. Teacher forcing hides something
#
# With the right words before it, a decoder is scored on a text that it does not write. Alone, it
# goes on from its own mistakes, which training never showed (*exposure bias*, 曝光偏差). Does a
# mistake breed others? Take the words *behind* its first slip, the same places of the same texts:
# once after the right words, once after its own. (A word too many or too few also puts all later
# words off their places; that counts as mistakes, too.)

# %%
behind = {}
for arm, seed in list(right)[3:]:  # attention makes too few slips
    forced, free = right[arm, seed]
    later = ((~free).cumsum(1) - ~free > 0) & real
    behind[arm, seed] = pair = forced[later].mean(), free[later].mean()
    print(f"{arm}, seed {seed}: {later.sum():3} words; right after the right words {pair[0]:.2f}, "
          f"after its own {pair[1]:.2f}")  # fmt: skip

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7, height=2.8)
for place, pair in enumerate(behind.values()):
    axes.plot(pair, [place, place], color=GREY, linewidth=1)
    for one, colour in zip(pair, COLOURS, strict=False):
        axes.plot(one, place, "o", color=colour)
axes.set_yticks(range(len(behind)), [f"{arm}, seed {seed}" for arm, seed in behind])
axes.set(xlabel="right behind a slip 首错之后的正确率 (blue 蓝: after the right words 给正确前文)")
axes.invert_yaxis()
tidy(axes)
use_fonts(figure)

# %% [markdown]
# ## 7. Search: the likeliest text of all
#
# A beam keeps a few beginnings, and may miss the likeliest text: a *search error*. Whether it does,
# we can know. Surprise, $-\ln p$, only grows from word to word; so if we always continue the least
# surprising beginning, the first text that comes to its end is the likeliest of all.


# %%
def longer(decoder, row, begun):
    """Return all texts that are one word longer, as (surprise, words, state)."""
    nats, said, h = zip(*begun, strict=True)
    h, log_p, _ = decoder.step(np.stack(h), [w[-1] for w in said], [row] * len(begun))
    found = zip(nats, said, h, log_p, strict=True)
    return [(n - p, (*w, v), state) for n, w, state, ps in found for v, p in enumerate(ps)]


def beam(decoder, row, width):
    best = [(0.0, (BOS,), decoder.h[row])]
    while begun := [one for one in best if one[1][-1] != EOS and len(one[1]) <= T]:
        ended = [one for one in best if one[1][-1] == EOS]
        best = heapq.nsmallest(width, ended + longer(decoder, row, begun), lambda one: one[0])
    return best[0]


def exact(decoder, row):
    heap = [(0.0, (BOS,), decoder.h[row])]
    while heap[0][1][-1] != EOS:
        for one in longer(decoder, row, [heapq.heappop(heap)]):
            heapq.heappush(heap, one)
    return heap[0]


# %% [markdown]
# And if nothing is missed? We train on for an epoch, once on pairs as before, once on pairs of
# which a tenth *end after the first phrase*, as sloppily aligned texts do.
#
# **Predict first.** Which search then translates texts of three phrases best: greedy, four beams,
# or the exact one?
#
# <details><summary>Answer</summary>
#
# Greedy and beams. To stop is not the likeliest *word*. But three phrases can be said in many ways,
# by their synonyms, which share nine tenths of the probability among them, and the cut text in few.
# The exact search finds it: a *model error*, which better search brings to light.
# </details>

# %%
ROWS = np.array([row for row in range(90) if row % 3])  # two and three phrases
SEARCHES = {"greedy 贪心": lambda *of: beam(*of, 1), "4 beams 束": lambda *of: beam(*of, 4),
            "exact 精确": exact}  # fmt: skip
model, encoder, start = translator
results = {}  # (cut, search, seed): three phrases right, likeliest text missed
for cut in (0.0, 0.1):
    more = ids_of(boat_pairs(2, 4000, cut))
    for seed in range(3):
        learn(model, start, kept[seed], *more, epochs=1, done=4 * 32)
        decoder, best = Decoder(model, encoder, x_test), None
        for name in reversed(SEARCHES):
            texts = [SEARCHES[name](decoder, row) for row in ROWS]
            best = best or texts
            hits = [list(same[list(said[1:])]) == list(same[given[row][real[row]]])
                    for (_, said, _), row in zip(texts, ROWS, strict=True)]  # fmt: skip
            missed = [a > b + 1e-9 for (a, *_), (b, *_) in zip(texts, best, strict=True)]
            results[cut, name, seed] = np.mean(np.array(hits)[ROWS % 3 == 2]), np.mean(missed)
for cut, name in [(cut, name) for cut in (0.0, 0.1) for name in SEARCHES]:
    hits, missed = np.mean([results[cut, name, seed] for seed in range(3)], axis=0)
    print(f"{cut:4.0%} cut: three phrases right {hits:.2f}, likeliest missed {missed:.2f}: {name}")

# %% tags=["figure"]
figure, (row,) = panels(1, 2, width=9, height=2.6, sharey=True)
for axes, cut in zip(row, (0.0, 0.1), strict=True):
    for place, name in enumerate(SEARCHES):
        hits = [results[cut, name, seed][0] for seed in range(3)]
        axes.plot(hits, [place] * 3, "o", color=COLOURS[place], alpha=0.8)
    axes.set(title=f"{cut:.0%}", xlabel="three phrases right 三个短语全对", xlim=(-0.05, 1.05))
    tidy(axes)
row[0].set_yticks(range(3), SEARCHES)
row[0].set_ylim(2.5, -0.5)
use_fonts(figure)

# %% [markdown]
# ## 8. BLEU by hand, and fooled
#
# BLEU counts the n-grams, $n = 1 \dots 4$, that answer and reference share; $r$ and $c$ are the
# lengths of all references and answers:
#
# $$\text{BLEU} = 100 \cdot \min(1, e^{1 - r/c}) \cdot
# \Big(\prod_{n=1}^4 \text{precision}_n\Big)^{1/4}$$
#
# **Predict first.** Which answers score more: those with all synonyms exchanged, or those with all
# *numbers* wrong (but *one*)?


# %%
def bleu(references, answers):
    logs, split = [], [[line.split() for line in some] for some in (references, answers)]
    for n in range(1, 5):
        wanted, found = (
            [Counter(zip(*(line[i:] for i in range(n)), strict=False)) for line in some]
            for some in split
        )
        shared = sum((w & f).total() for w, f in zip(wanted, found, strict=True))
        logs.append(np.log(shared / sum(f.total() for f in found)) if shared else -np.inf)
    r, c = (sum(map(len, some)) for some in split)
    return 100 * np.exp(min(0, 1 - r / c) + np.mean(logs))


def exchanged(line, *groups):
    """Put in the place of each word of a group the next one."""
    turn = {word: group[(k + 1) % len(group)] for group in groups for k, word in enumerate(group)}
    return " ".join(turn.get(word, word) for word in line.split())


references = [english for _, english in test]
bleus = {}
for name, groups in {"synonyms": SYNONYMS, "numbers": [list(NUMBERS.values())[1:]]}.items():
    answers = [exchanged(line, *groups) for line in references]
    bleus[name] = bleu(references, answers), metrics.generation_metrics(references, answers)["bleu"]
    print("other {}: BLEU by hand {:.2f}, sacrebleu {:.2f}".format(name, *bleus[name]))

# %% [markdown]
# <details><summary>Answer</summary>
#
# Those with wrong numbers: BLEU does not know which words matter. The others share no four words in
# a row with the references, so that theirs is 0; sacrebleu smooths: it puts a little in the place
# of a zero.
# </details>
#
# A BLEU also hangs on what a *word* is. Chinese, each *一* turned into *九*, scored in three ways:

# %%
chinese, cuts = [line for line, _ in test], {}
wrong = [line.replace("一", "九") for line in chinese]
for name in ("zh", "char", "13a"):
    scorer = BLEU(tokenize=name)
    cuts[name] = scorer.corpus_score(wrong, [chinese]).score
    print(f"{cuts[name]:5.1f}  {scorer.get_signature()}")

# %% [markdown]
# The same answers. A score without its *signature* says little; `metrics.generation_signatures`
# gives it.
#
# ## 9. Real text
#
# Multi30k, English to German, from `docs/results.md`: a recurrent encoder-decoder with attention
# has a BLEU of 39.41 (95 % interval 37.86 to 40.97), a Transformer 38.98 (37.34 to 40.54): no
# winner. Saying the reference of the *nearest* training text gets 12.07, the first words of the
# source 0.58.
#
# ## Exercises
#
# An attempt at beam search, with a slip:


# %%
def my_beam_search(step, prompt, steps, beam, eos=None, pad=0, length_penalty=0.0):
    return reference.beam_search(step, prompt, steps, max(beam - 1, 1), eos, pad, length_penalty)


verdict = exercises.check("beam_search", my_beam_search)
assert not verdict.ok

# %% [markdown]
# Now you; `exercises.show(...)` states a task, `exercises.hint(...)` helps:
#
# 1. *Fill a line*: mend `my_beam_search`.
# 2. *Write it*: `attention_decoder_step`, the decoder of `kerasllm train multi30k`; then
#    `beam_search` without the library.
# 3. *Break it*: in section 7 cut a third of the pairs. Which search breaks first?
# 4. Train "vector 96" for 20 epochs (its rate falls to 0 after six: lengthen that, too). What is
#    left of section 4?

# %%
exercises.show("attention_decoder_step")

# %% [markdown]
# ## What this lesson claims
#
# One cell, all claims. If it runs, they hold on your machine.

# %%
attention, narrow, wide = perfect.values()
assert agree[real].all() and (attention > 0.9).all()
assert (narrow[:, 1] < narrow[:, 0] - 0.2).all() and (wide[:, 2] < wide[:, 0] - 0.3).all()
assert (wide[:, 0] > narrow[:, 0] + 0.1).all()  # a wider vector holds more, from each start
assert wide[:, 1].mean() > narrow[:, 1].mean()
assert all(other < 0.05 and 0.4 < heavy < three < 0.98
           for other, heavy, three in (one.values() for one in hidden))  # fmt: skip
assert all(free < forced - 0.02 for forced, free in behind.values())  # mistakes breed mistakes
for seed in range(3):
    greedy, four, best = (results[0.1, name, seed][0] for name in SEARCHES)
    assert best < min(greedy, four) - 0.2  # the better search finds the worse text
    assert results[0.0, "exact 精确", seed][0] > 0.9  # the control: not so without cut pairs
assert np.isclose(*bleus["numbers"]) and bleus["synonyms"][0] == 0
assert min(bleus["numbers"]) > max(bleus["synonyms"]) + 10
assert max(cuts.values()) > min(cuts.values()) + 10

# %% [markdown]
# ## Where to go next
#
# - [16 Generation](16_generation.ipynb): the same searches where there is no source.
# - [18 Looking inside](18_looking_inside.ipynb): more ways to ask what a network uses.
# - [08 Honest evaluation](08_honest_evaluation.ipynb): an interval for a BLEU.
# - In the code: `kerasllm/models/seq2seq/`, `kerasllm/reference/recurrent/attention_decoder.py`.
#   At a terminal: `kerasllm recipe translation`.
