# %% [markdown]
# # 15 · Sequence to sequence
#
# PROSE

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
from kerasllm.plots.fonts import use_fonts
from kerasllm.plots.style import COLOURS, GREY, panels, tidy
from kerasllm.text import BOS, EOS

lessons.quote("004", 214)

# %% [markdown]
# ## 1. A language pair of our own

# %%
NUMBER = dict(zip("一两三四五六七八九",
                  "one two three four five six seven eight nine".split(), strict=True))  # fmt: skip
THING = dict(zip("条船 个人 只羊 条鱼 只鸟 只猫 匹马 棵树 本书 扇门".split(),
                 "boat/boats person/people sheep/sheep fish/fish bird/birds cat/cats horse/horses "
                 "tree/trees book/books door/doors".split(), strict=True))  # fmt: skip
PLACE = dict(zip("桥山河湖海", "bridges hills rivers lakes seas".split(), strict=True))
NEAR, AND = ("near", "by", "beside"), ("and", "plus", "with")  # three ways to say the same


def phrase(rng):
    number, thing, place = (rng.choice(list(words)) for words in (NUMBER, THING, PLACE))
    one, many = THING[thing].split("/")
    chinese = f"{number}{thing}"
    english = f"{NUMBER[number]} {one if number == '一' else many}"
    if rng.random() < 0.5:
        return chinese, english
    return f"{place}边{chinese}", f"{english} {rng.choice(NEAR)} {PLACE[place]}"


def pairs(seed, count, cut=0.0):
    """Draw texts of one, two, three phrases; a share `cut` of targets ends after the first."""
    rng, found = np.random.default_rng(seed), []
    for row in range(count):
        chinese, english = zip(*(phrase(rng) for _ in range(1 + row % 3)), strict=True)
        rest = "" if rng.random() < cut else "".join(f" {rng.choice(AND)} {e}" for e in english[1:])
        found.append(("，".join(chinese), english[0] + rest))
    return found


train, test = pairs(0, 4000), pairs(1, 300)
chars = text.train_tokenizer([z for z, _ in train], "character", min_frequency=1)
words = text.train_tokenizer([e for _, e in train], "word", min_frequency=1)
S, T, V = 18, 15, words.vocabulary_size
print(*test[2], sep="  →  ")


def ids_of(some):
    source = chars.encode_batch([z for z, _ in some], eos=True)
    target = words.encode_batch([e for _, e in some], bos=True, eos=True)
    return text.pad_sequences(source, length=S), text.pad_sequences(target, length=T + 1)


x, y = ids_of(train)
x_test, y_test = ids_of(test)

# %% [markdown]
# ## 2. Two networks


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
        seen = keras.layers.Attention()([s, m], mask=[None, keras.ops.not_equal(source, 0)])
    else:  # at the last one, always
        seen = keras.layers.RepeatVector(T)(h)
    both = keras.ops.concatenate([s, seen], axis=-1)
    f = keras.layers.Dense(units, "tanh", name="combine")(both)
    model = keras.Model([source, before], keras.layers.Dense(V, name="head")(f))
    rate = keras.optimizers.schedules.CosineDecay(0.01, EPOCHS * 32)
    adam = keras.optimizers.Adam(rate, global_clipnorm=1.0)
    model.compile(adam, models.TokenCrossEntropy(), jit_compile=False)
    adam.build(model.trainable_variables)
    return model, keras.Model(source, [m, h]), look


EPOCHS = 8
arms = {"attention 64": network(True, 64), "vector 64": network(False, 64),
        "vector 128": network(False, 128)}  # fmt: skip
starts = {arm: [keras.ops.copy(v) for v in model.optimizer.variables]
          for arm, (model, *_) in arms.items()}  # fmt: skip


def learn(arm, epochs, data=(x, y)):
    arms[arm][0].fit([data[0], data[1][:, :-1]], data[1][:, 1:], batch_size=128, epochs=epochs,
                     verbose=0)  # fmt: skip


def begin(arm, seed):
    model = arms[arm][0]
    keras.utils.set_random_seed(seed)
    model.set_weights(keras.models.clone_model(model).get_weights())
    for variable, start in zip(model.optimizer.variables, starts[arm], strict=True):
        variable.assign(start)


# %% [markdown]
# ## 3. The decoder, in NumPy


# %%
class Decoder:
    """The decoder of a model, in NumPy, and what the encoder read."""

    def __init__(self, arm, ids):
        model, encoder, look = arms[arm]
        layers_of = map(model.get_layer, ("words", "decoder", "combine", "head"))
        self.weights = [w.astype("float64") for one in layers_of for w in one.get_weights()]
        m, self.h = (a.astype("float64") for a in map(np.asarray, encoder.predict_on_batch(ids)))
        self.memory = m if look else self.h[:, None]
        self.real = ids > 0 if look else np.ones((len(ids), 1), bool)

    def step(self, h, word, rows, hidden=None):
        """Take states, words so far, and rows; return states, ln p of the next word, weights."""
        E, W, U, b, W_c, b_c, W_o, b_o = self.weights
        h, _ = reference.gru_step(E[word] @ W + b[0], h, U, b[1])
        scores = np.einsum("bh,bsh->bs", h, self.memory[rows])
        seen = self.real[rows] if hidden is None else self.real[rows] & ~hidden
        alpha, _ = reference.softmax(np.where(seen, scores, -1e30))
        context = np.einsum("bs,bsh->bh", alpha, self.memory[rows])
        f = np.tanh(np.concatenate([h, context], axis=-1) @ W_c + b_c)
        return h, reference.log_softmax(f @ W_o + b_o)[0], alpha

    def write(self, given=None):
        """Write greedily; or, with the right words given, what it would say next after each."""
        h, word, rows, said, looked = self.h, np.full(len(self.h), BOS), range(len(self.h)), [], []
        for t in range(T):
            h, log_p, alpha = self.step(h, word, rows)
            said, looked = [*said, log_p.argmax(-1)], [*looked, alpha]
            word = said[-1] if given is None else given[:, t]
        return np.stack(said, 1), np.stack(looked, 1)


same = np.arange(V)  # a synonym counts as the first of its kind
for word in (*NEAR, *AND):
    same[words.token_to_id(word)] = words.token_to_id("near" if word in NEAR else "and")
truth, real = same[y_test[:, 1:]], y_test[:, 1:] > 0


def scores_of(decoder):
    """Return which words are right, after the right beginning, and after its own."""
    forced, free = (same[decoder.write(given)[0]] for given in (y_test[:, 1:], None))
    return (forced == truth) | ~real, (free == truth) | ~real


found, half, decoders = {}, [], {}
for arm in arms:
    for seed in range(3):
        begin(arm, seed)
        learn(arm, EPOCHS // 2)
        if arm == "attention 64":
            half.append(scores_of(Decoder(arm, x_test)))
        learn(arm, EPOCHS - EPOCHS // 2)
        decoders[arm, seed] = Decoder(arm, x_test)
        found[arm, seed] = scores_of(decoders[arm, seed])
        decoders[arm, seed].kept = arms[arm][0].get_weights()
k = np.arange(300) % 3
import time as _t
for (arm, seed), (forced, free) in found.items():
    print(arm, seed, "sentences", [free[k == j].all(1).mean().round(2) for j in range(3)], "forced words", [forced[k==j][real[k==j]].mean().round(3) for j in range(3)], "free words", [free[k==j][real[k==j]].mean().round(3) for j in range(3)])

def after(forced, free):
    """Return the share of right words behind the first slip: with the right beginning, with its own."""
    slip = ~free
    behind = (slip.cumsum(1) - slip > 0) & real
    return forced[behind].mean(), free[behind].mean(), (slip & real).any(1).mean()
for s in range(3):
    f, r = half[s]
    print("half", s, [r[k == j].all(1).mean().round(2) for j in range(3)], "after", after(f, r), "words", f[real].mean(), r[real].mean())
for arm in list(arms)[1:]:
    for s in range(3):
        print(arm, s, "after", after(*found[arm, s]))
print("cpu", _t.process_time())
import pickle
pickle.dump({s: decoders["attention 64", s].kept for s in range(3)}, open("/tmp/scrD/kept.pkl", "wb"))
