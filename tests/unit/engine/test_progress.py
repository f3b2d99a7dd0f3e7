import pytest

from paddock.engine.progress import PREFIX, is_report, progress_in

STATE = PREFIX + "state:"


@pytest.mark.parametrize(
    ("payload", "progress"),
    [
        ('{"stages":["text_model"],"current":"text_model","value":0.25}', 0.25),
        ('{"stages":["text_model","mmproj_model"],"current":"text_model","value":1}', 0.5),
        ('{"stages":["text_model","mmproj_model"],"current":"mmproj_model","value":0.5}', 0.75),
        ('{"stages":["text_model"],"current":"text_model","value":7}', 1.0),
        ('{"stages":[],"current":"text_model","value":1}', None),
        ('{"stages":3,"current":"text_model","value":1}', None),
        ('{"stages":["a"],"current":"a","value":"x"}', None),
        ("[]", None),
        ("null", None),
    ],
)
def test_progress_counts_all_stages(payload, progress):
    assert progress_in(f'{STATE}{{"state":"loading","payload":{payload}}}') == progress


@pytest.mark.parametrize(
    "line",
    [
        STATE + '{"state":"ready","payload":null}',
        STATE + '{"state":"loading"',
        STATE + "[" * 100_000,
        PREFIX + "other",
    ],
)
def test_other_reports_tell_no_progress(line):
    assert is_report(line)
    assert progress_in(line) is None


def test_a_log_line_is_no_report():
    assert not is_report("0.00.001 I srv: cmd_child_to_router:state:")
