"""A Llama that chats: imported, asked, its conversation kept within the context, at a terminal."""

import io

import keras
import numpy as np
import pytest

from kerasllm import verify
from kerasllm.cli import answers
from kerasllm.models import TransformerBackbone, TransformerConfig
from kerasllm.models.decoding import session, steps
from kerasllm.models.hub import save_checkpoint
from kerasllm.text import train_tokenizer
from kerasllm.text.conversations.encoding import encode_conversation
from kerasllm.text.tokenizers.imported import import_tokenizer
from kerasllm.training import chat, load_run
from kerasllm.training.importing import export_checkpoint, import_checkpoint
from kerasllm.utils.terminal import visible

pytest.importorskip("safetensors", reason="needs the extra hub")
pytest.importorskip("jinja2", reason="needs the extra chat")
TEMPLATE = (
    "{% for m in messages %}<s>{{ m.role[:1] + m.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}<s>a{% endif %}"
)
CONTEXT = 64


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the folder of a random Llama of bytes with a template."""
    library = train_tokenizer(["ab"], "bpe", 262).state()["library"]
    vocabulary = sorted(library["model"]["vocab"], key=library["model"]["vocab"].get)[6:]
    special = ["<s>", "</s>"]
    library["model"]["vocab"] = {t: i for i, t in enumerate([*special, *vocabulary])}
    flags = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    library["added_tokens"] = [
        {"id": i, "content": t, "special": True, **flags} for i, t in enumerate(special)
    ]
    roles = {"bos": "<s>", "eos": "</s>"}
    tokenizer = import_tokenizer(library, roles, "gpt2", chat_template=TEMPLATE)
    config = TransformerConfig(
        tokenizer.vocabulary_size, 16, 2, 4, 7, CONTEXT, positions="rotary", activation="swiglu",
        normalization="rms", use_bias=False, num_kv_heads=2, score_pad=False,
    )  # fmt: skip
    backbone, rng = TransformerBackbone(config), np.random.default_rng(7)
    backbone.set_weights([w + rng.normal(scale=0.4, size=w.shape) for w in backbone.get_weights()])
    return save_checkpoint(backbone, tokenizer, tmp_path_factory.mktemp("llama") / "there")


@pytest.fixture(scope="module")
def run(folder):
    return import_checkpoint(folder, folder.parent / "run", quiet=True)


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch):
    """Run decoding loops step by step: to compile one takes seconds."""
    monkeypatch.setattr(steps, "compiled", lambda function, _model: function)
    monkeypatch.setattr(session, "SMALLEST", 16)


def test_an_imported_llama_keeps_its_template(run, folder):
    again = load_run(run.path)
    assert again.tokenizer.chat_template == TEMPLATE
    assert again.model.backbone.settings.num_kv_heads == 2
    back = export_checkpoint(again, folder.parent / "back", quiet=True)
    assert (back / "chat_template.jinja").read_text() == TEMPLATE
    for name in ("model.safetensors", "config.json"):
        assert (back / name).read_bytes() == (folder / name).read_bytes()


def test_an_answer_is_what_follows_the_conversation(run):
    talk = [{"role": "user", "content": "ab"}]
    said = run.chat(talk, max_new_tokens=9, temperature=0)
    ids = encode_conversation(run.tokenizer, talk)
    text = [*ids]
    for _ in range(9):  # the whole text at each token, without a cache
        logits = keras.ops.convert_to_numpy(run.model(np.array([text])))[0, -1]
        logits[[1, 0]] = -np.inf  # <s>, and the new pad
        text.append(int(logits.argmax()))
        if text[-1] == run.tokenizer.eos_id:
            break
    assert said == run.tokenizer.decode(text[len(ids) :])
    assert chat(run.path, "ab", max_new_tokens=9, temperature=0) == said
    assert "".join(run.chat(talk, max_new_tokens=9, temperature=0, stream=True)) == said


def test_turns_read_only_what_is_new(run):
    fresh, talk = load_run(run.path), []
    for question in ("ab", "b", "aa"):
        talk.append({"role": "user", "content": question})
        answer = run.chat(talk, max_new_tokens=5, temperature=1.0, seed=3)
        vars(fresh).pop("session", None)
        assert fresh.chat(talk, max_new_tokens=5, temperature=1.0, seed=3) == answer
        talk.append({"role": "assistant", "content": answer})
    assert len(run.session.known) > 20


def test_what_does_not_fit_is_left_out_and_said(run, capsys):
    talk = [{"role": r, "content": 8 * "ab"} for r in ("user", "assistant") * 2]
    talk.append({"role": "user", "content": "b"})
    run.chat(talk, max_new_tokens=20)
    assert "the oldest 2 messages are left out" in capsys.readouterr().err
    with pytest.raises(ValueError, match=r"the last message alone needs \d+ tokens, .* 44"):
        run.chat(60 * "a", max_new_tokens=20)


def test_what_cannot_chat_says_so(run, pretrained, classifier):
    with pytest.raises(ValueError, match="this model does not chat"):
        pretrained.chat("Hi")
    with pytest.raises(ValueError, match="holds a TextClassifier, which cannot answer"):
        classifier.chat("Hi")
    with pytest.raises(ValueError, match="max_new_tokens must be a whole number"):
        run.chat("Hi", max_new_tokens=1.5)
    with pytest.raises(ValueError, match="expected a role among"):
        run.chat([{"role": "robot", "content": "Hi"}])


def test_a_talk_at_a_terminal(run, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("ab\nb\n\n"))
    options = {"max_new_tokens": 4, "temperature": 0}
    answers.talk(run, "", options)
    shown = capsys.readouterr()
    first = run.chat("ab", **options)
    assert shown.out.startswith(visible(first) + "\n")
    assert shown.err.count(" a second)") == 2


def test_ctrl_c_cuts_an_answer_and_then_ends_the_talk(run, monkeypatch, capsys):
    asked, cut = iter(["ab", KeyboardInterrupt]), []

    def ask(_):
        found = next(asked)
        if found is KeyboardInterrupt:
            raise KeyboardInterrupt
        return found

    def interrupted(messages, **_):
        cut.append(list(messages))
        yield "ye"
        raise KeyboardInterrupt

    monkeypatch.setattr("builtins.input", ask)
    monkeypatch.setattr(run, "chat", interrupted)
    answers.talk(run, "Be kind.", {})
    shown = capsys.readouterr()
    assert shown.out.startswith("ye")
    assert "cut off by Ctrl-C" in shown.err
    assert [m["role"] for m in cut[0]] == ["system", "user"]


def test_an_imported_llama_is_proven_on_a_prompt(run):
    before = run.model.get_weights()
    report = verify.prove_run(run, steps=2, rows=2, length=11)
    assert report.ok, str(report)
    names = {row.name for row in report.rows}
    assert any("block_1/attention" in name for name in names)
    gradients = [row for row in report.rows if row.quantity == "gradient"]
    assert len(gradients) == 2 * 8  # A and B of four matrices in two blocks
    assert all(np.array_equal(a, b) for a, b in zip(before, run.model.get_weights(), strict=True))
    assert run.model.trainable_variables
    seen = verify.trace(run, "ab")
    assert "block_0/attention" in seen.layers
