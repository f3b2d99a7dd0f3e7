from paddock.config.document import parse_document
from paddock.config.load import load
from paddock.config.schema import Config
from paddock.config.show import as_values, as_yaml_text

SAID = {
    "apiKeys": ["canary-1"],
    "engines": {"gpu": {"env": {"HF_TOKEN": "canary-2", "GGML_VK_VISIBLE_DEVICES": "0,1"}}},
    "models": {"a": {"cmd": "x ${PORT}", "env": ["API_KEY=canary-3", "B=1"]}},
}


def test_no_secret_is_printed():
    text = as_yaml_text(Config.model_validate(SAID))
    assert "canary" not in text
    assert "0,1" in text
    assert "B=1" in text


def test_what_is_printed_is_a_config_again(tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text("modelsDir: [/a, /b]\ndefaultTtl: 1h\nmodels: {m: {ttl: 5}}\n")
    config = load(file, {"HOME": "/h"}, {})
    file.write_text(as_yaml_text(config))
    assert load(file, {"HOME": "/other"}, {}) == config


def test_every_key_is_shown():
    values = as_values(Config())
    assert parse_document(as_yaml_text(Config()), "x", {}).values == values
    assert {field.alias for field in Config.model_fields.values()} == set(values)


def test_macros_that_sound_secret_stay_hidden():
    said = {"hf_token": "canary", "ctx": 5}
    values = as_values(
        Config.model_validate({"macros": said, "models": {"m": {"macros": {**said, "n": 1}}}})
    )
    assert "canary" not in str(values)
    assert (values["macros"]["ctx"], values["models"]["m"]["macros"]["n"]) == (5, 1)
