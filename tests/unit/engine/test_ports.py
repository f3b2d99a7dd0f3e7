import socket
from contextlib import ExitStack, suppress

import pytest

from paddock.engine.ports import LAST_PORT, Ports
from paddock.errors import FailureKind, InstanceFailed


def row(count):
    """The first of `count` ports in a row that are free now."""
    for first in range(20_000, 60_000, count):
        with ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    probe = stack.enter_context(socket.socket())
                    probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return first
    raise AssertionError("no free row of ports")


def listener(port, address="127.0.0.1"):
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, port))
    server.listen()
    return server


def test_commands_get_ports_in_a_row_as_they_come():
    first, ports = row(4), Ports()
    given = [ports.take_in_row(first, model) for model in ("c", "a", "b")]
    assert given == [first, first + 1, first + 2]


def test_a_model_gets_its_port_again_and_no_other_model_gets_it():
    first, ports = row(4), Ports()
    for model in ("a", "b"):
        ports.give_back(ports.take_in_row(first, model))
    assert ports.take_in_row(first, "c") == first + 2
    assert ports.take_in_row(first, "b") == first + 1
    assert ports.take_in_row(first, "a") == first


def test_two_instances_of_a_model_do_not_share_its_port():
    first, ports = row(4), Ports()
    assert ports.take_in_row(first, "a") != ports.take_in_row(first, "a")


@pytest.mark.parametrize("address", ["127.0.0.1", "0.0.0.0"])
def test_a_port_where_another_program_listens_is_skipped(address):
    first, ports = row(3), Ports()
    with listener(first, address):
        assert ports.take_in_row(first, "a") == first + 1


def test_a_port_whose_connections_have_just_ended_is_free():
    first, ports = row(3), Ports()
    with listener(first) as server, socket.create_connection(("127.0.0.1", first)) as client:
        accepted, _ = server.accept()
        accepted.close()  # whoever closes first keeps the port busy for a minute
        assert client.recv(1) == b""
    assert ports.take_in_row(first, "a") == first


def test_a_start_port_that_was_raised_counts():
    first, ports = row(4), Ports()
    ports.give_back(ports.take_in_row(first, "a"))
    assert ports.take_in_row(first + 2, "a") == first + 2


def test_no_port_left_is_told_with_what_to_do():
    ports = Ports()
    with suppress(InstanceFailed):
        for number in range(10):
            ports.take_in_row(LAST_PORT - 5, f"m{number}")
    with pytest.raises(InstanceFailed, match="no port from") as refused:
        ports.take_in_row(LAST_PORT - 5, "one more")
    assert refused.value.kind is FailureKind.PORT_TAKEN
    assert "startPort" in refused.value.hint
