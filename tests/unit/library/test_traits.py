import pytest

from paddock.library.model import Trait
from paddock.library.traits import is_projector, traits

FIM = {f"tokenizer.ggml.fim_{part}_token_id": 1 for part in ("pre", "suf", "mid")}
OLD_FIM = {f"tokenizer.ggml.{part}_token_id": 1 for part in ("prefix", "suffix", "middle")}
SPEAKS = {Trait.CHAT, Trait.COMPLETION}


@pytest.mark.parametrize(
    ("architecture", "metadata", "expected"),
    [
        ("llama", {}, SPEAKS),
        ("bert", {"bert.pooling_type": 1}, {Trait.EMBEDDING}),
        ("nomic-bert-moe", {}, {Trait.EMBEDDING}),
        ("qwen3", {"qwen3.pooling_type": 3, "tokenizer.chat_template": "x"}, {Trait.EMBEDDING}),
        ("qwen3", {"qwen3.pooling_type": 4}, {Trait.RERANK}),
        ("bert", {"bert.pooling_type": 4}, {Trait.RERANK}),
        ("llama", {"llama.pooling_type": 0}, SPEAKS),
        ("llama", FIM, SPEAKS | {Trait.INFILL}),
        ("llama", OLD_FIM, SPEAKS | {Trait.INFILL}),
        ("llama", {"tokenizer.ggml.fim_pre_token_id": 1}, SPEAKS),
        ("llama", {"tokenizer.chat_template": "{% if tools %}"}, SPEAKS | {Trait.TOOLS}),
        ("llama", {"tokenizer.chat_template": "<think>\n"}, SPEAKS | {Trait.THINKING}),
        (
            "gpt-oss",
            {"tokenizer.chat_template": "reasoning_effort message.tool_calls"},
            SPEAKS | {Trait.THINKING, Trait.TOOLS},
        ),
        ("clip", {}, {Trait.VISION}),
        ("clip", {"clip.has_vision_encoder": True}, {Trait.VISION}),
        ("clip", {"clip.has_audio_encoder": True}, {Trait.AUDIO}),
        (
            "clip",
            {"clip.has_vision_encoder": True, "clip.has_audio_encoder": True},
            {Trait.VISION, Trait.AUDIO},
        ),
        ("any", {"general.type": "mmproj"}, {Trait.VISION}),
    ],
)
def test_a_header_tells_what_the_model_can_do(header_with, architecture, metadata, expected):
    assert traits(header_with(metadata, architecture)) == expected


def test_a_projector_is_known_by_architecture_or_type(header_with):
    assert is_projector(header_with({}, "clip"))
    assert is_projector(header_with({"general.type": "mmproj"}))
    assert not is_projector(header_with({"general.type": "model"}))
