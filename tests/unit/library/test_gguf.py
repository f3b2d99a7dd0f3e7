import os
import random
import struct
import time

import gguf
import pytest

from paddock.errors import GgufError
from paddock.library.gguf import read_header
from paddock.library.gguf_arrays import Steps

FORMS = [(2, False), (3, False), (2, True), (3, True)]


@pytest.mark.parametrize(("version", "big_endian"), FORMS)
def test_a_header_of_each_version_and_byte_order_is_read(make_gguf, tmp_path, version, big_endian):
    path = make_gguf(
        tmp_path / "m.gguf",
        version=version,
        big_endian=big_endian,
        vocabulary=1000,
        merges=500,
        metadata={
            "llama.attention.head_count_kv": [2, 2, 0, 2],
            "llama.attention.sliding_window": 512,
            "llama.rope.freq_base": 10000.0,
            "general.tags": ["a", "b"],
            "general.size_label": "8B",
            "tokenizer.chat_template": "{{ messages }}",
            "llama.a_flag": True,
            "llama.negative": -3,
        },
    )
    header = read_header(path)
    summary = header.summary()
    assert header.version == version
    assert header.byte_order == ("big" if big_endian else "little")
    assert header.chat_template == "{{ messages }}"
    assert header.metadata["llama.rope.freq_base"] == 10000.0
    assert header.metadata["llama.a_flag"] is True
    assert header.metadata["llama.negative"] == -3
    assert header.arrays["general.tags"] == ("string", 2)
    assert header.arrays["tokenizer.ggml.tokens"].length == 1000
    assert [t.name for t in header.tensors] == ["token_embd.weight", "blk.0.attn_norm.weight"]
    assert next(iter(header.tensors)).form == ("Q4_K", (256, 32), 8192, 4608)
    assert summary.architecture == "llama"
    assert summary.name == "Test Model"
    assert summary.size_label == "8B"
    assert summary.quantization == "Q4_K_M"
    assert summary.parameters == 8192 + 256
    assert summary.context_length == 4096
    assert summary.head_counts == (4,)
    assert summary.kv_head_counts == (2, 2, 0, 2)
    assert summary.sliding_window == 512
    assert summary.vocabulary == 1000
    assert summary.tensor_bytes == 4608 + 1024


def test_every_field_of_the_summary_comes_from_its_key(make_gguf, tmp_path):
    numbers = {
        "deepseek2.attention.key_length": 576,
        "deepseek2.attention.value_length": 512,
        "deepseek2.attention.q_lora_rank": 1536,
        "deepseek2.attention.kv_lora_rank": 512,
        "deepseek2.ssm.conv_kernel": 4,
        "deepseek2.ssm.inner_size": 8192,
        "deepseek2.ssm.state_size": 128,
        "deepseek2.ssm.group_count": 8,
        "deepseek2.expert_count": 256,
        "deepseek2.expert_used_count": 8,
        "deepseek2.vocab_size": 129280,
        "deepseek2.pooling_type": 3,
        "split.count": 4,
    }
    path = make_gguf(tmp_path / "m.gguf", architecture="deepseek2", metadata=numbers)
    summary = read_header(path).summary()
    assert summary.key_length == 576
    assert summary.value_length == 512
    assert summary.mla_ranks == (1536, 512)
    assert summary.recurrent_state == (4, 8192, 128, 8)
    assert (summary.expert_count, summary.expert_used_count) == (256, 8)
    assert summary.vocabulary == 129280
    assert summary.pooling == 3
    assert summary.split_count == 4


def test_numbers_of_the_wrong_kind_count_as_not_told(make_gguf, tmp_path):
    path = make_gguf(
        tmp_path / "m.gguf",
        metadata={
            "general.name": 7,
            "general.file_type": "15",
            "llama.context_length": "many",
            "llama.block_count": -1,
            "llama.embedding_length": True,
            "llama.attention.head_count": 1.5,
            "llama.attention.head_count_kv": [1, -1],
            "general.architecture": "llama",
        },
    )
    summary = read_header(path).summary()
    assert summary.name == ""
    assert summary.quantization == "Q4_K_M"  # guessed from the tensors
    assert summary.context_length == summary.block_count == summary.embedding_length == 0
    assert summary.head_counts == summary.kv_head_counts == ()


def test_shown_text_is_one_short_line(make_gguf, tmp_path):
    name = "\x1b[31mred\nline\u202e" + "x" * 500
    path = make_gguf(tmp_path / "m.gguf", metadata={"general.name": name})
    shown = read_header(path).summary().name
    assert shown.isprintable()
    assert len(shown) <= 200


@pytest.mark.parametrize("big_endian", [False, True])
def test_the_gguf_package_writes_what_we_read(tmp_path, big_endian):
    import numpy as np

    order = gguf.GGUFEndian.BIG if big_endian else gguf.GGUFEndian.LITTLE
    path = tmp_path / "w.gguf"
    writer = gguf.GGUFWriter(path, "qwen3", endianess=order)
    writer.add_name("Written")
    writer.add_context_length(1234)
    writer.add_head_count([4, 8])
    writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
    writer.add_token_list([f"t{n}" for n in range(3000)])
    writer.add_token_scores([0.5] * 3000)
    writer.add_chat_template("hello")
    writer.add_tensor("a", np.ones((8, 64), dtype=np.float16))
    writer.add_tensor("b", np.ones((3, 5, 7), dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()

    header = read_header(path, Steps())
    read = gguf.GGUFReader(path)
    assert header.summary().context_length == 1234
    assert header.summary().head_counts == (4, 8)
    assert header.chat_template == "hello"
    assert header.arrays["tokenizer.ggml.tokens"] == ("string", 3000)
    assert [
        (t.name, t.form.shape, t.form.size, t.offset + header.data_offset) for t in header.tensors
    ] == [
        (t.name, tuple(int(n) for n in t.shape), int(t.n_bytes), int(t.data_offset))
        for t in read.tensors
    ]


def test_the_gguf_package_reads_what_the_maker_writes(make_gguf, tmp_path):
    path = make_gguf(tmp_path / "m.gguf", vocabulary=300, merges=100)
    ours, theirs = read_header(path), gguf.GGUFReader(path)
    assert {*ours.metadata, *ours.arrays} == {
        key for key in theirs.fields if not key.startswith("GGUF.")
    }
    assert ours.data_offset == theirs.data_offset


def test_long_arrays_and_texts_are_not_kept(make_gguf, tmp_path):
    path = make_gguf(
        tmp_path / "m.gguf",
        metadata={"a.long": [1] * 1025, "a.short": [1] * 1024, "a.text": "x" * (1024 * 1024 + 1)},
    )
    header = read_header(path)
    assert header.arrays["a.long"] == ("u32", 1025)
    assert header.metadata["a.short"] == (1,) * 1024
    assert "a.text" not in header.metadata


def q(*numbers):
    return struct.pack(f"<{len(numbers)}Q", *numbers)


def i(*numbers):
    return struct.pack(f"<{len(numbers)}I", *numbers)


def text(data):
    return q(len(data)) + data


def head(tensors=0, pairs=0, version=3):
    return b"GGUF" + i(version) + q(tensors, pairs)


def tensor(name=b"t", shape=(32,), kind=0, offset=0, dimensions=None):
    count = len(shape) if dimensions is None else dimensions
    return text(name) + i(count) + q(*shape) + i(kind) + q(offset)


HOSTILE = {
    "empty": (b"", "empty"),
    "not a GGUF": (b"PK\x03\x04" + bytes(100), "not a GGUF"),
    "half the magic": (b"GG", "not a GGUF"),
    "only the magic": (b"GGUF", "truncated"),
    "zeros": (bytes(4096), "not a GGUF"),
    "version 1": (head(version=1), "version 1 is not supported"),
    "version 4": (head(version=4), "version 4 is not supported"),
    "version 0": (head(version=0), "version 0 is not supported"),
    "a huge version": (b"GGUF" + i(0xFFFFFFFF) + q(0, 0), "not supported"),
    "too many pairs": (head(pairs=10_001), "metadata entries"),
    "2^64 pairs": (head(pairs=2**64 - 1), "metadata entries"),
    "too many tensors": (head(tensors=65_537), "tensors"),
    "pairs that are not there": (head(pairs=1), "truncated"),
    "tensors that are not there": (head(tensors=1), "truncated"),
    "a key of 2^63 bytes": (head(pairs=1) + q(2**63), "a metadata key"),
    "a key past the end": (head(pairs=1) + q(60_000) + b"k", "truncated"),
    "a key without a value": (head(pairs=1) + text(b"k"), "truncated"),
    "an unknown type": (head(pairs=1) + text(b"k") + i(13), "unknown type 13"),
    "the same key twice": (head(pairs=2) + (text(b"k") + i(4, 1)) * 2, "appears twice"),
    "a text of 2^64": (head(pairs=1) + text(b"k") + i(8) + q(2**64 - 1), "more than 16 MiB"),
    "a text past the end": (head(pairs=1) + text(b"k") + i(8) + q(2000), "truncated"),
    "a long text past the end": (head(pairs=1) + text(b"k") + i(8) + q(2**23), "truncated"),
    "2^64 numbers": (head(pairs=1) + text(b"k") + i(9, 12) + q(2**64 - 1), "truncated"),
    "few numbers past the end": (head(pairs=1) + text(b"k") + i(9, 12) + q(100), "truncated"),
    "an array of arrays": (head(pairs=1) + text(b"k") + i(9, 9) + q(1) + bytes(99), "type 9"),
    "an array of unknowns": (head(pairs=1) + text(b"k") + i(9, 99) + q(1), "type 99"),
    "2^64 strings": (head(pairs=1) + text(b"k") + i(9, 8) + q(2**64 - 1), "more than any"),
    "a million strings": (head(pairs=1) + text(b"k") + i(9, 8) + q(2**20), "truncated"),
    "many long lists": (
        head(pairs=3) + (text(b"k") + i(9, 8) + q(2**15) + bytes(2**18)) * 3,
        "appears twice",
    ),
    "a long string": (head(pairs=1) + text(b"k") + i(9, 8) + q(1, 2**25), "more than 16 MiB"),
    "a string past the end": (head(pairs=1) + text(b"k") + i(9, 8) + q(1, 999), "truncated"),
    "an alignment of 0": (head(0, 1) + text(b"general.alignment") + i(4, 0), "power of two"),
    "an alignment of 3": (head(0, 1) + text(b"general.alignment") + i(4, 3), "power of two"),
    "an alignment of text": (head(0, 1) + text(b"general.alignment") + i(8) + q(0), "power of"),
    "a name of 2^64": (head(1) + q(2**64 - 1) + bytes(99), "name of"),
    "a name of 2^40": (head(1) + q(2**40) + bytes(99), "name of"),
    "a name past the end": (head(1) + q(1000) + bytes(99), "truncated"),
    "5 dimensions": (head(1) + tensor(shape=(1,) * 5) + bytes(99), "5 dimensions"),
    "2^32 dimensions": (head(1) + tensor(dimensions=2**32 - 1) + bytes(99), "dimensions"),
    "258 dimensions": (head(1) + tensor(dimensions=258) + bytes(99), "dimensions"),
    "dimensions missing": (head(1) + tensor(dimensions=4), "truncated"),
    "an unknown tensor type": (head(1) + tensor(kind=99), "'t' has type 99"),
    "a removed tensor type": (head(1) + tensor(kind=31), "Q4_0_4_4"),
    "an empty dimension": (head(1) + tensor(shape=(32, 0)), "shape"),
    "a broken row": (head(1) + tensor(shape=(100,), kind=12), "shape"),
    "two tensors of one name": (head(2) + tensor() * 2 + bytes(999), "same name"),
    "2^256 elements": (head(1) + tensor(shape=(2**63,) * 4), "truncated: tensor 't'"),
    "a tensor past the end": (head(1) + tensor(), "truncated: tensor 't'"),
    "an offset of 2^64": (head(1) + tensor(offset=2**64 - 1) + bytes(999), "tensor 't'"),
    "one byte too few": (head(1) + tensor() + bytes(7 + 127), "truncated: tensor"),
}


@pytest.mark.parametrize(("data", "reason"), HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("steps", [None, Steps()], ids=["exact", "quick"])
def test_a_hostile_file_gets_its_reason(file_of, data, reason, steps):
    with pytest.raises(GgufError, match=reason):
        read_header(file_of(data), steps)


def test_the_missing_bytes_and_the_tensor_are_told(make_gguf, tmp_path):
    path = make_gguf(
        tmp_path / "m.gguf", missing=3 * 1024, tensors=[("a", 0, (32,)), ("big", 0, (1024,))]
    )
    with pytest.raises(GgufError, match="tensor 'big' ends past the end of the file, 3 KiB are"):
        read_header(path)


@pytest.mark.parametrize("count", [2**21, 2**20], ids=["one list", "lists without end"])
def test_lists_of_empty_strings_end_soon(file_of, count):
    lists = b"".join(text(b"k%d" % n) + i(9, 8) + q(count) + bytes(8 * count) for n in range(3))
    path = file_of(head(pairs=10_000) + lists)
    os.truncate(path, 2**40)
    started = time.monotonic()
    with pytest.raises(GgufError):
        read_header(path, Steps())
    assert time.monotonic() - started < 10


def test_a_header_of_more_than_256_mib_is_refused(file_of):
    path = file_of(head(pairs=2) + text(b"k") + i(9, 0) + q(300 * 2**20))
    os.truncate(path, 2**31)
    with pytest.raises(GgufError, match="larger than 256 MiB"):
        read_header(path)


@pytest.mark.parametrize("kind", ["fifo", "folder"])
def test_what_is_no_file_is_refused_at_once(tmp_path, kind):
    path = tmp_path / "x.gguf"
    os.mkfifo(path) if kind == "fifo" else path.mkdir()
    with pytest.raises(GgufError, match="not a regular file"):
        read_header(path)


def test_a_link_is_not_followed(make_gguf, tmp_path):
    make_gguf(tmp_path / "m.gguf")
    (tmp_path / "link.gguf").symlink_to("m.gguf")
    with pytest.raises(OSError, match="symbolic link"):
        read_header(tmp_path / "link.gguf")


HEADER = 8_600
"""Bytes of a seed that are worth changing; behind them are weights."""


def mutated(seed, chance):
    data = bytearray(seed)
    for _ in range(chance.randint(1, 4)):
        if not data:
            break
        at = chance.randrange(min(len(data), HEADER))
        match chance.randrange(5):
            case 0:
                data[at] = chance.randrange(256)
            case 1:
                data[at] ^= 1 << chance.randrange(8)
            case 2:
                data[at : at + 8] = q(chance.choice([0, 1, 2**31, 2**32, 2**63, 2**64 - 1]))
            case 3:
                del data[at : at + chance.randint(1, 16)]
            case 4:
                data = data[: max(at, 1)]
    return bytes(data)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_mutants_give_a_header_or_a_reason_and_never_take_long(gguf_maker, file_of, form):
    version, big_endian = form
    maker = gguf_maker.Gguf(
        version=version,
        big_endian=big_endian,
        vocabulary=300,
        merges=40,
        metadata={"llama.attention.head_count_kv": [1, 2, 3], "tokenizer.chat_template": "x" * 50},
    )
    seed = maker.header() + bytes(maker.data_size() + 64)
    chance = random.Random(f"{form}{random.random()}")
    refused = 0
    for number in range(1000):
        data = mutated(seed, chance)
        path = file_of(data)
        started = time.thread_time()
        try:
            read_header(path, Steps()).summary()
        except GgufError:
            refused += 1
        except Exception as error:  # noqa: BLE001  # the bytes that did it must be shown
            pytest.fail(f"mutant {number} raised {error!r}: {data.hex()}")
        assert time.thread_time() - started < 1
    assert 100 < refused < 1000


def test_every_cut_of_a_file_is_refused(gguf_maker, file_of):
    maker = gguf_maker.Gguf(vocabulary=20)
    whole = maker.header() + bytes(maker.data_size())
    for length in range(0, len(whole), 7):
        with pytest.raises(GgufError):
            read_header(file_of(whole[:length]))
    read_header(file_of(whole))
