"""GGUF files: every type of values by its definition, and headers that lie."""

import struct

import numpy as np
import pytest

from kerasllm.utils.hub.gguf import GGUF, KINDS

gguf = pytest.importorskip("gguf", reason="needs the extra gguf")
ROWS, COLUMNS = 3, 256


@pytest.fixture
def write(tmp_path):
    """Return a function that writes a GGUF file: (tensors {name: (bytes, kind)}, values)."""

    def write(tensors, **values):
        path = tmp_path / "model.gguf"
        writer = gguf.GGUFWriter(path, "llama")
        for name, (array, kind) in tensors.items():
            writer.add_tensor(name, array, raw_dtype=gguf.GGMLQuantizationType[kind])
        for name, value in values.items():
            writer.add_array(name, value) if isinstance(value, list) else (
                writer.add_string(name, value) if isinstance(value, str)
                else writer.add_float32(name, value)
            )  # fmt: skip
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    return write


def half(raw):
    """Return the number in two bytes."""
    return float(np.frombuffer(bytes(raw), "<f2")[0])


def expanded(block, kind):
    """Return the values of a block, number by number, as ggml defines its types."""
    block = [int(byte) for byte in block]
    if kind == "Q8_0":  # a scale, then 32 signed bytes
        return [half(block[:2]) * (q - 256 if q > 127 else q) for q in block[2:]]
    if kind in ("Q4_0", "Q4_1"):  # the low halves of 16 bytes are values 0 to 15, the high the rest
        low = 2 if kind == "Q4_0" else 4
        halves = [q & 15 for q in block[low:]] + [q >> 4 for q in block[low:]]
        if kind == "Q4_0":
            return [half(block[:2]) * (q - 8) for q in halves]
        return [half(block[:2]) * q + half(block[2:4]) for q in halves]
    # Q6_K: 128 bytes of low fours, 64 of high twos, 16 signed scales, a scale of these
    low, high, scales, d = block[:128], block[128:192], block[192:208], half(block[208:])
    scales = [s - 256 if s > 127 else s for s in scales]
    values = [0.0] * 256
    for part in range(2):
        for i in range(128):
            quarter, place = divmod(i, 32)
            four = low[64 * part + place + 32 * (quarter % 2)] >> (4 if quarter > 1 else 0) & 15
            two = high[32 * part + place] >> (2 * quarter) & 3
            scale = scales[8 * part + i // 16]
            values[128 * part + i] = d * scale * ((four | two << 4) - 32)
    return values


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q4_1", "Q6_K"])
def test_quantised_values_are_those_of_the_definition(kind, write, rng):
    _, values, width = KINDS[kind]
    raw = rng.integers(0, 256, (ROWS, COLUMNS // values, width), dtype="u1")
    small = rng.normal(size=(*raw.shape[:2], 2)).astype("<f2").view("u1")
    for scale in {"Q6_K": [208], "Q4_1": [0, 2]}.get(kind, [0]):  # finite ones
        raw[..., scale : scale + 2] = small.reshape(*raw.shape[:2], 4)[..., scale % 4 :][..., :2]
    path = write({"w": (raw.reshape(ROWS, -1), kind), "other": (np.ones(5, "f4"), "F32")})
    file = GGUF(path)
    assert file.tensors["w"][:2] == ((ROWS, COLUMNS), kind)
    expected = [[x for block in row for x in expanded(block, kind)] for row in raw]
    np.testing.assert_allclose(file.read("w"), expected, rtol=1e-6)
    assert np.array_equal(file.read("w", 1, 3), file.read("w")[1:3])
    assert file.read("w").dtype == "float32"


@pytest.mark.parametrize(("kind", "dtype"), [("F32", "float32"), ("F16", "float16")])
def test_plain_values(kind, dtype, write, rng):
    matrix, vector = rng.normal(size=(4, 5)).astype(dtype), rng.normal(size=7).astype(dtype)
    file = GGUF(write({"m": (matrix, kind), "v": (vector, kind)}))
    assert np.array_equal(file.read("m"), matrix.astype("float32"))
    assert np.array_equal(file.read("v"), vector.astype("float32"))
    assert np.array_equal(file.read("m", -2), matrix[-2:].astype("float32"))


def test_named_values(write):
    path = write({}, words=["我", "", "b"], numbers=[3, -4], x=1.5, name="名")
    values = GGUF(path).values
    assert values["words"] == ["我", "", "b"]
    assert values["numbers"] == [3, -4]
    assert (values["x"], values["name"]) == (1.5, "名")
    assert values["general.architecture"] == "llama"


# === Lies ===


def text(word):
    return struct.pack("<Q", len(word)) + word.encode()


def made(tensors=(), values=(), version=3, counts=None, data=b"", alignment=32):
    """Return the bytes of a file, each entry as it is given."""
    tensor_count, value_count = counts or (len(tensors), len(values))
    head = b"GGUF" + struct.pack("<IQQ", version, tensor_count, value_count)
    head += b"".join(values) + b"".join(tensors)
    return head + bytes(-len(head) % alignment) + data


def tensor(name="w", shape=(4,), kind=0, offset=0):
    sizes = b"".join(struct.pack("<Q", n) for n in shape)
    return text(name) + struct.pack("<I", len(shape)) + sizes + struct.pack("<IQ", kind, offset)


def number(name, value, kind=4, form="<I"):
    return text(name) + struct.pack("<I", kind) + struct.pack(form, value)


LIES = {
    "no GGUF": (b"version https://git-lfs" + bytes(40), "no GGUF file"),
    "empty": (b"", "no GGUF file"),
    "version 1": (made(version=1), "of version 1, expected 2 or 3"),
    "big-endian": (made(version=3 << 24), "with its bytes in the other order"),
    "many tensors": (made(counts=(2**62, 0)), "its counts of entries"),
    "many values": (made(counts=(0, 2**40)), "its counts of entries"),
    "fewer values": (
        made(values=[number("a", 1)], counts=(0, 2), data=b"\xff" * 20, alignment=1),
        "a text at byte",
    ),
    "a long text": (made(values=[struct.pack("<Q", 2**63) + bytes(9)]), "a text at byte"),
    "no UTF-8": (made(values=[struct.pack("<Q", 1) + b"\xff" + bytes(9)]), "is not UTF-8"),
    "a type": (made(values=[number("a", 1, 99)]), "the type 99"),
    "twice": (made(values=[number("a", 1), number("a", 2)]), "it has 'a' twice"),
    "a long list": (
        made(values=[text("a") + struct.pack("<IIQ", 9, 4, 2**61)]), "a list at byte"
    ),
    "a long list of texts": (
        made(values=[text("a") + struct.pack("<IIQ", 9, 8, 2**61)]), "a list at byte"
    ),
    "a list of lists": (
        made(values=[text("a") + struct.pack("<IIQ", 9, 9, 1) + bytes(8)]), "the type 9"
    ),
    "alignment": (
        made(values=[number("general.alignment", 33)]), "its alignment is 33"
    ),
    "axes": (made([tensor(shape=(1,) * 5)]), "has 5 axes"),
    "no axes": (made([tensor(shape=()) + bytes(8)]), "has 0 axes"),
    "a zero": (made([tensor(shape=(0,))]), "impossible shape"),
    "half a block": (made([tensor(shape=(31,), kind=8)]), "impossible shape"),
    "behind the end": (made([tensor()], data=bytes(15)), "would end at byte"),
    "far behind the end": (made([tensor(shape=(2**31, 2**31))], data=bytes(16)), "would end at"),
    "offset": (made([tensor(offset=2**63)], data=bytes(16)), "would end at byte"),
    "an odd offset": (made([tensor(offset=3)], data=bytes(99)), "impossible shape"),
    "over one another": (
        made([tensor("a", (16,)), tensor("b", offset=32)], data=bytes(64)), "lie over one another"
    ),
    "a tail": (made([tensor()], data=bytes(96)), "goes on for 80 bytes"),
    "other quantisation": (
        made([tensor(kind=12)], data=bytes(16)), "the type Q4_K, expected one of F32, F16, Q4_0"
    ),
    "unknown quantisation": (made([tensor(kind=77)], data=bytes(16)), "number 77, expected one of"),
}  # fmt: skip


@pytest.mark.parametrize("name", LIES)
def test_a_header_that_lies_is_refused(name, tmp_path):
    raw, told = LIES[name]
    (tmp_path / "lie.gguf").write_bytes(raw)
    with pytest.raises(ValueError, match=told):
        GGUF(tmp_path / "lie.gguf")


def test_a_file_that_is_cut_anywhere_is_refused(write, rng):
    tensors = {"a": (rng.normal(size=(3, 5)).astype("f4"), "F32"), "b": (np.ones(9, "f4"), "F32")}
    path = write(tensors, words=["ab", "c"], x=2.5)
    whole = path.read_bytes()
    GGUF(path)
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        if length < len(whole) - 31:  # the last tensor is filled up to the alignment
            with pytest.raises(ValueError, match="GGUF file"):
                GGUF(path)


def test_the_extra_that_is_missing(write, monkeypatch):
    import sys

    raw = np.zeros((1, 34), "u1")
    file = GGUF(write({"q": (raw, "Q8_0"), "plain": (np.ones(3, "f4"), "F32")}))
    monkeypatch.setitem(sys.modules, "gguf", None)
    assert file.read("plain").tolist() == [1, 1, 1]
    with pytest.raises(ImportError, match=r"pip install 'kerasllm\[gguf\]'"):
        file.read("q")
