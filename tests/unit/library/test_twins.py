from paddock.library.model import Model
from paddock.library.twins import running_id, running_model

FOLDER, STORED = Model("qwen3"), Model("qwen3:4b", twin="qwen3")


def test_a_model_runs_as_its_twin_and_else_as_itself():
    models = {model.id: model for model in (FOLDER, STORED)}
    assert running_model(STORED, models) is FOLDER
    assert running_model(FOLDER, models) is FOLDER
    assert (running_id(STORED), running_id(FOLDER)) == ("qwen3", "qwen3")


def test_without_its_twin_a_model_runs_as_itself():
    assert running_model(STORED, {STORED.id: STORED}) is STORED
