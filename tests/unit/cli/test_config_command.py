import json

import pytest

from paddock.config.document import parse_document


@pytest.fixture
def write(tmp_path):
    def write(text: str) -> str:
        file = tmp_path / "c.yaml"
        file.write_text(text)
        return str(file)

    return write


def test_check_of_a_right_file(run, write):
    result = run("config", "check", write("modelsDir: /models\n"))
    assert (result.exit_code, result.stdout) == (0, "")
    assert "nothing wrong" in result.stderr


def test_check_tells_everything_with_file_and_line_and_exits_with_2(run, write):
    file = write("modelDir: /models\nparallel: 0\n")
    result = run("config", "check", file)
    assert result.exit_code == 2
    assert result.stderr.splitlines() == [
        f"{file}:1: modelDir: unknown key (did you mean `modelsDir`?)",
        f"{file}:2: parallel: must be at least 1 (like `parallel: 2`)",
    ]


def test_check_as_json(run, write):
    assert json.loads(run("config", "check", "--json", write("")).stdout) == {"problems": []}
    result = run("config", "check", "--json", write("x: 1"))
    assert result.exit_code == 2
    [problem] = json.loads(result.stdout)["problems"]
    assert (problem["line"], problem["key"]) == (1, "x")


def test_check_without_a_file_takes_the_one_serve_would(run, write):
    result = run("config", "check", PADDOCK_CONFIG=write("x: 1"))
    assert result.exit_code == 2
    assert run("config", "check", PADDOCK_CONFIG="/no/such.yaml").exit_code == 2


def test_show_is_everything_in_force_without_secrets(run, write):
    file = write("apiKeys: [canary]\ndefaultTtl: 10m\n")
    shown = run("config", "show", file).stdout
    values = parse_document(shown, "", {}).values
    assert values["defaultTtl"] == 600
    assert "canary" not in shown
    assert json.loads(run("config", "show", "--json", file).stdout) == values


def test_schema_is_json(run):
    assert "modelsDir" in json.loads(run("config", "schema").stdout)["properties"]


def test_serve_with_a_wrong_config_exits_with_2_and_tells_all(run, write):
    result = run("serve", "--config", write("x: 1\ny: 2\n"), "--engine", "nope")
    assert result.exit_code == 2
    assert "x: unknown key" in result.stderr
    assert "y: unknown key" in result.stderr
    assert "command line: engine: no engine is named 'nope'" in result.stderr
    assert "Traceback" not in result.output
