import os
import socket

import pytest

from federation.dashboard.security.peer_user import user_of
from federation.dashboard.server import names_peers, take_port
from federation.errors import ConfigError

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
ROW = "   1: 0100007F:{local:04X} 0100007F:{remote:04X} 01 00000000:00000000 00:00000000 00000000  {uid}        0 {inode} 1 x 20 4\n"


@pytest.mark.skipif(not names_peers(), reason="/proc/net/tcp does not name users here")
def test_a_connection_of_this_process_belongs_to_this_user():
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = server.getsockname()
        with socket.create_connection(address) as client:
            assert user_of(client.getsockname(), address) == os.getuid()
            assert user_of(("127.0.0.1", 1), address) is None


def test_the_end_of_the_client_is_looked_at_not_that_of_the_server(tmp_path):
    table = tmp_path / "tcp"
    server_end = ROW.format(local=80, remote=4000, uid=1000, inode=7)
    client_end = ROW.format(local=4000, remote=80, uid=1001, inode=8)
    table.write_text(HEAD + server_end + client_end)
    assert user_of(("127.0.0.1", 4000), ("127.0.0.1", 80), table) == 1001


def test_a_connection_that_is_closed_or_unknown_belongs_to_no_user(tmp_path):
    table = tmp_path / "tcp"
    table.write_text(HEAD + ROW.format(local=4000, remote=80, uid=0, inode=0))
    assert user_of(("127.0.0.1", 4000), ("127.0.0.1", 80), table) is None
    assert user_of(("127.0.0.1", 4001), ("127.0.0.1", 80), table) is None
    assert user_of(("::1", 4000), ("127.0.0.1", 80), table) is None
    assert user_of(("127.0.0.1", 4000), ("127.0.0.1", 80), tmp_path / "missing") is None


def test_a_taken_port_is_named_and_the_next_one_offered():
    with take_port(None) as first, take_port(None) as second:
        ports = first.getsockname()[1], second.getsockname()[1]
        assert ports[0] < ports[1]
        assert {each.getsockname()[0] for each in (first, second)} == {"127.0.0.1"}
        with pytest.raises(ConfigError) as refused:
            take_port(ports[0])
        (text,) = refused.value.mistakes
        assert text.startswith(f"port {ports[0]} is taken, perhaps by another dashboard; ")
        assert int(text.rpartition("--port ")[2]) > ports[0]
