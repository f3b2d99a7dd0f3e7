import pytest

from paddock.engine.flags import parse_help, split
from paddock.errors import ArgumentRefused

HELP = """\
----- common params -----

-h,    --help, --usage                  print usage and exit
-c,    --ctx-size N                     size of the prompt context (default: 0)
                                        (env: LLAMA_ARG_CTX_SIZE)
-kvo,  --kv-offload, -nkvo, --no-kv-offload
                                        whether to enable KV cache offloading
-lm,   --load-mode MODE                 model loading mode (default: auto)
                                        - auto: mmap, unless a device does not support it
-ot,   --override-tensor <tensor name pattern>=<buffer type>,...
                                        override tensor buffer type
--control-vector-layer-range START END
                                        layer range, start and end inclusive
-fa,   --flash-attn [on|off|auto]       set Flash Attention use
--spec-draft-n-max N                    number of tokens to draft
--draft, --draft-n, --draft-max N       the argument has been removed. use --spec-draft-n-max or
                                        --spec-ngram-mod-n-max
--fim-qwen-1.5b-default                 use default Qwen 2.5 Coder 1.5B
"""


@pytest.fixture
def table():
    return parse_help("llama-server", HELP)


@pytest.mark.parametrize(
    ("name", "arity"),
    [
        ("-h", 0),
        ("--usage", 0),
        ("-c", 1),
        ("--ctx-size", 1),
        ("--ctx_size", 1),
        ("-nkvo", 0),
        ("--no-kv-offload", 0),
        ("-lm", 1),
        ("--override-tensor", 1),
        ("--control-vector-layer-range", 2),
        ("-fa", 1),
        ("--fim-qwen-1.5b-default", 0),
    ],
)
def test_help_gives_every_spelling_and_the_number_of_values(table, name, arity):
    assert table.find(name).arity == arity


def test_spellings_of_one_flag_are_one_flag(table):
    assert table.find("-nkvo") is table.find("--kv-offload")


def test_a_command_line_is_cut_into_flags_with_their_values(table):
    given = table.parse(["-c", "-1", "--control_vector_layer_range", "1", "2", "-nkvo"])
    assert [flag.words for flag in given] == [
        ("-c", "-1"),
        ("--control_vector_layer_range", "1", "2"),
        ("-nkvo",),
    ]


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        (["--mlock"], "--mlock", "use --load-mode mlock"),
        (["--no_mmap"], "--no_mmap", "use --load-mode none"),
        (["--draft", "4"], "--draft", "--spec-draft-n-max or --spec-ngram-mod-n-max"),
        (["--ctx-sise", "4"], "--ctx-sise", "--ctx-size"),
        (["--ctx-size=4"], "--ctx-size=4", "two words"),
        (["--api-key=canary"], "--api-key=****", "two words"),
        (["token=canary"], "token=****", "'token=****"),
        (["-c"], "-c needs a value", ""),
        (["-nkvo", "yes"], "yes", "not a flag"),
        (["--zzzzzz"], "--zzzzzz", "remove it"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(table, words, message, hint):
    with pytest.raises(ArgumentRefused) as refused:
        table.parse(words)
    assert message in refused.value.message
    assert hint in refused.value.hint
    assert "canary" not in refused.value.message + refused.value.hint


def test_an_older_program_keeps_its_own_flags():
    older = parse_help("llama-server", "--mlock                                 keep in RAM\n")
    assert [flag.words for flag in older.parse(["--mlock"])] == [("--mlock",)]


def test_words_are_split_as_a_shell_does_and_open_quotes_are_told():
    assert split("--a 'b c' \"d\"", place="args") == ["--a", "b c", "d"]
    with pytest.raises(ArgumentRefused, match="args of x"):
        split("--a 'b", place="args of x")
