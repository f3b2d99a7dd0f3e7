"""Ollama's names: what is left out is filled in, and no name leaves the store."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.errors import InvalidName
from paddock.library.ollama_name import OllamaName


@pytest.mark.parametrize(
    ("text", "full", "shown"),
    [
        ("llama3.2", "registry.ollama.ai/library/llama3.2:latest", "llama3.2:latest"),
        ("llama3.2:3b", "registry.ollama.ai/library/llama3.2:3b", "llama3.2:3b"),
        ("user/m", "registry.ollama.ai/user/m:latest", "user/m:latest"),
        ("hf.co/U/R:Q4_K_M", "hf.co/U/R:Q4_K_M", "hf.co/U/R:Q4_K_M"),
        ("localhost:5000/a/b", "localhost:5000/a/b:latest", "localhost:5000/a/b:latest"),
        ("https://hf.co/U/R", "hf.co/U/R:latest", "hf.co/U/R:latest"),
        (" registry.ollama.ai/library/x ", "registry.ollama.ai/library/x:latest", "x:latest"),
        ("_x-1.5:_t-1.5", "registry.ollama.ai/library/_x-1.5:_t-1.5", "_x-1.5:_t-1.5"),
    ],
)
def test_what_is_left_out_is_filled_in(text, full, shown):
    name = OllamaName.parse(text)
    assert (name.full, str(name)) == (full, shown)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "x:",
        ":tag",
        "/x",
        "//x",
        "a//x",
        "/a/x",
        "a/b/c/d",
        "..",
        "../x",
        "a/../b",
        "../../etc/passwd",
        "x:..",
        "x:../y",
        "a b",
        "x\0",
        "x\ny",
        "-x",
        ".x",
        "x:.t",
        "a.b/x",
        "ns/" + "x" * 81,
        "é",
        "x:\u0661",
        "h" * 351 + "/a/b",
        "a..b/c/d",
    ],
)
def test_what_is_no_name_is_refused(text):
    with pytest.raises(InvalidName):
        OllamaName.parse(text)


@given(st.text(alphabet=st.sampled_from("aB9_-.:/\\ \0\n~é")) | st.text())
def test_no_text_leads_out_of_the_store(text):
    try:
        name = OllamaName.parse(text)
    except InvalidName:
        return
    root = Path("/store/manifests")
    path = root / name.path
    assert len(path.parts) == len(root.parts) + 4
    assert not {"", ".", ".."} & set(path.parts)
    assert OllamaName.parse(str(name)) == OllamaName.parse(name.full) == name
