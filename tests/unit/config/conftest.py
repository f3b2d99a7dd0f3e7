import pytest

from paddock.config.checks import check
from paddock.config.document import dotted
from paddock.config.schema import Config


@pytest.fixture(scope="session")
def faults():
    """What the checks find in a config of these values, by place."""

    def faults(**said):
        return {dotted(fault.place): fault for fault in check(Config.model_validate(said))}

    return faults
