import json
import shlex
import time
from pathlib import PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.library.naming import (
    family,
    has_unshowable,
    lookup_key,
    model_id,
    nearest,
    shard_name,
    showable,
)


@pytest.mark.parametrize(
    ("file_name", "expected"),
    [
        ("Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf", "meta-llama-3.1-8b-instruct-q4_k_m"),
        ("big-Q8_0-00001-of-00003.gguf", "big-q8_0"),
        ("big-00001-of-3.gguf", "big-00001-of-3"),
        ("UPPER.GGUF", "upper"),
        ("with space (1).gguf", "with-space-1"),
        ("--host=0.0.0.0.gguf", "host-0.0.0.0"),
        ("$(touch x).gguf", "touch-x"),
        ("a:b@c.gguf", "a-b-c"),
        ("modèle-Q4_0.gguf", "modèle-q4_0"),
        ("模型.gguf", "模型"),
        ("...gguf", ""),
        ("🙂.gguf", ""),
        ("-.gguf", ""),
    ],
)
def test_an_id_is_made_from_the_file_name(file_name, expected):
    assert model_id(file_name) == expected


@given(st.text(max_size=60))
def test_an_id_is_safe_wherever_it_goes(stem):
    made = model_id(stem + ".gguf")
    assert not made.startswith(("-", "."))
    assert "/" not in made
    assert ":" not in made
    assert made.isprintable()
    assert made == made.strip().lower()
    assert PurePath(made).name == made or made == ""
    assert shlex.split(made) == ([made] if made else [])
    assert model_id(made) == made or "-of-" in made
    assert lookup_key(made + ":latest") == lookup_key(made)


@given(st.text("abcßéÄΣ模.-_", max_size=60))
def test_an_id_is_found_by_its_own_name(stem):
    made = model_id(stem)
    assert lookup_key(made.upper()) == lookup_key(made)


def test_a_shards_name_is_taken_apart():
    assert shard_name("a-00002-of-00010.gguf") == ("a", 2, 10)
    assert shard_name("a.gguf") == ("a", 1, 1)
    assert shard_name("a-0002-of-0010.gguf") == ("a-0002-of-0010", 1, 1)


@pytest.mark.parametrize(
    ("file_name", "expected"),
    [
        ("gemma-3-4b-it-Q4_K_M.gguf", "gemma34bit"),
        ("mmproj-gemma-3-4b-it-f16.gguf", "gemma34bit"),
        ("gemma-3-4b-it.mmproj-bf16.gguf", "gemma34bit"),
        ("Agents-A1-4B-mmproj.gguf", "agentsa14b"),
        ("Qwen-UD-Q4_K_XL-00001-of-00002.gguf", "qwen"),
        ("gpt-oss-20b-mxfp4.gguf", "gptoss20b"),
        ("mmproj-F16.gguf", ""),
        ("mmproj.gguf", ""),
    ],
)
def test_relatives_have_one_family(file_name, expected):
    assert family(file_name) == expected


IDS = ["qwen3-8b-q4_k_m", "qwen3-32b-q4_k_m", "gemma-3-4b-it-q8_0", "all-minilm-l6-v2-q8_0"]


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ("qwen3-8b-q4_k_n", "qwen3-8b-q4_k_m"),
        ("qwen3-32b", "qwen3-32b-q4_k_m"),
        ("GEMMA-3:latest", "gemma-3-4b-it-q8_0"),
        ("minilm", "all-minilm-l6-v2-q8_0"),
    ],
)
def test_the_nearest_name_comes_first(asked, first):
    assert nearest(asked, IDS)[0] == first


@pytest.mark.parametrize("asked", ["", "zzz", "/", "\x00"])
def test_what_resembles_nothing_gets_no_offer(asked):
    assert nearest(asked, IDS) == ()


def test_looking_for_a_name_is_quick_with_a_thousand_models():
    ids = [f"meta-llama-{n}-{n % 70}b-instruct-q4_k_m" for n in range(1000)]
    started = time.monotonic()
    assert len(nearest("meta-llama-17-17b-instrukt" + "x" * 100_000, ids)) <= 3
    assert len(nearest("meta-llama-17-17b-instrukt-q4_k_m", ids)) == 3
    assert time.monotonic() - started < 1


@given(st.text())
def test_anything_can_be_shown(text):
    shown = showable(text)
    assert shown.isprintable()
    assert json.loads(json.dumps(shown).encode()) == shown
    assert shown.encode().decode() == shown


def test_bytes_that_are_no_text_are_seen():
    assert has_unshowable(b"a\xff".decode("utf-8", "surrogateescape"))
    assert has_unshowable("a\nb")
    assert not has_unshowable("naïve 模型")
    assert showable("a\nb\udcff") == "a\\nb\\udcff"
