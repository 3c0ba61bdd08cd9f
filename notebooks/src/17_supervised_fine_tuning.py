# %% [markdown]
# # 17 · Supervised fine-tuning
#
# **What you will do.** Turn a conversation into one text and into ids; let the loss count the
# answers alone; plant five mistakes in what is counted, and have each of them named; pretrain a
# small model, teach it to answer with 24 questions, and find out by a control where its answers
# come from. At the end the same with a real model of 135 million weights, if it is on your machine.
#
# **What you will learn.** Chat templates; the loss mask; what supervised fine-tuning (有监督微调)
# brings, and what it does not; low-rank adaptation (低秩适配, LoRA) in three lines.
#
# **What you need.** Lessons [09](09_attention.ipynb) and [12](12_fine_tuning.ipynb). 40 minutes;
# the cells run in a minute and a half on a laptop, without network.
#
# **Where it comes from.** Document 004 §2.3 draws supervised fine-tuning as "pretrained model, then
# a data set for fine-tuning", and §9.1 repeats it. What is in that data set, and which part of it
# is learned, it does not say.

# %%
from kerasllm import lessons

lessons.start()

# %%
import keras
import numpy as np

from kerasllm import datasets, exercises, models, plots, reference, text, verify
from kerasllm.datasets import Conversation
from kerasllm.plots.fonts import use_fonts
from kerasllm.plots.style import COLOURS, GREY, panels, tidy
from kerasllm.text.conversations.encoding import encode_answers
from kerasllm.text.conversations.template import render

lessons.quote("004", 102)

# %% [markdown]
# ## 1. A conversation is one text
#
# A language model reads one text. A *template* says how the messages become it: a small program in
# jinja2 that every chat model brings along. This one is ChatML; SmolLM2 and Qwen have it.

# %%
CHATML = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
talk = [
    {"role": "user", "content": "the plural of boat ?"},
    {"role": "assistant", "content": "boats"},
]
whole = render(CHATML, talk, add_generation_prompt=False)
asked = render(CHATML, talk[:1])  # what the model is given when it has to answer
print(whole)
print("the answer and its end:", repr(whole[len(asked) :]))

# %% [markdown]
# The answer is what the whole text has behind the *generation prompt*. Its end token belongs to it:
# a model that never learns to say it goes on talking.
#
# A model that came without a template can have a plain one. Here is a tokenizer of words, and the
# same conversation as ids. `counted` marks what the answer consists of.

# %%
ODD = """ox oxen, mouse mice, child children, foot feet, goose geese, man men, tooth teeth,
leaf leaves, knife knives, wolf wolves, fox foxes, box boxes, city cities, baby babies, bus buses,
dish dishes"""
REGULAR = """boat cat dog tree house car road lamp river bird king door song book cloud stone girl
boy farm hand hill coat game nail rope ship shoe star town wall week year"""
plural = {word: word + "s" for word in REGULAR.split()}
plural |= dict(pair.split() for pair in ODD.split(","))
FORMS = (
    "one {} , two {} .",
    "the {} is here , the {} are there .",
    "he has a {} and wants more {} .",
)


def lines(plural):
    return [form.format(*pair) for pair in plural.items() for form in FORMS]


def question(noun):
    return f"the plural of {noun} ?"


tokenizer = text.train_tokenizer([*lines(plural), *map(question, plural)], "word", min_frequency=1)
reader = models.ChatPreprocessor(tokenizer, length=12)
ids, counted = encode_answers(tokenizer, talk, reader.template)
tokens = [tokenizer.id_to_token(i) for i in ids]
print(f"{len(plural)} nouns, {tokenizer.vocabulary_size} tokens")
plots.token_rows(
    [tokens[:-1], tokens[1:]],
    spans=[[2] * (len(tokens) - 1)] * 2,
    shaded=[[False] * (len(tokens) - 1), [not c for c in counted[1:]]],
    names=["reads 读入", "learns 学习"],
)

# %% [markdown]
# Grey is not counted. To a word tokenizer "boats" is a token of its own: nothing in its spelling
# says that it belongs to "boat". That will matter.
#
# ## 2. The loss counts the answer
#
# $$L = -\frac{1}{|A|} \sum_{t+1 \in A} \ln p(x_{t+1} \mid x_1 \dots x_t)$$
#
# $A$ are the places of the answers' tokens. The question is *read*, which conditions the answer;
# nothing is learned of it. As targets: the ids one place on, and 0 where nothing counts.
#
# **Predict first.** A model of $V$ tokens that knows nothing. How large is $L$?
#
# <details><summary>Answer</summary>
#
# About $\ln V$, however many tokens count: a mean has the scale of one token.
# </details>

# %%
T = 12  # tokens of a row


def fresh(seed):
    """Return a model of two small Llama blocks, untrained."""
    keras.utils.set_random_seed(seed)
    config = models.TransformerConfig(
        tokenizer.vocabulary_size, 64, 2, 4, max_length=32, positions="rotary",
        activation="swiglu", normalization="rms", use_bias=False,
    )  # fmt: skip
    return models.ChatLM(models.TransformerBackbone(config), preprocessor=reader)


model = fresh(0)
lesson = reader.lesson(Conversation(tuple((m["role"], m["content"]) for m in talk)))
row, targets = lesson.ids[None], lesson.targets[None]
logits = np.asarray(model(row), "float64")[0]
log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
by_hand = -np.mean([log_p[t, y] for t, y in enumerate(targets[0]) if y])
library = float(model.default_loss()(targets, keras.ops.convert_to_tensor(logits[None])))
print(f"targets {targets[0].tolist()}")
print(f"by hand {by_hand:.6f}, library {library:.6f}, ln V {np.log(len(log_p[0])):.6f}")

# %% [markdown]
# ## 3. Five mistakes, and who finds them
#
# None of these mistakes stops a training, and each has been shipped. `verify.loss_masks` compares a
# batch with what the conversations say should be counted. Look at one that is right, then at five
# that are not.

# %%
some = [
    Conversation((("user", question(noun)), ("assistant", plural[noun])))
    for noun in ("boat", "mouse", "ox")
]
ids, targets = reader.batches(some, None, None).batch(0)
print(verify.loss_masks(model, some[:1]))

# %%
last = tokenizer.eos_id
every = np.where(targets, targets, np.pad(ids[:, 1:], ((0, 0), (0, 1))))
planted = {
    "mask lost": every,
    "shifted by one": np.where(targets, ids, 0),
    "end not learned": np.where(targets == last, 0, targets),
    "prompt learned": np.where(np.arange(ids.shape[1]) > 1, every, 0),
    "everything masked": 0 * targets,
}
found = {name: verify.loss_masks(model, some, (ids, y)).names for name, y in planted.items()}
for name, names in found.items():
    print(f"planted: {name:18} found: {', '.join(names)}")

# %% [markdown]
# **Predict first.** With "everything masked", what is the loss?
#
# <details><summary>Answer</summary>
#
# 0 divided by 0, which is NaN in many programs, and the weights with it. Here a data set without
# any counted token is refused before the training begins.
# </details>
#
# ## 4. From a text to an answer
#
# Now the whole way. *Pretraining*: the model reads plain lines, "one boat , two boats .", of all
# 48 nouns. *Fine-tuning*: 24 of them are asked, "the plural of boat ?", and answered. *Test*: the
# other 24, which no question was ever asked about.
#
# And two controls. A model **without pretraining**. And one that read **swapped lines**, in which
# the plurals of the test nouns changed places ("one boat , two mice ."). The 24 questions that both
# are fine-tuned with are the same and right.
#
# **Predict first.** What does the model with the swapped lines answer for its test nouns?
#
# <details><summary>Answer</summary>
#
# See the figure: what its lines said, mostly. The questions taught the form of an answer; the
# content came from the text.
# </details>

# %%
LINES, QUESTIONS = (200, 3e-3, 36), (80, 1e-3, 24)  # steps, learning rate, rows a step


def of_lines(plural):
    rows = [[tokenizer.bos_id, *tokenizer.encode(line), last] for line in lines(plural)]
    rows = text.pad_sequences(rows, length=T + 1)
    return rows[:, :-1], rows[:, 1:]


def of_questions(nouns, every=False):
    talks = [Conversation((("user", question(n)), ("assistant", plural[n]))) for n in nouns]
    found = [reader.lesson(talk) for talk in talks]
    ids, y = (text.pad_sequences([row[side] for row in found], length=T) for side in (0, 1))
    return ids, np.where(y, y, np.pad(ids[:, 1:], ((0, 0), (0, 1)))) if every else y


model.compile(keras.optimizers.Adam(), model.default_loss(), jit_compile=False)
model.optimizer.build(model.trainable_variables)
untouched = [np.array(v) for v in model.optimizer.variables]


def train(arrays, seed, steps, rate, size):
    """Take steps with an optimizer as it was at first."""
    for variable, value in zip(model.optimizer.variables, untouched, strict=True):
        variable.assign(value)
    model.optimizer.learning_rate.assign(rate)
    draw = np.random.default_rng(seed)
    for _ in range(steps):
        rows = draw.choice(len(arrays[0]), size, replace=len(arrays[0]) < size)
        model.train_on_batch(arrays[0][rows], arrays[1][rows])


def said(nouns):
    """Return the likeliest first token of each answer."""
    rows = [reader.prompt_of(question(noun)) for noun in nouns]
    logits = np.asarray(model(text.pad_sequences(rows, length=T)))
    best = [logits[place, len(row) - 1].argmax() for place, row in enumerate(rows)]
    return [tokenizer.id_to_token(int(i)) for i in best]


def share(nouns, expected):
    return np.mean([word == expected[noun] for word, noun in zip(said(nouns), nouns, strict=True)])


def trial(seed):
    """Return the shares of test nouns that are answered rightly, by what was read before."""
    order = [list(plural)[i] for i in np.random.default_rng(seed).permutation(len(plural))]
    asked, test = order[:24], order[24:]
    swapped = plural | dict(zip(test, [plural[n] for n in test[1:] + test[:1]], strict=True))
    found, start = {}, fresh(seed).get_weights()
    for name, read in (("lines", plural), ("swapped", swapped), ("nothing", None)):
        model.set_weights(start)
        if read:
            train(of_lines(read), seed, *LINES)
        begun, found[f"{name}, before"] = model.get_weights(), share(test, plural)
        train(of_questions(asked), seed, *QUESTIONS)
        found[name], found[f"{name}, as read"] = share(test, plural), share(test, read or plural)
        if name == "lines":
            pretrained[seed] = begun
            model.set_weights(begun)
            train(of_questions(asked, every=True), seed, *QUESTIONS)
            found["all counted"] = share(test, plural)
    return found


pretrained = {}
trials = [trial(seed) for seed in range(3)]
for name in trials[0]:
    print(f"{name:18}", "  ".join(f"{found[name]:.2f}" for found in trials))

# %% tags=["figure"]
arms = {
    "lines, before 只预训练": "lines, before",
    "lines + questions 预训练＋微调": "lines",
    "the same, all counted 同上，全部计入": "all counted",
    "nothing + questions 只微调": "nothing",
    "swapped + questions 换过＋微调": "swapped",
    "swapped, as read 换过，按读到的算": "swapped, as read",
}
figure, ((axes,),) = panels(width=7.4, height=3.2)
for place, name in enumerate(arms.values()):
    axes.plot([found[name] for found in trials], [place] * 3, "o", color=COLOURS[place])
axes.axvline(1 / 24, color=GREY, linestyle="--", label="1 of 24 二十四分之一")
axes.set_yticks(range(6), arms)
axes.set(xlabel="share of 24 test nouns 测试名词答对的比例", xlim=(-0.04, 1.04), ylim=(5.5, -0.5))
axes.legend(frameon=False, loc="center right")
tidy(axes)
use_fonts(figure)

# %% [markdown]
# RESULTS
#
# ## 5. LoRA in three lines
#
# Fine-tuning moves every weight. LoRA freezes a matrix $W$ and learns two thin ones beside it:
#
# $$W' = W + \tfrac{\alpha}{r} A B \qquad A: D \times r, \quad B: r \times H$$
#
# $B$ begins as 0, so that training begins at $W$. Three lines:

# %%
model.set_weights(pretrained[0])
draw = np.random.default_rng(0)
W = np.array(model.backbone.get_weights()[1], "float64")
A, B = draw.normal(size=(len(W), 2)) / len(W) ** 0.5, np.zeros((2, W.shape[1]))
corrected = W + 4 / 2 * A @ B
print(f"W {W.shape}: {W.size:,} numbers; A and B: {A.size + B.size:,}")
print("at first W' = W:", np.array_equal(corrected, W))

# %% [markdown]
# `models.LoRA` does this with every matrix of a backbone. We train it on the same 24 questions, and
# then *merge*: the sum is written into $W$, and the model is an ordinary one again, as fast as
# before.
#
# **Predict first.** How far apart are the outputs before and after merging?
#
# <details><summary>Answer</summary>
#
# Rounding apart, not at all: it is the same product of the same sum.
# </details>

# %%
adapted = models.LoRA(model, rank=2)
before = [np.array(weight, "float64") for weight in adapted.adapted]
adapted.compile(keras.optimizers.Adam(3e-3), model.default_loss(), jit_compile=False)
order = [list(plural)[i] for i in np.random.default_rng(0).permutation(len(plural))]
for _ in range(60):
    adapted.train_on_batch(*of_questions(order[:24]))
pairs = [tuple(np.array(part, "float64") for part in pair) for pair in adapted.corrections]
by_hand = [w + adapted.alpha / 2 * a @ b for w, (a, b) in zip(before, pairs, strict=True)]
probe = text.pad_sequences([reader.prompt_of(question(noun)) for noun in plural], length=T)
unmerged = np.array(adapted(probe))
adapted.merge()
apart = np.abs(np.array(model(probe)) - unmerged)[probe > 0].max()
merged = max(np.abs(w - np.array(v)).max() for w, v in zip(by_hand, adapted.adapted, strict=True))
learned = sum(a.size + b.size for a, b in pairs)
lora = share(order[24:], plural)
print(f"{learned:,} numbers learned beside {model.count_params():,}")
print(f"merged and unmerged apart by {apart:.1e}; by hand and library by {merged:.1e}")
print(f"share of test nouns: {lora:.2f}")
corner = slice(0, 12)
_, trace = reference.lora(before[0][corner, corner], pairs[0][0][corner], pairs[0][1][:, corner], 4)
plots.diagram("lora", trace, language="both")

# %% [markdown]
# That is the corner of one matrix, with what it learned.
#
# ## 6. A real model
#
# SmolLM2 (135 million weights, Apache-2.0) was fine-tuned by its makers already, to answer in whole
# sentences. `kerasllm import smollm2` fetches it once (93 MB). If it is on your machine, the cells
# below run on it; else they say so. The task: the plurals of this project's `instructions_en`, to
# be answered with one word. 12 questions to learn from, 6 steps, and 8 to be scored.


# %%
def cached():
    """Return the file of SmolLM2, None where it is not on this machine."""
    import importlib.util

    from kerasllm.datasets.public.registry import cache_folder

    found = sorted((cache_folder() / "models" / "smollm2").glob("*.gguf"))
    return found[0] if found and importlib.util.find_spec("gguf") else None


def nats(model, arrays):
    """Return -ln p of each counted token, a list of arrays, one a row."""
    ids, targets = arrays
    logits = np.asarray(model(ids), "float32")
    top = logits.max(-1, keepdims=True)
    log_p = logits - top - np.log(np.exp(logits - top).sum(-1, keepdims=True))
    return [
        -np.take_along_axis(own, y[:, None], 1)[y > 0, 0]
        for own, y in zip(log_p, targets, strict=True)
    ]


FOREIGN = (
    "The river rises in the hills behind the town. In spring it carries more water than the old "
    "bridge was built for, and the road on its left bank is closed for some days."
)
file, real = cached(), {}
if file is None:
    print("SmolLM2 is not here: pip install 'kerasllm[gguf,chat]', then kerasllm import smollm2")
else:
    from kerasllm.models.hub import load_checkpoint

    backbone, spelling, _ = load_checkpoint(file)
    smol_reader = models.ChatPreprocessor(spelling, length=64)
    smol = models.ChatLM(backbone, preprocessor=smol_reader)
    rows = [e for e in datasets.load("instructions_en", split="all") if "plural" in e.asked[-1]]
    learn, test = (
        smol_reader.batches(part, None, None).batch(0)
        for part in (
            datasets.Dataset(rows[:12], name="plurals", task="chat", split="train"),
            datasets.Dataset(rows[12:20], name="plurals", task="chat", split="test"),
        )
    )
    plain = np.array([spelling.encode(FOREIGN)])
    foreign = plain[:, :-1], plain[:, 1:]
    real = {"before": nats(smol, test), "foreign before": nats(smol, foreign)[0]}
    rest = models.LoRA(smol, rank=8)
    rest.compile(keras.optimizers.Adam(1e-3), smol.default_loss(), jit_compile=False)
    for step in range(6):
        chosen = np.random.default_rng(step).choice(12, 4, replace=False)
        rest.train_on_batch(learn[0][chosen], learn[1][chosen])
    rest.merge()
    real |= {"after": nats(smol, test), "foreign after": nats(smol, foreign)[0]}
    share_counted = (learn[1] > 0).sum() / (learn[0] > 0).sum()
    print(f"{smol.count_params():,} weights; {share_counted:.0%} of the tokens count")
    for when in ("before", "after"):
        own, other = np.concatenate(real[when]).mean(), real[f"foreign {when}"].mean()
        print(f"{when:6}: {own:.2f} nats a token of the answers, {other:.2f} of a foreign text")

# %% tags=["figure"]
figure, ((axes,),) = panels(width=7.4, height=3.2)
if real:
    words = [row.answers[-1] for row in rows[12:20]]
    for shift, (when, name) in enumerate((("before", "before 微调前"), ("after", "after 微调后"))):
        heights = [np.exp(-own.sum()) for own in real[when]]
        axes.bar(np.arange(8) + 0.4 * shift - 0.2, heights, 0.4, color=COLOURS[shift], label=name)
    axes.set_xticks(range(8), words, rotation=20)
    axes.set(ylabel="p(answer) 答案的概率", ylim=(0, 1))
    axes.legend(frameon=False)
tidy(axes)
use_fonts(figure)

# %% [markdown]
# REAL
#
# ### And in Chinese?
#
# The template does not care, the tokenizer does. SmolLM2's was made of English text:

# %%
if real:
    for name in ("instructions_en", "instructions_zh"):
        letters = [e.asked[-1] for e in datasets.load(name, split="test")]
        used = sum(map(len, spelling.encode_batch(letters)))
        real[name] = used / sum(map(len, letters))
        print(f"{name}: {real[name]:.2f} tokens a character")

# %% [markdown]
# With your own conversations, one command each, a line of the file a conversation:
#
#     kerasllm finetune runs/smollm2 chats.jsonl
#     kerasllm loss-masks runs/smollm2 chats.jsonl
#     kerasllm chat runs/finetuned
#
# ## Exercises
#
# An attempt at LoRA, with a slip:


# %%
def my_lora(w, a, b, alpha):
    return w + alpha * a @ b


verdict = exercises.check("lora", my_lora)
assert not verdict.ok

# %% [markdown]
# Now you; `exercises.show(...)` states a task, `exercises.hint(...)` helps:
#
# 1. *Fill a line*: mend `my_lora`.
# 2. *Write it*: from `ids` and `counted` of section 1 the targets. `verify.loss_masks(model, talks,
#    (ids, targets))` names your mistake.
# 3. *Break it*: leave the generation prompt out of `asked` in section 1. What is "the answer" now,
#    and what would be learned beside it?
# 4. In section 4 take 300 steps of questions instead of 80. What happens to the test nouns?

# %%
exercises.show("lora")

# %% [markdown]
# ## What this lesson claims
#
# One cell, all claims. If it runs, they hold on your machine.

# %%
assert whole.startswith(asked) and whole[len(asked) :].startswith("boats<|im_end|>")
assert abs(-np.mean([log_p[t, y] for t, y in enumerate(lesson.targets) if y]) - library) < 1e-5
assert abs(library - np.log(tokenizer.vocabulary_size)) < 0.5
assert verify.loss_masks(model, some).ok
assert all(name in names for name, names in found.items())

# %% [markdown]
# ## Where to go next
#
# - [16 Generation](16_generation.ipynb): what happens behind the next token.
# - [12 Fine-tuning](12_fine_tuning.ipynb): the other methods, and what pretraining pays.
# - In the code: `kerasllm/verify/masks/answers.py` finds the mistakes, `kerasllm/models/lora.py`
#   corrects every matrix. At a terminal: `kerasllm recipe instructions`.
