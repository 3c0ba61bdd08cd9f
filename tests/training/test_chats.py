"""Supervised fine-tuning of a Llama on conversations, from its settings to its answers."""

import json

import keras
import numpy as np
import pytest
from typer import Exit

import kerasllm
from kerasllm.cli import proof, training
from kerasllm.datasets import Conversation, Dataset
from kerasllm.models import (
    CausalLM,
    CausalPreprocessor,
    ChatLM,
    TransformerBackbone,
    TransformerConfig,
)
from kerasllm.models.chat import scoring
from kerasllm.models.decoding import session, steps
from kerasllm.models.hub import load_checkpoint
from kerasllm.training import load_run, train
from kerasllm.training.engine.adapters import load_adapter
from kerasllm.training.importing import export_checkpoint, import_checkpoint
from kerasllm.training.run_folder.folder import weights_hash
from kerasllm.training.run_folder.run import Run
from kerasllm.training.sharing import export_adapter, import_adapter

pytest.importorskip("jinja2", reason="needs the extra chat")
pytestmark = pytest.mark.usefixtures("eager")
TEMPLATE = (
    "{% for m in messages %}<|im_start|>{{ m.role[:1] + m.content }}<|im_end|>{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>a{% endif %}"
)
OPTIONS = {"quiet": True, "epochs": 1, "lora_rank": 3, "learning_rate": 0.02, "xla": False}


@pytest.fixture
def llama(chatml, tmp_path):
    """Return a run of a small random Llama that knows a template."""
    tokenizer = chatml(TEMPLATE)
    config = TransformerConfig(
        tokenizer.vocabulary_size, 16, 2, 4, 7, 48, positions="rotary", activation="swiglu",
        normalization="rms", use_bias=False, num_kv_heads=2, score_pad=False,
    )  # fmt: skip
    backbone, rng = TransformerBackbone(config), np.random.default_rng(7)
    backbone.set_weights([rng.normal(scale=0.3, size=w.shape) for w in backbone.get_weights()])
    model = CausalLM(backbone, preprocessor=CausalPreprocessor(tokenizer, 48))
    run = Run.create(tmp_path / "llama")
    config = {
        "task": "language_model", "settings": {"objective": "causal", "length": 48},
        "data": {"name": "llama", "source": None}, "tokenizer": tokenizer.fingerprint,
    }  # fmt: skip
    run.begin(config, tokenizer)
    run.save(model, tokenizer)
    return run


@pytest.fixture
def chats(tmp_path):
    path = tmp_path / "chats.jsonl"
    rows = [{"prompt": f"{a}+{b}", "completion": f"={a + b}"} for a in range(6) for b in range(5)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(autouse=True)
def uncompiled(monkeypatch):
    for module in (scoring, steps):
        monkeypatch.setattr(module, "compiled", lambda function, _model: function)
    monkeypatch.setattr(session, "SMALLEST", 16)


@pytest.mark.parametrize("pack", [False, True])
def test_a_llama_learns_low_rank_corrections_from_a_file(pack, llama, chats, tmp_path, capsys):
    before = llama.model.get_weights()
    run = kerasllm.finetune(llama, chats, tmp_path / "run", pack=pack, **OPTIONS | {"quiet": False})
    said = capsys.readouterr().err
    assert "24 conversations" in said and "the model's own template" in said
    assert ("in 6 rows" in said) == pack  # of 48 tokens: four of 10, with 3 pads
    assert run.settings["method"] == "lora" and run.config["task"] == "chat"
    assert run.config["answer_tokens"] == sum(
        len(f"={a + b}") + 1 for a, b in kept_rows(run, chats)
    )
    again = load_run(run.path)
    assert isinstance(again.model, ChatLM) and not again.model.backbone.packed
    for weight, old in zip(llama.model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, old)
    merged = load_adapter(run.path / "adapter.npz", llama.model.backbone)
    for a, b in zip(merged.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)


def kept_rows(run, chats):
    """Yield the sums of the training split."""
    from kerasllm import datasets

    for example in datasets.load(chats):
        yield map(int, example.asked[0].split("+"))


def test_it_is_scored_beside_what_it_was(llama, chats, tmp_path):
    run = kerasllm.finetune(llama, chats, tmp_path / "run", **OPTIONS)
    found = run.evaluate(quiet=True)
    before = ChatLM(llama.backbone, preprocessor=run.model.preprocessor)
    from kerasllm import datasets

    held = datasets.load(chats, split="test")
    by_hand = before.scores(held)
    assert found["baselines"]["before_training"]["loss"] == pytest.approx(by_hand["loss"])
    assert found["model"]["loss"] < by_hand["loss"]
    assert found["rows"] == sum(len(example.answers[0]) + 1 for example in held)
    validation = datasets.load(chats, split="validation")
    assert run.config["before"]["loss"] == pytest.approx(before.scores(validation)["loss"])
    llama.model.set_weights([w + 0.01 for w in llama.model.get_weights()])
    llama.save(llama.model, llama.tokenizer)
    notes = run.evaluate(quiet=True)["notes"]
    assert any("changed since: it is not scored beside" in note for note in notes)
    (llama.path / "config.json").unlink()
    notes = run.evaluate(quiet=True)["notes"]
    assert any("cannot be read: it is not scored beside" in note for note in notes)


def test_it_answers_chats_and_is_exported(llama, chats, tmp_path):
    pytest.importorskip("safetensors", reason="needs the extra hub")
    run = kerasllm.finetune(llama, chats, tmp_path / "run", **OPTIONS)
    options = {"max_new_tokens": 6, "temperature": 0}
    (row,) = run.predict(["1+1"], max_new_tokens=6)
    assert row["answer"] == run.chat("1+1", **options).strip()
    assert "".join(run.chat("1+1", stream=True, **options)) == run.chat("1+1", **options)
    assert run.generate("1+1", max_new_tokens=3, temperature=0).startswith("1+1")
    backbone, tokenizer, _ = load_checkpoint(export_checkpoint(run, tmp_path / "hub", quiet=True))
    assert tokenizer.chat_template == TEMPLATE
    ids = np.array([run.model.preprocessor.prompt_of("1+1")])
    logits = keras.ops.convert_to_numpy(CausalLM(backbone)(ids))
    np.testing.assert_allclose(logits, keras.ops.convert_to_numpy(run.model(ids)), atol=1e-5)


def test_its_adapter_alone_goes_to_peft_and_back(llama, chats, tmp_path, capsys):
    pytest.importorskip("safetensors", reason="needs the extra hub")
    run = kerasllm.finetune(llama, chats, tmp_path / "run", dropout=0.1, **OPTIONS)
    there = tmp_path / "adapter"
    training.export(run.path, there, adapter=True, kind="F16", overwrite=False, quiet=False)
    assert "for peft.PeftModel.from_pretrained" in capsys.readouterr().err
    assert sorted(path.name for path in there.iterdir()) == [
        "adapter_config.json", "adapter_model.safetensors",
    ]  # fmt: skip
    with pytest.raises(FileExistsError):
        export_adapter(run, there)
    back = import_adapter(there, llama, tmp_path / "back", quiet=True)
    again = load_run(back.path)
    assert type(again.model) is CausalLM
    for a, b in zip(again.model.get_weights(), run.model.get_weights(), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-6)
    assert again.chat("1+1", max_new_tokens=4, temperature=0) == run.chat(
        "1+1", max_new_tokens=4, temperature=0
    )
    with pytest.raises(ValueError, match="corrections mean nothing on other weights"):
        import_adapter(there, run, tmp_path / "other", quiet=True)
    with pytest.raises(ValueError, match="name the run that it was trained on"):
        import_checkpoint(there, tmp_path / "none", quiet=True)
    with pytest.raises(ValueError, match=r"expected a run of method='lora', .* has no adapter.npz"):
        export_adapter(back, tmp_path / "none")


def test_parts_of_a_batch_are_weighed_by_their_answers(llama, tmp_path):
    talks = [Conversation((("user", n * "q"), ("assistant", n % 4 * "ab" + "c"))) for n in range(8)]
    data = Dataset(talks, name="talks", split="train", task="chat")
    weights = []
    for parts in (1, 3):
        run = train((data, data), tmp_path / f"run_{parts}", pretrained=llama, accumulate=parts,
                    **OPTIONS)  # fmt: skip
        weights.append(run.model.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_allclose(a, b, atol=2e-5)
    pairs = zip(weights[0], llama.model.get_weights(), strict=True)
    assert any(np.abs(a - b).max() > 1e-3 for a, b in pairs)


def test_what_is_learned_is_shown_at_a_terminal(llama, chats, capsys):
    with pytest.raises(Exit) as ended:
        proof.loss_masks(llama.path, str(chats))
    shown = capsys.readouterr().out
    assert ended.value.exit_code == 0
    assert "✓ the answers are counted, no more" in shown
    assert "the first 200 of 300" in shown  # of 30 conversations, 10 tokens each


def test_what_is_cut_is_said(llama, tmp_path, capsys):
    talks = [("q", "a"), (60 * "q", "a"), ("q", 60 * "a")]
    talks = [Conversation((("user", q), ("assistant", a))) for q, a in talks]
    data = Dataset(talks, name="talks", split="train", task="chat")
    train((data, data), tmp_path / "run", pretrained=llama, **OPTIONS | {"quiet": False})
    assert (
        "2 of 3 conversations are longer than 48 tokens: their ends are cut, and with them 20 of "
        "65 tokens of answers; of 1 no answer is left"
    ) in capsys.readouterr().err.replace("\n", " ")
    with pytest.raises(ValueError, match="a loss over nothing would be NaN"):
        train((data[1:2], data), tmp_path / "none", pretrained=llama, **OPTIONS)


def test_it_is_trained_from_scratch_with_a_plain_template(animals, tmp_path):
    options = {
        "size": "tiny", "tokenizer": "word", "min_frequency": 1, "hidden_dim": 8, "num_heads": 2,
        "num_layers": 1, "quiet": True, "epochs": 1, "xla": False,
    }  # fmt: skip
    run = train(animals["chat"], tmp_path / "run", pack=True, **options)
    assert run.settings["method"] == "scratch" and run.settings["length"] == 512
    assert run.config["pretrained"] is None and "before" not in run.config
    assert run.evaluate(animals["chat"][1], quiet=True, trained_rows="score")["baselines"] == {}
    assert isinstance(run.chat("is the red cat here ?", max_new_tokens=3), str)
    further = kerasllm.finetune(run, animals["chat"], tmp_path / "more", method="full", quiet=True,
                                epochs=1, xla=False)  # fmt: skip
    assert further.model.preprocessor.template == run.model.preprocessor.template
    assert further.config["pretrained_weights"] == weights_hash(run.model)


@pytest.mark.parametrize(
    ("base", "options", "told"),
    [
        ("encoder", {}, "expected a causal language model to learn to answer, .* a MaskedLM"),
        ("lstm", {"pack": True}, "pack=True needs a Transformer, .* a RecurrentBackbone"),
        ("lstm", {"method": "frozen"}, "leaves nothing to train"),
        ("lstm", {"length": 0}, "length must be 1 or more"),
        (None, {"pack": True, "backbone": "recurrent"}, "leave --pack out, or --backbone recurre"),
        (None, {"method": "lora"}, "needs weights to begin from"),
    ],
)
def test_settings_that_make_no_sense_are_refused(base, options, told, bases, animals, tmp_path):
    with pytest.raises(ValueError, match=told):
        train(animals["chat"], tmp_path / "run", pretrained=base and bases(base), quiet=True,
              **options)  # fmt: skip
