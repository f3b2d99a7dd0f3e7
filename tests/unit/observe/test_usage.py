import gzip
import json
import zlib

import pytest

from paddock.observe.usage import Usage, usage_in

TIMINGS = {
    "cache_n": 7,
    "prompt_n": 3,
    "prompt_ms": 1.5,
    "prompt_per_second": 2000.0,
    "predicted_n": 8,
    "predicted_ms": 10.0,
    "predicted_per_second": 800.0,
}
OPENAI = {"prompt_tokens": 10, "completion_tokens": 8, "total_tokens": 18}
CACHED = OPENAI | {"prompt_tokens_details": {"cached_tokens": 7}}
TIMED = Usage(3, 8, 7, prompt_speed=2000.0, generation_speed=800.0, prompt_ms=1.5)


def j(value):
    return json.dumps(value).encode()


def sse(*values):
    return b"".join(b"data: " + j(value) + b"\n\n" for value in values)


def named(name, value):
    return b"event: %b\ndata: %b\n\n" % (name, j({"type": name.decode(), **value}))


ANSWERS = {
    "openai": (j({"choices": [], "usage": OPENAI}), Usage(10, 8)),
    "openai, part of it cached": (j({"usage": CACHED}), Usage(3, 8, 7)),
    "openai, no details": (j({"usage": OPENAI | {"prompt_tokens_details": None}}), Usage(10, 8)),
    "openai stream with usage": (
        sse({"choices": [{"delta": {"content": "x"}}]}, {"choices": [], "usage": CACHED})
        + b"data: [DONE]\n\n",
        Usage(3, 8, 7),
    ),
    "vllm's nulls before its usage": (
        sse({"choices": [1], "usage": None}, {"choices": [], "usage": OPENAI}),
        Usage(10, 8),
    ),
    "timings win over usage": (j({"usage": OPENAI, "timings": TIMINGS}), TIMED),
    "timings before usage": (j({"timings": TIMINGS, "usage": OPENAI}), TIMED),
    "stream with timings only": (
        sse({"choices": [{"finish_reason": "stop"}], "timings": TIMINGS}) + b"data: [DONE]\n\n",
        TIMED,
    ),
    "timings on each chunk": (
        sse({"timings": TIMINGS | {"predicted_n": 1}}, {"timings": TIMINGS}),
        TIMED,
    ),
    "speculation": (
        j({"timings": {"prompt_n": 1, "predicted_n": 9, "draft_n": 6, "draft_n_accepted": 4}}),
        Usage(1, 9, draft_tokens=6, accepted_tokens=4),
    ),
    "native": (
        j({"content": "x", "tokens_evaluated": 10, "tokens_predicted": 8, "timings": TIMINGS}),
        TIMED,
    ),
    "native without timings": (j({"tokens_evaluated": 10, "tokens_predicted": 8}), Usage(10, 8)),
    "native stream": (
        sse(
            {"content": "x", "stop": False, "tokens_predicted": 1, "tokens_evaluated": 10},
            {"content": "", "stop": True, "tokens_predicted": 8, "tokens_evaluated": 10},
        ),
        Usage(10, 8),
    ),
    "infill's array": (j([{"content": "x"}, {"content": "y", "timings": TIMINGS}]), TIMED),
    "anthropic": (
        j({"type": "message", "usage": {"input_tokens": 10, "output_tokens": 8}}),
        Usage(10, 8),
    ),
    "anthropic, cached": (
        j({"usage": {"input_tokens": 3, "cache_read_input_tokens": 7, "output_tokens": 8}}),
        Usage(3, 8, 7),
    ),
    "responses": (
        j({"usage": {"input_tokens": 10, "output_tokens": 8, "input_tokens_details": {}}}),
        Usage(10, 8),
    ),
    "responses, cached": (
        j(
            {
                "usage": {
                    "input_tokens": 10,
                    "output_tokens": 8,
                    "input_tokens_details": {"cached_tokens": 7},
                }
            }
        ),
        Usage(3, 8, 7),
    ),
    "embeddings": (
        j({"usage": {"prompt_tokens": 5, "total_tokens": 5}, "data": [{"embedding": [0.1]}]}),
        Usage(5),
    ),
    "vllm's metrics": (
        j({"usage": OPENAI, "metrics": {"time_to_first_token_ms": 12.5, "mean_itl_ms": 20.0}}),
        Usage(10, 8, generation_speed=50.0, prompt_ms=12.5),
    ),
    "vllm's metrics, out of all measure": (
        j({"metrics": {"mean_itl_ms": 1e-310}}),
        Usage(),
    ),
    "nothing told": (sse({"choices": [{"delta": {"content": "hi"}}]}), Usage()),
    "an error": (j({"error": {"message": "no"}}), Usage()),
    "nothing": (b"", Usage()),
    "text": (b"usage: none, timings: none", Usage()),
    "binary": (bytes(range(256)) * 4, Usage()),
    "spaces": (b'{ "usage" : { "prompt_tokens" : 4 } }', Usage(4)),
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_answers_tokens_are_found(answer):
    data, usage = answer
    assert usage_in(data) == usage


def test_what_anthropic_tells_first_and_last_is_put_together():
    start = named(
        b"message_start",
        {"message": {"usage": {"input_tokens": 10, "output_tokens": 0}}},
    )
    end = named(b"message_delta", {"usage": {"output_tokens": 8}}) + named(b"message_stop", {})
    assert usage_in(b"HTTP/1.1 200 OK\r\n\r\n3f\r\n" + start, end) == Usage(10, 8)


@pytest.mark.parametrize(
    "text",
    ['{"usage": {"prompt_tokens": 99}}', '"timings":{"prompt_n":99}', '\\"usage\\":{}'],
)
def test_generated_text_is_not_taken_for_usage(text):
    answer = j({"choices": [{"message": {"content": text}}], "usage": OPENAI})
    assert usage_in(answer) == Usage(10, 8)


def test_an_object_that_is_cut_off_is_passed_over():
    assert usage_in(b'{"usage": {"prompt_tok', b'"timings": ' + j(TIMINGS) + b"}") == TIMED


@pytest.mark.parametrize(
    "value", ["7", -1, 1.5, True, None, [], {}, 1 << 60, 10**400, float("nan"), float("inf")]
)
def test_counts_that_are_none_count_as_not_told(value):
    assert usage_in(j({"usage": {"prompt_tokens": value}})).input_tokens == 0
    assert usage_in(j({"timings": {"predicted_n": value, "prompt_per_second": "x"}})) == Usage()


def test_an_object_too_deep_to_read_is_passed_over():
    assert usage_in(b'{"usage": {"a":' + b"[" * 12000 + b"]" * 12000 + b"}}") == Usage()


def deflated_without_a_header(data):
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        (b"gzip", gzip.compress),
        (b"x-gzip", gzip.compress),
        (b"GZIP", gzip.compress),
        (b"deflate", zlib.compress),
        (b"deflate", deflated_without_a_header),
        (b"identity", bytes),
        (b"", bytes),
    ],
)
def test_packed_answers_are_unpacked(encoding, pack):
    assert usage_in(pack(j({"usage": OPENAI})), encoding=encoding) == Usage(10, 8)


@pytest.mark.parametrize(
    ("encoding", "data"),
    [(b"br", b"whatever"), (b"gzip", b"not gzip"), (b"zstd", b""), (b"gzip", b"")],
)
def test_what_cannot_be_unpacked_tells_nothing(encoding, data):
    assert usage_in(data, encoding=encoding) == Usage()


def test_a_bomb_is_not_unpacked_whole():
    bomb = gzip.compress(b"0" * (50 << 20))
    assert usage_in(bomb, encoding=b"gzip") == Usage()
