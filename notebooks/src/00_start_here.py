# %% [markdown]
# # 00 · Start here
#
# **What you will do.** Train a small language model (语言模型) before your eyes, hold its score
# against the best score that is possible, let it write, turn it into a classifier (分类器), and
# prove with one call that Keras computed what the equations say.
#
# **What you will learn.** What a language model is, and what it is not; how text becomes ids;
# what perplexity (困惑度) measures; what pretraining (预训练) and fine-tuning (微调) are.
#
# **What you need.** Python, and what a probability is. 15 minutes; the cells run in half a minute
# on a laptop, without network.
#
# The lessons start from five articles in Chinese about language models, and test what they say.
# Their numbers are 000 to 004; section 9 says which lesson belongs to which.

# %%
from kerasllm import lessons

lessons.start()

# %%
import keras
import numpy as np

from kerasllm import exercises, layers, models, plots, reference, text, verify
from kerasllm.baselines import classification as baselines
from kerasllm.datasets import Dataset, Labelled
from kerasllm.datasets.generated.loading import grammar_language
from kerasllm.plots.fonts import use_fonts
from kerasllm.plots.style import COLOURS, GREY, panels, tidy

# %% [markdown]
# ## 1. What a language model is
#
# A language model reads the beginning of a text and gives each word of its vocabulary a
# probability of coming next:
#
# $$p(\text{next word} \mid \text{words so far})$$
#
# How it does so is left open: by counting, with an LSTM, with a Transformer. (Document 000, §2,
# defines a large language model as an RNN: that is one way to build one.) It is trained on bare
# text, which contains its own answers: the next word is right there.
#
# To see how good a model is, one has to know how good it could be. For English nobody knows that.
# So we begin with a language that was made for this purpose: a small grammar (语法) draws
# sentences that look like English, and knows the exact probability of each.

# %%
language = grammar_language(seed=0)
train_texts, test_texts = language.sample(4000, seed=1), language.sample(500, seed=2)
for example in train_texts[:3]:
    print(f"{example!r} has ln p = {language.log_probability(example):.1f}")

# %% [markdown]
# ## 2. Text to ids
#
# A network computes with numbers. A **tokenizer** (分词器) cuts text into tokens and gives each
# an **id**. Here a token is a word; `<bos>` and `<eos>` mark the beginning and the end of a text,
# and id 0 is kept for padding (填充), which makes the texts of a batch equally long.

# %%
tokenizer = text.train_tokenizer(train_texts, "word", 200)
short = train_texts[0]
ids = tokenizer.encode(short, bos=True, eos=True)
print(short, "->", ids)
print("and back:", tokenizer.decode(ids))


def to_ids(texts, length=None):
    return text.pad_sequences(tokenizer.encode_batch(texts, bos=True, eos=True), length)


train_ids, test_ids = to_ids(train_texts, length=24), to_ids(test_texts)  # long ones are cut
print("texts for training:", train_ids.shape, "(texts, tokens)")
assert tokenizer.decode(ids) == short

# %% [markdown]
# Other languages need other tokens. Chinese has no spaces between words, so its tokens are
# characters, or pieces that a tokenizer learns ([lesson 01](01_text_to_numbers.ipynb)):

# %%
chinese = text.train_tokenizer(["语言模型预测下一个词。"], "character")
print(chinese.tokens("预测下一个词"), "->", chinese.encode("预测下一个词"))

# %% [markdown]
# ## 3. Loss and perplexity
#
# The model is asked at every token. Its **loss** (损失) is the mean of $-\ln p$, where $p$ is what
# it gave to the word that did come: 0 if it was certain and right, large if surprised. Over the $N$
# tokens $w_1, w_2, \dots$ of a text this is the cross-entropy (交叉熵),
# in *nats* (the unit that goes with the natural logarithm) a token:
#
# $$L = -\frac{1}{N} \sum_{t=1}^{N} \ln p(w_t \mid w_1 \ldots w_{t-1})
# \qquad\qquad \text{perplexity} = e^{L}$$
#
# Three tokens, by hand, and the library's function on the same probabilities:

# %%
given = np.array([0.5, 0.1, 0.25])  # what the model gave to the three words that came
loss = -(np.log(0.5) + np.log(0.1) + np.log(0.25)) / 3
by_library, _ = reference.cross_entropy(np.log([given, 1 - given]).T, np.zeros(3, int))
print(f"loss ({-np.log(0.5):.2f} + {-np.log(0.1):.2f} + {-np.log(0.25):.2f}) / 3 = {loss:.2f} nats")
print(f"perplexity {np.exp(loss):.2f}")
assert np.isclose(loss, by_library)
assert np.isclose(np.exp(-np.log(1 / 5)), 5)  # five equally likely words: perplexity 5

# %% [markdown]
# A model with perplexity 5 is as unsure as someone who has to choose among 5 equally likely words.
# Know nothing, and it is the size of the vocabulary. Know everything, and there is still chance:
# the least loss that anybody can expect is the **entropy** (熵) of the language, which is known for
# ours. Our 500 test texts are a sample, and may be a little easier or harder.

# %%
floor = np.exp(language.entropy_rate)
tokens = sum(len(example.split()) + 1 for example in test_texts)  # the end counts as one
best = np.exp(-sum(map(language.log_probability, test_texts)) / tokens)
print(f"knowing nothing: perplexity {tokenizer.vocabulary_size}")
print(f"knowing all:     perplexity {floor:.2f} = exp({language.entropy_rate:.3f} nats)")
print(f"               and {best:.2f} on these test texts")
assert abs(best / floor - 1) < 0.05

# %% [markdown]
# ## 4. A model learns
#
# Three parts: a table with a vector for each word (嵌入, embedding), an LSTM (长短期记忆网络) that
# reads these vectors from left to right and keeps a state, and a head that turns each state into a
# score for every word. The targets are the inputs, moved by one place.
#
# **Predict first:** how near will the network come to the language itself, after seven passes over
# 4,000 texts?
#
# <details><summary>Answer</summary>
#
# To 6 %: perplexity 10.7 on texts it has not seen, where the language itself has 10.1.
#
# </details>

# %%
settings = models.RecurrentConfig(
    tokenizer.vocabulary_size, hidden_dim=32, units=48, num_layers=1, cell="lstm"
)
model = models.CausalLM(models.RecurrentBackbone(settings))
model.compile(keras.optimizers.Adam(0.005), models.TokenCrossEntropy(), jit_compile=False)


def perplexity(ids):
    return float(np.exp(model.evaluate(ids[:, :-1], ids[:, 1:], batch_size=len(ids), verbose=0)))


curve = [perplexity(test_ids)]
print(f"untrained: perplexity {curve[0]:5.2f} on new texts")
for epoch in range(1, 8):
    model.fit(train_ids[:, :-1], train_ids[:, 1:], batch_size=64, verbose=0)
    curve.append(perplexity(test_ids))
    print(f"epoch {epoch}:   perplexity {curve[-1]:5.2f}")

# %% tags=["figure"]
figure = plots.lines(
    {"LSTM, new texts 新文本": curve},
    xlabel="epochs 轮",
    ylabel="perplexity 困惑度",
    title="",
    level=("the language itself 语言自己", best),
    log="y",
)
figure.axes[0].set_yticks([10, 20, 50, 100], ["10", "20", "50", "100"])
figure

# %% [markdown]
# It was told no rule of the grammar, it saw sentences. Compare what it expects after the first word
# *every* with how often each word follows in 10,000 fresh ones:

# %%
openings = [sentence.split() for sentence in language.sample(10_000, seed=5)]
after_every = [words[1] for words in openings if words[0] == "every"]
logits = keras.ops.convert_to_numpy(model(np.array([tokenizer.encode("every", bos=True)])))
p, _ = reference.softmax(logits[0, -1])

likely = sorted(set(after_every), key=after_every.count, reverse=True)[:8]
counted = np.array([after_every.count(word) / len(after_every) for word in likely])
learned = p[[tokenizer.token_to_id(word) for word in likely]]
allowed = sum(p[tokenizer.token_to_id(word)] for word in set(after_every))

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7.2, height=3.4)
places = np.arange(len(likely))
axes.bar(places - 0.2, counted, 0.4, color="#b0b0b0", label="counted 实际")
axes.bar(places + 0.2, learned, 0.4, color=COLOURS[0], label="the model 模型")
axes.set_xticks(places, likely)
axes.set(xlabel="every …", ylabel="probability 概率")
axes.legend(frameon=False)
tidy(axes)
use_fonts(figure)

# %%
print(f"probability that the model gives to words that can follow: {allowed:.3f}")
assert np.abs(learned - counted).max() < 0.06 and allowed > 0.95

# %% [markdown]
# What each word's vector is, the same training has found. Row times table, here a part of it:

# %% tags=["figure"]
shown = ["boat", "boats", "sings", "sing", "every", "two"]
table = model.get_weights()[0][[tokenizer.token_to_id(word) for word in shown], :5].round(2)
plots.diagram("embedding", reference.embedding([1], table)[1], tokens=shown, language="both")

# %% [markdown]
# One rule returns through all lessons: *every **boat** sings*, *two **boats** sing*. The verb hangs
# on the subject, whatever stands between.
#
# **Predict first:** where will the network be least sure of its verb?
#
# <details><summary>Answer</summary>
#
# After *every boat behind two robots*: 31 % for *sings* and the like, and 16 % for *sing*, which is
# wrong. Lesson 05 looks inside.
#
# </details>

# %%
verbs = {
    "sings …": "sleeps waits sings falls returns sees follows paints loves finds forgets",
    "sing …": "sleep wait sing fall return see follow paint love find forget",
}
agreement = {}
for begun in (
    "every boat",
    "two boats",
    "every boat behind two robots",
    "two boats behind a robot",
):
    logits = keras.ops.convert_to_numpy(model(np.array([tokenizer.encode(begun, bos=True)])))
    p, _ = reference.softmax(logits)
    agreement[begun] = [
        sum(p[0, -1, tokenizer.token_to_id(verb)] for verb in words.split())
        for words in verbs.values()
    ]
    print(
        f"{begun:29} "
        + "  ".join(f"{v} {x:.2f}" for v, x in zip(verbs, agreement[begun], strict=True))
    )

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7.2, height=2.4)
for place, values in enumerate(agreement.values()):
    axes.barh(-place, values[0], color=COLOURS[0], label="sings …" if place == 0 else None)
    axes.barh(
        -place, values[1], left=values[0], color=COLOURS[1], label=None if place else "sing …"
    )
axes.set_yticks(-np.arange(len(agreement)), [f"{begun} …" for begun in agreement])
axes.set(xlabel="probability 概率", xlim=(0, 1))
axes.legend(frameon=False, loc="lower right")
tidy(axes)
use_fonts(figure)

# %% [markdown]
# ## 5. It writes
#
# Draw a next word from $p$, put it behind the text, and ask again. That is how every language
# model writes. The language can tell whether a text is one of its own.
#
# **Predict first:** of 100 texts that it writes, how many are without a mistake?
#
# <details><summary>Answer</summary>
#
# About 85, and one wrong word spoils a text.
#
# </details>

# %%
samples = models.generate_ids(
    model, [[tokenizer.bos_id]] * 100, 40, models.Sampling(temperature=1.0), seed=7
)
written = [tokenizer.decode(sample) for sample in samples]
possible = np.mean([language.log_probability(sample) > -np.inf for sample in written])
for sample in written[:3]:
    print(sample)
print(f"without a single mistake: {possible:.0%} of {len(written)}")
assert possible > 0.5

# %% [markdown]
# ## 6. Fine-tuning: the same network gets a job
#
# Learning to predict was **pretraining**: much text, no labels. **Fine-tuning** goes on from these
# weights with a few labelled examples (标注数据) of a task. Ours: is this a sentence, or were its
# words shuffled? (Now and then a shuffled one happens to be a sentence; that is noise in the
# labels.) We have 100 labels.
#
# First the data:

# %%
rng = np.random.default_rng(7)


def labelled(texts, split):
    """Return sentences of 4 to 16 words, every second one shuffled."""
    rows = []
    for words in (text_.split() for text_ in texts):
        if 4 <= len(words) <= 16:
            shuffle = len(rows) % 2 == 1
            words = rng.permutation(words) if shuffle else words
            rows.append(Labelled(" ".join(words), "shuffled" if shuffle else "sentence"))
    return Dataset(rows, name="order", split=split, task="classification")


train, test = labelled(language.sample(300, seed=3), "train")[:100], labelled(test_texts, "test")
for row in train[:2]:
    print(f"{row.label:9} {row.text}")

# %% [markdown]
# All the network below the head (here embedding and LSTM) is called its *backbone* (主干网络). The
# new task takes the pretrained backbone and puts a new head on it, with one score for each class:


# %%
def tuned(backbone):
    """Return a classifier on this backbone, trained with the labels, and its accuracy."""
    classifier = models.TextClassifier(backbone, num_classes=2, pooling="max")
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    classifier.compile(keras.optimizers.Adam(0.005), loss, metrics=["accuracy"], jit_compile=False)
    classifier.fit(to_ids(train.texts), train.label_ids, batch_size=32, epochs=16, verbose=0)
    ids = to_ids(test.texts)
    return classifier, classifier.evaluate(ids, test.label_ids, batch_size=len(ids), verbose=0)[1]


# %% [markdown]
# Beside it stand the same network from scratch, and a linear baseline (基线) that counts words and
# pairs of words. A network that does not beat it is not worth its electricity.
#
# **Predict first:** put the three in order. Which of them is no better than guessing?
#
# <details><summary>Answer</summary>
#
# Pretrained 88 %, linear 64 %, from scratch 56 %: without pretraining the network loses to counting
# pairs of words.
#
# </details>

# %%
_, scratch = tuned(models.RecurrentBackbone(settings))
classifier, pretrained = tuned(model.backbone)
linear = baselines.linear(train, test).metrics["accuracy"]
print(f"right on {len(test)} new texts, with {len(train)} labels")
results = {
    "guessing": 0.5, "linear baseline": linear, "LSTM from scratch": scratch,
    "LSTM, pretrained": pretrained,
}  # fmt: skip
for name, accuracy in results.items():
    print(f"  {name:18} {accuracy:.0%}")
assert pretrained > max(linear, scratch) + 0.1

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7.2, height=2.2)
spread = [1.96 * np.sqrt(value * (1 - value) / len(test)) for value in results.values()]
axes.barh(-np.arange(4), results.values(), xerr=[0, *spread[1:]], color=[GREY, GREY, *COLOURS[:2]])
axes.set_yticks(-np.arange(4), results)
axes.set(xlabel="accuracy 准确率, 95 %", xlim=(0, 1))
tidy(axes)
use_fonts(figure)

# %% [markdown]
# The same network and the same 100 labels: the two differ in the weights that they begin with.
#
# This is one draw of 100 labels. [Lesson 12](12_fine_tuning.ipynb) does it several times, with its
# spread, and shows what can go wrong.
#
# ## 7. Is it true? Ask NumPy
#
# This project keeps every equation a second time, in plain NumPy, with a backward pass derived by
# hand. One call gives the classifier and a batch
# to both, and compares the output of each layer, the loss, and the gradient (梯度) of each weight.
# *Digits* is how many of them agree (the 32-bit numbers of Keras have about seven), *bar* the
# relative difference that is allowed:

# %%
proof = verify.compare(classifier, to_ids(train.texts)[:8], train.label_ids[:8])
assert proof.ok
proof

# %% [markdown]
# ## 8. The same in two commands
#
# All of this, with checkpoints, curves, intervals and baselines, for text of your own:
#
# ```
# kerasllm pretrain novel.txt --output runs/novel
# kerasllm finetune runs/novel reviews.csv --output runs/reviews
# ```
#
# and then `kerasllm evaluate runs/reviews`, `kerasllm predict runs/reviews "A fine evening."`,
# `kerasllm verify --model runs/reviews`.
#
# ## 9. A map: from the five documents to this project
#
# `docs/documents.md` does the same for each of their sections, equations and listings.
#
# | document | its subject | lesson | NumPy: `reference` | Keras: `layers`, `models` |
# |---|---|---|---|---|
# | 000 | RNN, LSTM, GRU 循环神经网络 | [05], [06] | `simple_rnn` `lstm` `gru` | `StackedRNN` |
# | 000 | pretraining, fine-tuning 微调 | 00, [12] | `cross_entropy` `adam` | `CausalLM` |
# | 001 | attention 注意力 | [09] | `scaled_dot_product_attention` | `MultiHeadAttention` |
# | 001 | BiLSTM; BERT | [06], [09] | `bidirectional` | `BiLSTM` `MaskedLM` |
# | 002 | loss, perplexity 困惑度 | 00, [07] | `ngram_perplexity` | `TokenCrossEntropy` |
# | 003 | Transformer | [09], [10] | `transformer_encoder` | `TransformerEncoder` |
# | 003 | the training loop 训练循环 | [12], [21] | `adam` `padding_mask` | `TextClassifier` |
# | 004 | tokenizing, padding 填充 | 00, [01] | `bpe_encode` `embedding` | `TokenEmbedding` |
# | 004 | softmax, descent 梯度下降 | [05], [09] | `softmax` `sgd` | `CausalLM` |
# | 004 | fine-tuning 有监督微调 | 00, [12] | `dense` `dropout` | `TextClassifier` |
# | all | what is wrong in them 勘误 | [21] | | |
#
# [01]: 01_text_to_numbers.ipynb
# [05]: 05_lstm_by_hand.ipynb
# [06]: 06_gru_stacks_directions_masks.ipynb
# [07]: 07_language_models.ipynb
# [09]: 09_attention.ipynb
# [10]: 10_transformer_from_its_parts.ipynb
# [12]: 12_fine_tuning.ipynb
# [21]: 21_the_errata.ipynb
#
# The cell makes sure that the map leads somewhere:

# %%
in_numpy = """simple_rnn lstm gru cross_entropy adam scaled_dot_product_attention bidirectional
    ngram_perplexity transformer_encoder padding_mask bpe_encode embedding softmax sgd dense
    dropout"""
in_layers = "StackedRNN MultiHeadAttention BiLSTM TransformerEncoder TokenEmbedding"
in_models = "CausalLM TextClassifier MaskedLM TokenCrossEntropy"
for package, names in ((reference, in_numpy), (layers, in_layers), (models, in_models)):
    assert all(hasattr(package, name) for name in names.split())

# %% [markdown]
# ## Exercises
#
# Write it yourself, and the library says which mistake you made. Here is an attempt at the loss of
# section 3, with a slip:


# %%
def my_cross_entropy(logits, targets, mask=None, label_smoothing=0.0):
    p, _ = reference.softmax(logits)
    nats = -np.log(np.take_along_axis(p, targets[..., None], -1)[..., 0])
    nats = (1 - label_smoothing) * nats - label_smoothing * np.log(p).mean(-1)
    return nats.mean() if mask is None else (nats * mask).mean()  # where is the slip?


verdict = exercises.check("cross_entropy", my_cross_entropy)
assert not verdict.ok

# %% [markdown]
# Now you; `exercises.show(...)` states a task, `exercises.hint(...)` helps, and `exercises.table()`
# lists all of them:
#
# 1. `softmax`, then `cross_entropy` (mend the attempt above).
# 2. `greedy_search`: write with the likeliest word each time.
# 3. `bpe_encode`: a tokenizer that knows every word, because it can fall back on letters.
# 4. Without the checker: change `seed=0` in section 1. The rules stay, their probabilities change.
#    Which numbers of this lesson move, and which do not?

# %%
exercises.show("softmax")

# %% [markdown]
# What you try and solve is kept from day to day, on your machine alone, and your last right answer
# with it (`exercises.answer(NAME)`). The attempt above is there already:

# %%
exercises.progress()

# %% [markdown]
# ## What this lesson claims
#
# One cell, all claims. If it runs, they hold on your machine.

# %%
assert 0.8 < curve[0] / tokenizer.vocabulary_size < 1.2  # untrained: as good as guessing
assert best * 0.99 < curve[-1] < best * 1.15  # trained: close to the best possible
assert allowed > 0.95  # it found what can follow
assert agreement["every boat"][0] > 10 * agreement["every boat"][1]  # the verb agrees nearby
assert agreement["two boats"][1] > 10 * agreement["two boats"][0]
assert possible > 0.5  # it writes the language
assert pretrained > max(linear, scratch) + 0.1  # pretraining pays
assert proof.ok  # forward and gradients, NumPy = Keras

# %% [markdown]
# ## Where to go next
#
# - [01 Text to numbers](01_text_to_numbers.ipynb): section 2 in earnest, Chinese first.
# - [05 LSTM by hand](05_lstm_by_hand.ipynb): what is inside of the network above.
# - [09 Attention](09_attention.ipynb): the other way to read, and the heart of the Transformer.
# - [12 Fine-tuning](12_fine_tuning.ipynb): section 6 in earnest.
# - [21 The errata](21_the_errata.ipynb): sixteen defects of the documents, run and mended.
