"""The `openai` and `anthropic` packages against the door: what people have installed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import anthropic
import openai
import pytest
import pytest_asyncio
from tests.fakes.caller import load_of
from tests.fakes.house import House

KEY = "a-key-for-real-clients"
TEXT = "t0 t1 t2 t3 t4 t5 t6 t7 "
HELLO: Any = [{"role": "user", "content": "hello there"}]
FEW: Any = [{"role": "user", "content": "fake tokens=3"}]


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A daemon with a key, a loaded model and one that cannot start."""
    house = House(tmp_path_factory.mktemp("locked"))
    house.add("llama-a")
    house.add("sick")
    house.start(
        house.config(
            apiKeys=[KEY],
            maxLoadedModels=3,
            models={
                "a/b": {"cmd": house.command()},
                "sick": {"args": "--fake die=oom"},
                "llama-a": {"aliases": ["gpt-4o", "claude-sonnet"]},
            },
        )
    )
    house.key = KEY
    house.load("llama-a", "a/b")
    yield house
    house.stop()


@pytest.fixture
def client(locked: House) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{locked.url}/v1", api_key=KEY, max_retries=0) as client:
        yield client


@pytest_asyncio.fixture
async def aclient(locked: House) -> AsyncIterator[openai.AsyncOpenAI]:
    made = openai.AsyncOpenAI(base_url=f"{locked.url}/v1", api_key=KEY, max_retries=0)
    async with made as client:
        yield client


@pytest.fixture
def claude(locked: House) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(base_url=locked.url, api_key=KEY, max_retries=0) as client:
        yield client


@pytest_asyncio.fixture
async def aclaude(locked: House) -> AsyncIterator[anthropic.AsyncAnthropic]:
    made = anthropic.AsyncAnthropic(base_url=locked.url, api_key=KEY, max_retries=0)
    async with made as client:
        yield client


# --- openai ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["llama-a", "gpt-4o", "a/b"])
def test_a_whole_chat(client: openai.OpenAI, model: str) -> None:
    answer = client.chat.completions.create(model=model, messages=HELLO)

    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (2, 8)


def test_a_streamed_chat(client: openai.OpenAI) -> None:
    with client.chat.completions.create(
        model="llama-a", messages=HELLO, stream=True, stream_options={"include_usage": True}
    ) as stream:
        chunks = list(stream)

    said = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(said) == TEXT
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 10


async def test_a_whole_chat_asynchronously(aclient: openai.AsyncOpenAI) -> None:
    answer = await aclient.chat.completions.create(model="llama-a", messages=FEW)

    assert answer.choices[0].message.content == "t0 t1 t2 "


async def test_a_streamed_chat_asynchronously(aclient: openai.AsyncOpenAI) -> None:
    said = ""
    async with await aclient.chat.completions.create(
        model="llama-a", messages=HELLO, stream=True
    ) as stream:
        async for chunk in stream:
            said += chunk.choices[0].delta.content or ""

    assert said == TEXT


@pytest.mark.parametrize("stream", [True, False])
def test_a_tool_call(client: openai.OpenAI, stream: bool) -> None:
    asked: Any = [{"role": "user", "content": "fake tool=weather"}]
    if stream:
        with client.chat.completions.stream(model="llama-a", messages=asked) as events:
            answer: Any = events.get_final_completion()
    else:
        answer = client.chat.completions.create(model="llama-a", messages=asked)

    call = answer.choices[0].message.tool_calls[0].function
    assert (call.name, call.arguments) == ("weather", '{"x":1}')
    assert answer.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize("stream", [True, False])
def test_a_completion(client: openai.OpenAI, stream: bool) -> None:
    answer: Any = client.completions.create(model="llama-a", prompt="hello there", stream=stream)

    parts = list(answer) if stream else [answer]
    assert "".join(part.choices[0].text for part in parts) == TEXT


def test_a_response(client: openai.OpenAI) -> None:
    assert client.responses.create(model="llama-a", input="hello there").output_text == TEXT


def test_a_streamed_response(client: openai.OpenAI) -> None:
    with client.responses.create(model="llama-a", input="hello there", stream=True) as stream:
        events = list(stream)

    assert "".join(one.delta for one in events if one.type == "response.output_text.delta") == TEXT
    assert events[-1].type == "response.completed"


@pytest.mark.parametrize("encoding", ["float", "base64"])
def test_embeddings(client: openai.OpenAI, encoding: Any) -> None:
    answer = client.embeddings.create(
        model="llama-a", input=["four", "sixsix"], encoding_format=encoding
    )

    assert len(answer.data) == 2
    if encoding == "float":
        assert [row.embedding[0] for row in answer.data] == [4.0, 6.0]


def test_embeddings_as_the_package_asks_for_them_by_itself(client: openai.OpenAI) -> None:
    answer = client.embeddings.create(model="llama-a", input="four")

    assert answer.data[0].embedding == [4.0, 1.0, 0.0, 0.0]


def test_a_transcription(client: openai.OpenAI) -> None:
    answer = client.audio.transcriptions.create(model="llama-a", file=("a.wav", b"x" * 5000))

    assert answer.text.startswith("heard ")


def test_an_image(client: openai.OpenAI) -> None:
    answer = client.images.generate(model="llama-a", prompt="a llama")

    assert answer.data is not None
    assert answer.data[0].b64_json


def test_the_models(client: openai.OpenAI) -> None:
    assert {model.id for model in client.models.list()} == {"llama-a", "sick", "a/b"}
    assert client.models.retrieve("gpt-4o").id == "llama-a"
    assert client.models.retrieve("a/b").id == "a/b"


# --- its errors -----------------------------------------------------------------------------------


def test_an_unknown_model_is_its_not_found_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(model="lama-a", messages=HELLO)

    assert caught.value.code == "model_not_found"
    assert caught.value.param == "model"
    assert "'llama-a'" in caught.value.message


def test_a_missing_model_cannot_be_retrieved(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("nobody")


def test_a_wrong_key_is_its_authentication_error(locked: House) -> None:
    with (
        openai.OpenAI(base_url=f"{locked.url}/v1", api_key="wrong", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        client.models.list()

    assert caught.value.code == "invalid_api_key"


def test_a_wrong_field_is_its_bad_request_error(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(
            model="llama-a", messages=HELLO, extra_body={"chat_template": "{{ 1 }}"}
        )

    assert caught.value.param == "chat_template"


def test_a_model_that_cannot_start_is_a_status_error_with_the_reason(client: openai.OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(model="sick", messages=HELLO)

    assert caught.value.status_code == 503
    assert caught.value.code in {"out_of_memory", "crash_loop"}


def test_a_stream_whose_engine_dies_raises(client: openai.OpenAI) -> None:
    with (
        client.chat.completions.create(
            model="llama-a", messages=HELLO, stream=True, extra_body={"fake": {"error_after": 3}}
        ) as stream,
        pytest.raises(openai.APIError),
    ):
        list(stream)


def test_a_stream_that_is_left_frees_its_slot(locked: House, client: openai.OpenAI) -> None:
    slow: Any = [{"role": "user", "content": "fake tokens=1000 tps=20"}]
    with client.chat.completions.create(model="llama-a", messages=slow, stream=True) as stream:
        next(iter(stream))

    locked.until(lambda: load_of(locked).active == 0, "the slot is free")


# --- anthropic ------------------------------------------------------------------------------------


def test_a_message(claude: anthropic.Anthropic) -> None:
    message = claude.messages.create(model="claude-sonnet", max_tokens=500, messages=HELLO)

    assert [block.text for block in message.content if block.type == "text"] == [TEXT]
    assert message.stop_reason == "end_turn"
    assert message.usage.output_tokens == 8


def test_a_short_message_says_that_it_was_cut(claude: anthropic.Anthropic) -> None:
    message = claude.messages.create(model="llama-a", max_tokens=3, messages=HELLO)

    assert message.stop_reason == "max_tokens"
    assert message.usage.output_tokens == 3


def test_a_streamed_message(claude: anthropic.Anthropic) -> None:
    with claude.messages.stream(model="llama-a", max_tokens=500, messages=HELLO) as stream:
        assert "".join(stream.text_stream) == TEXT
        assert stream.get_final_message().stop_reason == "end_turn"


async def test_a_streamed_message_asynchronously(aclaude: anthropic.AsyncAnthropic) -> None:
    asked = aclaude.messages.stream(model="llama-a", max_tokens=500, messages=HELLO)
    async with asked as stream:
        said = "".join([text async for text in stream.text_stream])

    assert said == TEXT


@pytest.mark.parametrize("stream", [True, False])
def test_a_tool_use(claude: anthropic.Anthropic, stream: bool) -> None:
    asked: Any = {
        "model": "llama-a",
        "max_tokens": 500,
        "messages": [{"role": "user", "content": "fake tool=weather"}],
    }
    if stream:
        with claude.messages.stream(**asked) as events:
            message = events.get_final_message()
    else:
        message = claude.messages.create(**asked)

    used = [block for block in message.content if block.type == "tool_use"]
    assert [(block.name, block.input) for block in used] == [("weather", {"x": 1})]
    assert message.stop_reason == "tool_use"


def test_counting_tokens(claude: anthropic.Anthropic) -> None:
    assert claude.messages.count_tokens(model="llama-a", messages=HELLO).input_tokens == 2


def test_anthropics_errors(locked: House, claude: anthropic.Anthropic) -> None:
    with pytest.raises(anthropic.NotFoundError):
        claude.messages.create(model="lama-a", max_tokens=5, messages=HELLO)
    with pytest.raises(anthropic.BadRequestError):
        claude.messages.create(
            model="llama-a", max_tokens=5, messages=HELLO, extra_body={"chat_template": "x"}
        )
    with (
        anthropic.Anthropic(base_url=locked.url, api_key="wrong", max_retries=0) as stranger,
        pytest.raises(anthropic.AuthenticationError),
    ):
        stranger.messages.create(model="llama-a", max_tokens=5, messages=HELLO)
