"""Run folders, adapters and checkpoints of strangers: nothing in them is run, or unfolds."""

import io
import json
import os
import shutil
import signal
import time
import warnings
import zipfile
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from kerasllm import datasets
from kerasllm.datasets.sources import read_source
from kerasllm.models import presets, saved
from kerasllm.models.hub import load_checkpoint
from kerasllm.models.hub.files import read_tokenizer
from kerasllm.models.hub.tensors import check_file
from kerasllm.text import SPECIAL_TOKENS, TokenCorpus, load_tokenizer
from kerasllm.training import load_run
from kerasllm.training.engine.adapters import load_adapter
from kerasllm.training.engine.checkpoints import load_checkpoint as load_numbers
from kerasllm.utils.archives import read_arrays
from kerasllm.utils.locks import holder

RUNS = Path(__file__).parent.parent / "training" / "runs_of_before"
GIGABYTE = 2**30


@pytest.fixture
def run(tmp_path):
    """Return a copy of a small run folder."""
    return Path(shutil.copytree(RUNS / "tagger", tmp_path / "run"))


@pytest.fixture(autouse=True)
def no_loading_by_keras(monkeypatch):
    """Let a test fail where Keras builds what a file names."""

    def refused(*_, **__):
        raise AssertionError("Keras was asked to build what a file names")

    monkeypatch.setattr(keras.saving, "load_model", refused)
    monkeypatch.setattr(keras.saving, "deserialize_keras_object", refused)


def members(run):
    with zipfile.ZipFile(run / "model.keras") as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def write(run, contents, compression=zipfile.ZIP_STORED):
    pairs = contents.items() if isinstance(contents, dict) else contents
    with zipfile.ZipFile(run / "model.keras", "w", compression) as archive:
        for name, content in pairs:
            archive.writestr(name, content)


def described(run, change):
    """Change the description of the model in a run folder."""
    contents = members(run)
    config = json.loads(contents["config.json"])
    contents["config.json"] = json.dumps(change(config) or config)
    write(run, contents)


def weighed(run, change):
    """Change the weights' file in a run folder."""
    contents = members(run)
    file = io.BytesIO(contents["model.weights.h5"])
    with h5py.File(file, "a") as opened:
        change(opened)
    write(run, contents | {"model.weights.h5": file.getvalue()})


def table(file):
    """Return the path of the largest array of the model."""
    arrays = []
    file["layers"].visititems(lambda name, item: arrays.append((getattr(item, "size", 0), name)))
    return "layers/" + max(arrays)[1]


# === Models ===

SAVED_MODEL = {
    "module": "keras.layers",
    "class_name": "TFSMLayer",
    "config": {"filepath": "saved_model", "call_endpoint": "serve"},
    "registered_name": None,
}
FUNCTIONAL = {
    "module": "keras",
    "class_name": "Functional",
    "config": {"layers": [SAVED_MODEL], "input_layers": [], "output_layers": []},
    "registered_name": "Functional",
}
LAMBDA = {
    "module": "keras.layers",
    "class_name": "Lambda",
    "config": {"function": SAVED_MODEL, "arguments": {"a": "path"}},
    "registered_name": None,
}
SYSTEM = {"module": "os", "class_name": "system", "config": "true", "registered_name": "system"}


def part(name, value):
    return lambda config: config["config"].update({name: value})


def setting(name, value):
    return lambda config: config["config"]["backbone"]["config"].update({name: value})


DESCRIPTIONS = {
    "a layer of Keras that runs a SavedModel": lambda _: SAVED_MODEL,
    "a model of Keras with such a layer": lambda _: FUNCTIONAL,
    "a function for a layer": lambda _: LAMBDA,
    "a function of the system": lambda _: SYSTEM,
    "a layer for a backbone": part("backbone", SAVED_MODEL),
    "a model for a backbone": part("backbone", FUNCTIONAL),
    "a layer for a preprocessor": part("preprocessor", LAMBDA),
    "an object for a setting": part("characters", {"embeddings_initializer": SAVED_MODEL}),
    "an object for a name": part("name", SAVED_MODEL),
    "an object in the backbone": setting("dropout", SAVED_MODEL),
    "no description": lambda _: [1],
    "no settings": lambda config: config | {"config": None},
    "unknown settings": part("surprise", 1),
    "a table of 8 GB": setting("vocabulary_size", 10**9),
    "wide features": setting("hidden_dim", 10**8),
    "wide layers": part("units", 10**7),
    "many layers": setting("num_layers", 10**9),
    "many filters": part("characters", {"num_characters": 27, "filters": 10**9}),
    "negative sizes": setting("hidden_dim", -5),
}


@pytest.mark.parametrize("what", DESCRIPTIONS)
def test_descriptions(what, run):
    described(run, DESCRIPTIONS[what])
    with pytest.raises(ValueError, match=r"model\.keras (is not a model that|cannot be rebuilt)"):
        presets.load(run)


def bomb(run):
    write(run, members(run) | {"model.weights.h5": b"\0" * (GIGABYTE // 16)}, zipfile.ZIP_DEFLATED)


def twice(run):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # zipfile warns of a name twice
        write(run, [*members(run).items(), ("config.json", "{}")])


def larger_than_it_is(run):
    """Claim a gigabyte for a member, in the archive's table of contents and before the member."""
    content = (run / "model.keras").read_bytes()
    size = len(members(run)["model.weights.h5"]).to_bytes(4, "little")
    assert content.count(size) >= 2
    (run / "model.keras").write_bytes(content.replace(size, GIGABYTE.to_bytes(4, "little")))


ARCHIVES = {
    "a bomb": bomb,
    "a name twice": twice,
    "a size that is not there": larger_than_it_is,
    "a path that leads out": lambda run: write(run, members(run) | {"../../evil.txt": "x"}),
    "an asset": lambda run: write(run, members(run) | {"assets/run.sh": "x"}),
    "no weights": lambda run: write(run, {"config.json": "{}", "metadata.json": "{}"}),
    "deep nesting": lambda run: write(run, members(run) | {"config.json": "[" * 10**6}),
    "no archive": lambda run: (run / "model.keras").write_bytes(b"not a zip"),
    "half of it": lambda run: (run / "model.keras").write_bytes(
        (run / "model.keras").read_bytes()[:50_000]
    ),
    "nothing": lambda run: (run / "model.keras").write_bytes(b""),
}


@pytest.mark.parametrize("what", ARCHIVES)
def test_archives(what, run):
    ARCHIVES[what](run)
    began = time.process_time()
    with pytest.raises(ValueError, match=r"model\.keras (is not a model that|cannot be rebuilt)"):
        presets.load(run)
    assert time.process_time() - began < 1
    assert [path.name for path in run.parent.iterdir()] == ["run"]


def replaced(**options):
    def change(file):
        name = table(file)
        del file[name]
        file.create_dataset(name, **options)

    return change


def linked(link):
    def change(file):
        name = table(file)
        del file[name]
        file[name] = link

    return change


def same_twice(file):
    file["again"] = file[table(file)]


def virtual(file):
    layout = h5py.VirtualLayout((10**6,), "float32")
    layout[:] = h5py.VirtualSource("other.h5", "data", (10**6,))
    file.create_virtual_dataset("far", layout)


WEIGHTS = {
    "a link out of the file": linked(h5py.ExternalLink("/etc/hostname", "/")),
    "a link within the file": linked(h5py.SoftLink("/layers")),
    "one array twice": same_twice,
    "numbers in another file": replaced(
        shape=(28, 12), dtype="float32", external=[("/etc/hostname", 0, h5py.h5f.UNLIMITED)]
    ),
    "numbers of another file": virtual,
    "a compressed bomb": replaced(shape=(10**9,), dtype="float32", compression="gzip"),
    "numbers that are not there": replaced(shape=(10**9,), dtype="float32"),
    "texts": replaced(data=["a", "b"]),
    "another shape": replaced(data=np.zeros((29, 12), "float32")),
    "one array less": lambda file: file.__delitem__(table(file)),
    "nothing": lambda file: file.clear(),
}


@pytest.mark.parametrize("what", WEIGHTS)
def test_weights(what, run):
    weighed(run, WEIGHTS[what])
    with pytest.raises(ValueError, match=r"model\.keras (is not a model that|cannot be rebuilt)"):
        presets.load(run)


def test_a_group_that_holds_itself(run):
    weighed(run, lambda file: file.__setitem__("layers/again", file["/"]))
    with pytest.raises(ValueError, match="under two names"):
        presets.load(run)


def test_what_was_not_touched_loads(run):
    described(run, lambda config: config)
    weighed(run, lambda file: None)
    assert presets.load(run).task.count_params() == 3486


def test_layers_are_counted_only_while_a_file_is_read(run):
    add_weight = keras.Layer.add_weight
    described(run, DESCRIPTIONS["wide layers"])
    with pytest.raises(ValueError, match="more weights than"):
        presets.load(run)
    assert keras.Layer.add_weight is add_weight
    with saved.at_most(12), pytest.raises(ValueError, match="than the 12 in the file"):
        keras.layers.Dense(3).build((None, 4))
    layer = keras.layers.Dense(3, bias_initializer="ones")
    with saved.at_most(15):
        layer.build((None, 4))
    assert not any(weight.any() for weight in layer.get_weights())  # which are about to be read


# === What stands beside the model ===


@pytest.mark.parametrize("content", ["null", "[]", "3", "{}", '{"task": 1}', "[" * 10**6, "\udcff"])
def test_descriptions_of_runs(content, run):
    (run / "config.json").write_text(content, errors="surrogateescape")
    with pytest.raises(ValueError, match=r"config\.json does not describe a run"):
        presets.load(run)


@pytest.mark.parametrize("content", ["null", "{}", '{"format": "kerasllm-tokenizer"}', "[" * 10**6])
def test_tokenizers(content, run):
    (run / "tokenizer.json").write_text(content)
    with pytest.raises(ValueError, match=r"tokenizer\.json' (is json|to hold a tokenizer)"):
        presets.load(run)


def pipeline(**changes):
    """Return a pipeline of the tokenizers library, with changes."""
    model = {
        "type": "WordPiece", "unk_token": "<unk>", "continuing_subword_prefix": "##",
        "max_input_chars_per_word": 100,
        "vocab": {token: i for i, token in enumerate((*SPECIAL_TOKENS, "a"))},
    }  # fmt: skip
    plain = {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
        "normalizer": {"type": "Lowercase"}, "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": None, "decoder": None, "model": model,
    }  # fmt: skip
    return {**plain, **changes}


def split_at(pattern):
    return {"type": "Split", "pattern": pattern, "behavior": "Isolated", "invert": False}


def replaced_by(pattern, content):
    return {"type": "Replace", "pattern": pattern, "content": content}


def in_turn(*parts, name="normalizers"):
    return {"type": "Sequence", name: parts}


TWICE = replaced_by({"String": "a"}, "aa")
PIPELINES = {
    "a pattern that tries for ever": {"pre_tokenizer": split_at({"Regex": "(a+)+$"})},
    "the third power of a text's length": {"pre_tokenizer": split_at({"Regex": "a*b*a*$"})},
    "a giant pattern": {"pre_tokenizer": split_at({"Regex": "a|" * 10**6 + "a"})},
    "such a pattern in a sequence": {
        "pre_tokenizer": in_turn(split_at({"Regex": "(a|a)*$"}), name="pretokenizers")
    },
    "such a pattern to be replaced": {"normalizer": replaced_by({"Regex": "(a*)*b"}, "")},
    "texts that double forty times": {"normalizer": in_turn(*[TWICE] * 40)},
    "texts that double in sequences": {"normalizer": in_turn(in_turn(*[TWICE] * 20), *[TWICE] * 9)},
    "a letter that becomes a book": {"normalizer": replaced_by({"String": "a"}, "a" * 10**6)},
    "a book before each text": {"normalizer": {"type": "Prepend", "prepend": "a" * 10**6}},
    "nothing to be replaced": {"normalizer": replaced_by({"String": ""}, "a")},
    "a table that takes all memory": {
        "normalizer": {"type": "Precompiled", "precompiled_charsmap": "////" * 50}
    },
    "pieces of no length": {"pre_tokenizer": {"type": "FixedLength", "length": 0}},
    "texts filled up to a million": {
        "padding": {"strategy": {"Fixed": 10**7}, "direction": "Right", "pad_id": 0,
                    "pad_to_multiple_of": None, "pad_type_id": 0, "pad_token": "<pad>"}
    },
    "a model of another kind": {"model": {"type": "Unigram", "vocab": [["a", 0.0]], "unk_id": 0}},
    "words without an end": {"model": pipeline()["model"] | {"max_input_chars_per_word": 10**9}},
}  # fmt: skip


def tokenized(run, changes):
    """Give a run folder a tokenizer with this pipeline."""
    state = {"format": "kerasllm-tokenizer", "version": 1, "kind": "wordpiece", "lowercase": False}
    state |= {"library": pipeline(**changes)}
    (run / "tokenizer.json").write_text(json.dumps(state))


@pytest.mark.parametrize("what", PIPELINES)
def test_pipelines(what, run):
    tokenized(run, PIPELINES[what])
    began = time.process_time()
    with pytest.raises(ValueError, match=r"the tokenizer '.*tokenizer\.json' is not used: "):
        presets.load(run)
    assert time.process_time() - began < 1


@pytest.mark.parametrize("what", [name for name in PIPELINES if "filled" not in name])
def test_pipelines_of_checkpoints(what, tmp_path):
    checkpoint(tmp_path)
    (tmp_path / "tokenizer.json").write_text(json.dumps(pipeline(**PIPELINES[what])))
    with pytest.raises(ValueError, match=r"tokenizer\.json' is not used: |expected a tokenizer of"):
        read_tokenizer(tmp_path)


def test_a_harmless_pipeline_is_read(run):
    tokenized(run, {})
    assert load_tokenizer(run).encode("A a") == [6, 6]


# === Pipes and devices in the place of files ===

HUNG = (ValueError, FileNotFoundError)


def _pipe(path):
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def _endless(path):
    path.unlink(missing_ok=True)
    path.symlink_to("/dev/zero")


@pytest.fixture
def in_time():
    """Fail what waits for a pipe, or reads a device, instead of doing so."""

    def late(*_):
        raise AssertionError("it waits")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
@pytest.mark.parametrize("instead", [_pipe, _endless])
@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.keras"])
def test_no_pipe_is_waited_for_and_no_device_read(name, instead, run, in_time):
    instead(run / name)
    for load in (presets.load, lambda path: load_run(path).model):
        with pytest.raises(HUNG):
            load(run)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
@pytest.mark.parametrize("instead", [_pipe, _endless])
def test_nor_in_the_place_of_other_files(instead, tmp_path, in_time):
    backbone = presets.make_backbone("recurrent", "tiny", 9, True)
    for name, read in {
        "adapter.npz": lambda path: load_adapter(path, backbone),
        "last.npz": read_arrays,
        "part.safetensors": check_file,
        "corpus.txt": read_source,
        "rows.jsonl": datasets.load,
    }.items():
        instead(tmp_path / name)
        with pytest.raises(HUNG):
            read(tmp_path / name)
    instead(tmp_path / "lock.json")
    assert holder(tmp_path) == {}


# === Arrays: checkpoints and adapters ===


def archive_of(path, **arrays):
    """Write a .npz file whose members may be bytes."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in arrays.items():
            if not isinstance(content, bytes):
                file = io.BytesIO()
                np.save(file, content, allow_pickle=True)
                content = file.getvalue()
            archive.writestr(f"{name}.npy", content)
    return path


def claim(shape):
    """Return an array that claims a shape and holds nothing."""
    file = io.BytesIO()
    header = {"shape": shape, "fortran_order": False, "descr": "<f4"}
    np.lib.format.write_array_header_1_0(file, header)
    return file.getvalue()


META = np.array("{}")
ARRAYS = {
    "a pickle": {"meta": META, "0:a": np.array([print], object)},
    "4 TB": {"meta": META, "0:a": claim((10**12,))},
    "no array": {"meta": META, "0:a": b"import os"},
    "no description": {"a": np.zeros(3)},
    "deep nesting": {"meta": np.array("[" * 10**5)},
}


@pytest.mark.parametrize("what", ARRAYS)
def test_arrays(what, tmp_path):
    path = archive_of(tmp_path / "a.npz", **ARRAYS[what])
    backbone = presets.make_backbone("recurrent", "tiny", 9, True)
    with pytest.raises(ValueError, match=r"the checkpoint .* cannot be read"):
        load_numbers(path, backbone)
    with pytest.raises(ValueError, match=r"the adapter .* cannot be read"):
        load_adapter(path, backbone)


def test_arrays_that_are_whole(tmp_path):
    with open(tmp_path / "a.npz", "wb") as file:
        np.savez(file, meta=np.array('{"a": 1}'), b=np.arange(6.0).reshape(2, 3).T, c=np.int32(3))
    arrays, meta = read_arrays(tmp_path / "a.npz")
    assert meta == {"a": 1} and arrays["c"] == 3
    np.testing.assert_array_equal(arrays["b"], [[0, 3], [1, 4], [2, 5]])


ADAPTERS = {
    "a layer for the task": {"task": SAVED_MODEL, "rank": 2, "alpha": 1, "targets": [], "base": ""},
    "no task": {"task": None},
    "no settings": {},
}


@pytest.mark.parametrize("what", ADAPTERS)
def test_adapters(what, tmp_path):
    path = archive_of(tmp_path / "a.npz", meta=np.array(json.dumps(ADAPTERS[what])))
    with pytest.raises(ValueError, match=r"the adapter .* cannot be read"):
        load_adapter(path, presets.make_backbone("recurrent", "tiny", 9, True))


# === Checkpoints of other projects ===

BERT = {
    "model_type": "bert", "vocab_size": 11, "hidden_size": 4, "num_hidden_layers": 1,
    "num_attention_heads": 2, "intermediate_size": 8, "max_position_embeddings": 6,
    "type_vocab_size": 2, "pad_token_id": 0,
}  # fmt: skip


def checkpoint(folder, config=(), index=None):
    from safetensors.numpy import save_file

    (folder / "config.json").write_text(json.dumps({**BERT, **dict(config)}))
    name = "model.safetensors" if index is None else "part.safetensors"
    save_file({"embeddings.word_embeddings.weight": np.zeros((11, 4), "float32")}, folder / name)
    if index is not None:
        (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


@pytest.mark.parametrize(
    "name", ["../secret.safetensors", "/etc/passwd", "a/b", "..", "", 3, None, "a\\b", "c:d"]
)
def test_an_index_names_files_beside_it(name, tmp_path):
    folder = checkpoint(tmp_path, index={"weight_map": {"x": name}})
    with pytest.raises(ValueError, match="is no index of tensors"):
        load_checkpoint(folder)


@pytest.mark.parametrize(
    "config",
    [
        {"vocab_size": 10**12},
        {"hidden_size": 10**8},
        {"max_position_embeddings": 10**12},
        {"num_hidden_layers": 10**9},
        {"intermediate_size": 10**12},
        {"vocab_size": "11"},
        {"max_position_embeddings": None},
    ],
    ids=str,
)
def test_settings_of_checkpoints(config, tmp_path):
    with pytest.raises(ValueError, match=r"config\.json|num_layers"):
        load_checkpoint(checkpoint(tmp_path, config))


# === Corpora ===


@pytest.mark.parametrize(
    "info",
    [None, [], {"tokens": 10**12, "documents": 1, "dtype": "uint16"},
     {"tokens": 1, "documents": 1, "dtype": "object"}, {"tokens": -1, "documents": 1}],
    ids=str,
)  # fmt: skip
def test_corpora(info, tmp_path):
    (tmp_path / "info.json").write_text(json.dumps(info))
    (tmp_path / "tokens.bin").write_bytes(b"\0" * 8)
    (tmp_path / "starts.bin").write_bytes(b"\0" * 8)
    with pytest.raises(ValueError, match="a complete corpus"):
        TokenCorpus.load(tmp_path)
