"""What people type to name a model out there, and what is refused."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from paddock.acquire.reference import (
    AddressReference,
    HubReference,
    RegistryReference,
    parse,
)
from paddock.errors import AddressRefused, InvalidName

HUB = [
    ("u/r", ("u/r", "", "", "main"), "u/r"),
    (" u/r:Q4_K_M ", ("u/r", "Q4_K_M", "", "main"), "u/r:Q4_K_M"),
    ("u/r:latest", ("u/r", "latest", "", "main"), "u/r:latest"),
    ("hf.co/u/r:q4", ("u/r", "q4", "", "main"), "u/r:q4"),
    ("HF.co/u/r", ("u/r", "", "", "main"), "u/r"),
    ("huggingface.co/u/R.x-1_b", ("u/R.x-1_b", "", "", "main"), "u/R.x-1_b"),
    ("https://huggingface.co/u/r", ("u/r", "", "", "main"), "u/r"),
    ("https://huggingface.co/u/r/", ("u/r", "", "", "main"), "u/r"),
    ("https://hf.co/u/r:Q8_0", ("u/r", "Q8_0", "", "main"), "u/r:Q8_0"),
    ("https://huggingface.co/u/r/tree/main", ("u/r", "", "", "main"), "u/r"),
    ("u/r/x.gguf", ("u/r", "", "x.gguf", "main"), "u/r/x.gguf"),
    ("u/r:x.gguf", ("u/r", "", "x.gguf", "main"), "u/r/x.gguf"),
    ("hf.co/u/r/Q8/x.gguf", ("u/r", "", "Q8/x.gguf", "main"), "u/r/Q8/x.gguf"),
    ("u/r/my model.gguf", ("u/r", "", "my model.gguf", "main"), "u/r/my model.gguf"),
    (
        "https://huggingface.co/u/r/blob/main/Q8/x%20y.gguf?download=true#top",
        ("u/r", "", "Q8/x y.gguf", "main"),
        "u/r/Q8/x y.gguf",
    ),
    (
        "https://huggingface.co/u/r/resolve/v2/x.gguf",
        ("u/r", "", "x.gguf", "v2"),
        "https://huggingface.co/u/r/resolve/v2/x.gguf",
    ),
]


@pytest.mark.parametrize(("text", "reference", "shown"), HUB)
def test_names_of_the_hub(text, reference, shown):
    found = parse(text)
    assert isinstance(found, HubReference)
    assert (tuple(found), str(found)) == (reference, shown)
    assert parse(shown) == found


def test_a_quantization_beside_the_name():
    assert parse("u/r", "Q4_K_M") == parse("u/r:Q4_K_M")
    found = parse("u/r:q4_k_m", "Q4_K_M")
    assert isinstance(found, HubReference)
    assert found.quant == "Q4_K_M"
    assert parse("u/r", "x.gguf") == parse("u/r/x.gguf")
    for text, quant in (("u/r:Q8_0", "Q4_0"), ("u/r/x.gguf", "Q4_0"), ("llama3.2", "Q4_0")):
        with pytest.raises(InvalidName):
            parse(text, quant)


def test_a_mirrors_addresses_are_the_hubs():
    found = parse(
        "http://mirror.lan:8080/u/r/resolve/main/x.gguf", endpoint="http://mirror.lan:8080"
    )
    assert found == parse("u/r/x.gguf")


REGISTRIES = ["http://127.0.0.1:5000", "https://models.lan"]


@pytest.mark.parametrize(
    ("text", "origin", "full", "shown"),
    [
        ("x", "https://registry.ollama.ai", "registry.ollama.ai/library/x:latest", "x:latest"),
        ("x:3b", "https://registry.ollama.ai", "registry.ollama.ai/library/x:3b", "x:3b"),
        ("ollama.com/library/x:3b", "https://registry.ollama.ai",
         "registry.ollama.ai/library/x:3b",
         "x:3b"),
        ("https://ollama.com/x", "https://registry.ollama.ai",
         "registry.ollama.ai/library/x:latest",
         "x:latest"),
        ("registry.ollama.ai/u/x", "https://registry.ollama.ai",
         "registry.ollama.ai/u/x:latest",
         "registry.ollama.ai/u/x:latest"),
        ("http://127.0.0.1:5000/a/b:c", "http://127.0.0.1:5000", "127.0.0.1:5000/a/b:c",
         "http://127.0.0.1:5000/a/b:c"),
        ("127.0.0.1:5000/a/b:c", "http://127.0.0.1:5000", "127.0.0.1:5000/a/b:c",
         "http://127.0.0.1:5000/a/b:c"),
        ("localhost:5000/a/b", "https://localhost:5000", "localhost:5000/a/b:latest",
         "localhost:5000/a/b:latest"),
        ("models.lan/a/b", "https://models.lan", "models.lan/a/b:latest", "models.lan/a/b:latest"),
    ],
)  # fmt: skip
def test_names_of_registries(text, origin, full, shown):
    found = parse(text, registries=REGISTRIES)
    assert isinstance(found, RegistryReference)
    assert (str(found.origin), found.name.full, str(found)) == (origin, full, shown)
    assert parse(shown, registries=REGISTRIES) == found


def test_a_name_that_may_be_of_both_worlds():
    found = parse("u/m:t", ollama_first=True)
    assert isinstance(found, RegistryReference)
    assert found.name.full == "registry.ollama.ai/u/m:t"
    assert found.otherwise == parse("u/m:t")
    assert isinstance(parse("u.x/m", ollama_first=True), HubReference)
    assert isinstance(parse("hf.co/u/m", ollama_first=True), HubReference)


def test_a_file_at_an_address():
    found = parse("https://files.example/a/b/x.gguf?sig=secret")
    assert isinstance(found, AddressReference)
    assert found.file == "x.gguf"
    assert found.url.endswith("?sig=secret")
    assert "secret" not in str(found)


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("x.gguf", "user/repo/x.gguf"),
        ("u/r/Q4_K_M", "u/r:Q4_K_M"),
        ("u/r/x.safetensors", "u/r:x.safetensors"),
        ("u/r:", "u/r:Q4_K_M"),
        ("localhost:5000/x", "localhost:5000/library/x"),
        ("http://127.0.0.1:5000/x:1", "127.0.0.1:5000/library/x:1"),
    ],
)
def test_the_nearest_right_form_is_told(text, hint):
    with pytest.raises(InvalidName) as caught:
        parse(text)
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "/", ":", "a:", ":b", "..", ".", "~", "-rf", "../x", "a/..", "a/../b"),
        *("/etc/passwd", "a//b", "a/b//c.gguf"),
        *( "C:\\x", "C:/x/y.gguf", "\\\\host\\x", "a\0b", "a\nb/c", "u/r/\x1b.gguf"),
        *("u/r/../../x.gguf", "u/r/..gguf", "u/r/.x.gguf", "u/r/~x.gguf", "u/r/a/../x.gguf"),
        *("u--x/r", "u/r..x", "u/-r", "u/r.", "u/" + "r" * 97, "x" * 3000, "ünï/r", "u/r:Q4 K"),
        *("u/r:../x", "u/r:%2e%2e", "u/r:a:b", "hf.co", "hf.co/", "hf.co/u", "hf.co/datasets/u/r"),
        *("https://huggingface.co/", "https://huggingface.co/spaces/u/r"),
        *("https://huggingface.co/u/r/resolve/main/..%2fx.gguf",
          "https://huggingface.co/u/r/resolve/main/%2e%2e/x.gguf",
          "https://huggingface.co/u/r/resolve/main/x%00.gguf",
          "https://huggingface.co/u/r/resolve/../x.gguf",
          "https://huggingface.co/u/r/resolve/main/%ff.gguf"),
        *("https://files.example/.gguf", "https://files.example/%2e.gguf", "https://files.example/"),
        *("http://[::1]:5000/a/b", "127.0.0.1:99999/a/b", "0x7f.1/a/b", "a.b/c/d/e"),
    ],
)  # fmt: skip
def test_what_is_no_name(text):
    with pytest.raises(InvalidName) as caught:
        parse(text)
    assert caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "http://a@b/x.gguf",
        "https://0x7f.1/x.gguf",
        "ftp://h/x.gguf",
        "file:///etc/x.gguf",
        "http://",
    ],
)
def test_addresses_that_are_refused(text):
    with pytest.raises(AddressRefused):
        parse(text)


_PARTS = st.sampled_from(
    ["hf.co", "u", "r", "/", ":", "..", ".", "%2e", "%2F", "\\", "\0", "https://", "http://", "@",
     "x.gguf", "Q4_K_M", "127.0.0.1:5000", "registry.ollama.ai", "resolve/main", "?", "#", "-", "~"]
)  # fmt: skip


@settings(max_examples=1000)
@given(st.lists(_PARTS | st.text(max_size=4), max_size=9).map("".join), st.booleans())
def test_no_name_crashes_or_escapes(text, ollama_first):
    try:
        found = parse(text, ollama_first=ollama_first, registries=REGISTRIES)
    except (InvalidName, AddressRefused):
        return
    if isinstance(found, HubReference):
        parts = [*found.repo.split("/"), *filter(None, found.file.split("/"))]
    elif isinstance(found, RegistryReference):
        parts = list(found.name)
    else:
        parts = [found.file]
    assert all(part and not part.startswith((".", "/", "~", "-r")) for part in parts)
    assert not any(c in part for part in parts for c in "/\\\0\n")
    assert str(found).isprintable()
