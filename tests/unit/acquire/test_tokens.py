"""Where the token for the hub comes from."""

from paddock.acquire.tokens import hub_token


def test_the_owners_file_wins_then_the_variable_then_the_usual_files(tmp_path):
    own, usual = tmp_path / "own", tmp_path / "hf" / "token"
    usual.parent.mkdir()
    usual.write_text("hf_usual\n")
    own.write_text(" hf_own \n")
    env = {"HF_TOKEN": "hf_variable", "HF_HOME": str(usual.parent)}
    assert hub_token(own, env) == "hf_own"
    assert hub_token(None, env) == "hf_variable"
    assert hub_token(None, {**env, "HF_TOKEN": ""}) == "hf_usual"
    assert hub_token(None, {"HUGGING_FACE_HUB_TOKEN": "old"}) == "old"
    assert hub_token(None, {"HF_TOKEN_PATH": str(own)}) == "hf_own"
    assert hub_token(None, {"HOME": str(tmp_path / "nobody")}) == ""


def test_a_file_that_cannot_be_read_is_told(tmp_path, caplog):
    assert hub_token(tmp_path / "absent", {"HF_TOKEN": "other"}) == ""
    assert "pulls.tokenFile" in caplog.text


def test_what_is_no_header_is_no_token(tmp_path):
    file = tmp_path / "token"
    for text in ("a\nX-Evil: 1", "é", "a b"):
        file.write_text(text)
        assert hub_token(file, {}) == ""
