"""Modelfiles as people write them, and as they must not."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from paddock.errors import ModelfileError
from paddock.library.modelfile import PARAMETERS, Modelfile, decode, parse, quoted, value_of, write

WHOLE = '''# my model
FROM ./model.gguf
from ./mmproj.gguf
ADAPTER ./lora.gguf

PARAMETER temperature 0.5
parameter stop <|end|>
PARAMETER stop "<|user|> "
PARAMETER num_ctx 8192
PARAMETER use_mmap false
PARAMETER mirostat 1
TEMPLATE """{{ .System }}
  {{ .Prompt }}
"""
SYSTEM "Be
brief."
MESSAGE user hello
Message assistant """hi "there"
friend"""
LICENSE MIT
LICENSE """
Apache
"""
RENDERER qwen3
PARSER qwen3
REQUIRES 0.6.0
'''


def test_every_instruction():
    read = parse(WHOLE)
    assert read == Modelfile(
        froms=("./model.gguf", "./mmproj.gguf"),
        parameters={
            "temperature": 0.5,
            "stop": ["<|end|>", "<|user|> "],
            "num_ctx": 8192,
            "use_mmap": False,
        },
        template="{{ .System }}\n  {{ .Prompt }}\n",
        system="Be\nbrief.",
        adapters=("./lora.gguf",),
        licenses=("MIT", "\nApache\n"),
        messages=(("user", "hello"), ("assistant", 'hi "there"\nfriend')),
        renderer="qwen3",
        parser="qwen3",
        requires="0.6.0",
        warnings=("(line 11): parameter 'mirostat' is deprecated and ignored",),
    )
    assert parse(write(read)) == read._replace(warnings=())


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_line_end(end):
    read = parse(WHOLE.replace("\n", end))
    assert read.froms == ("./model.gguf", "./mmproj.gguf")
    assert read.system == f"Be{end}brief."


def test_the_last_of_several_counts():
    read = parse("FROM a\nSYSTEM one\nSYSTEM two\nPARAMETER seed 1\nPARAMETER seed 2")
    assert (read.system, read.parameters) == ("two", {"seed": 2})


def test_a_value_is_not_trimmed_inside_its_quotes():
    assert parse('FROM a\nSYSTEM """  a  \n b  """  \n').system == "  a  \n b  "


def test_an_empty_system_is_said_and_empty():
    assert parse('FROM a\nSYSTEM ""').system == ""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no FROM line"),
        ("# nothing\nSYSTEM x", "no FROM line"),
        (
            "FROM a\n\nBAD x",
            '(line 3): command must be one of "from", "license", "template", "system", "adapter"',
        ),
        (
            "FROM a\nMESSAGE bot hi",
            '(line 2): message role must be one of "system", "user", or "assistant"',
        ),
        ("FROM a\nPARAMETER tempreture 1", "(line 2): unknown parameter 'tempreture'"),
        ("FROM a\nPARAMETER temperature hot", "(line 2): invalid float value [hot]"),
        ("FROM a\nPARAMETER temperature nan", "(line 2): invalid float value [nan]"),
        ("FROM a\nPARAMETER num_ctx 4k", "(line 2): invalid int value [4k]"),
        ("FROM a\nPARAMETER num_ctx 1.5", "(line 2): invalid int value [1.5]"),
        ("FROM a\nPARAMETER seed 9999999999999999999", "(line 2): invalid int value"),
        ("FROM a\nPARAMETER use_mmap yes", "(line 2): invalid bool value [yes]"),
        ("FROM\n", "(line 1): FROM needs a value"),
        ('FROM a\n\nSYSTEM """open\nnever', '(line 3): the """ that begins here is never closed'),
        ('FROM a\nSYSTEM "', '(line 2): the " that begins here is never closed'),
    ],
)
def test_errors_name_the_line(text, message):
    with pytest.raises(ModelfileError) as refused:
        parse(text)
    assert refused.value.message.startswith(message)


def test_an_unknown_parameter_is_offered_the_nearest():
    with pytest.raises(ModelfileError) as refused:
        parse("FROM a\nPARAMETER tempreture 1")
    assert refused.value.hint == "did you mean temperature?"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_every_encoding_that_editors_write(encoding):
    assert parse(decode("FROM ä\n".encode(encoding))).froms == ("ä",)


def test_other_bytes_are_refused():
    with pytest.raises(ModelfileError, match="neither UTF-8 nor UTF-16"):
        decode(b"FROM \xff\xfa")


@given(st.text(alphabet=st.sampled_from('FROMPARSYTE"#\n\r ab<|0'), max_size=80))
def test_any_text_is_read_or_refused(text):
    with suppress(ModelfileError):
        parse(text)


@given(st.sampled_from(sorted(PARAMETERS)), st.text(max_size=30))
def test_any_value_is_of_its_type_or_refused(key, text):
    try:
        value = value_of(key, text)
    except ModelfileError:
        return
    assert isinstance(value, str if PARAMETERS[key] is list else PARAMETERS[key])


@given(st.text(alphabet=st.sampled_from('a"\n\r #'), max_size=12))
def test_a_text_that_the_language_can_say_reads_as_itself(text):
    read = None
    with suppress(ModelfileError):
        read = parse(f"FROM a\nSYSTEM {quoted(text)}\n").system
    assert read == text or '"' in text
