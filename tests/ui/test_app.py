"""The application: what it loads, what it serves, and what it says when its port is taken."""

import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from dash import dcc, html
from websockets.sync.client import connect

from tests.ui.synthetic import SyntheticStore
from ui.app import PAGES
from ui.live import Page
from ui.serve import PortInUseError
from ui.serve import serve as serve_for_ever

Serve = Callable[..., str]


def fetch(url: str, **headers: str) -> str:
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
        return str(answer.read().decode())


def test_importing_the_interface_loads_neither_torch_nor_the_operators() -> None:
    code = "import sys, ui.app, ui.serve; print({'torch', 'operators'} & {m.split('.')[0] for m in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_graph_is_blank_before_its_first_drawing(page: Page) -> None:
    """Plotly's own empty figure is a white sheet with axes, also in the dark."""
    graphs = [each for each in html.Div(page.layout())._traverse() if isinstance(each, dcc.Graph)]
    assert len(graphs) >= {"machine": 4, "replay": 5, "builds": 2}.get(page.name, 0)
    for graph in graphs:
        layout = graph.figure["layout"]
        assert layout["paper_bgcolor"].endswith(",0)"), graph.id
        assert not layout["xaxis"]["visible"], graph.id
        assert not layout["yaxis"]["visible"], graph.id


def test_health_is_open(serve: Serve) -> None:
    assert fetch(serve(SyntheticStore()) + "/healthz") == '{"status":"ok"}'


def test_everything_comes_from_here(serve: Serve) -> None:
    page = fetch(serve(SyntheticStore()) + "/")
    assert re.search(r'src="/_dash-component-suites', page)
    assert not re.findall(r'(?:src|href)="(?:https?:)?//[^"]*"', page)


def test_browsers_are_told_to_load_nothing_from_elsewhere(serve: Serve) -> None:
    with urllib.request.urlopen(serve(SyntheticStore()) + "/", timeout=20) as answer:
        policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "http" not in policy


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json"])
def test_no_page_that_would_load_scripts_from_elsewhere(serve: Serve, path: str) -> None:
    assert "cdn" not in fetch(serve(SyntheticStore()) + path)


def test_other_host_names_are_refused(serve: Serve) -> None:
    with pytest.raises(urllib.error.HTTPError, match="400"):
        fetch(serve(SyntheticStore()) + "/", Host="attacker.example")


def test_an_interrupt_ends_it_in_order_while_a_page_is_open(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    code = f"from ui.serve import serve; serve('sqlite:///{tmp_path}/none.db', {port})"
    server = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    address = f"127.0.0.1:{port}"
    while server.poll() is None:
        try:
            fetch(f"http://{address}/healthz")
            break
        except urllib.error.URLError:
            time.sleep(0.1)
    with connect(f"ws://{address}/live", origin=f"http://{address}") as page:
        page.send("{}")
        page.recv(timeout=20)
        page.send("{}")
        server.send_signal(signal.SIGINT)
        _, said = server.communicate(timeout=20)
    assert (server.returncode, said) == (0, "")


def test_a_taken_port_names_its_setting() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(PortInUseError, match=f"port {port} .*`ui_port`"):
            serve_for_ever("sqlite:///nowhere.db", port)
