"""TCP ports on 127.0.0.1: whether one is free, and the line to say when it is not."""

import socket

from deploy.errors import PortTakenError

HERE = "127.0.0.1"


def port_is_free(port: int) -> bool:
    """Whether a server of ours could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HERE, port))
        except OSError:
            return False
    return True


def answers(port: int) -> bool:
    """Whether a server listens there by now."""
    with socket.socket() as probe:
        probe.settimeout(0.2)
        return probe.connect_ex((HERE, port)) == 0


def need_port(port: int, setting: str) -> None:
    """Raise, naming the setting that chose it, if the port is taken."""
    if not port_is_free(port):
        raise PortTakenError(port, setting)


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        port: int = probe.getsockname()[1]
    return port
