"""Topics: what may be said, by whom. The twin never says anything on a topic by which a machine takes commands."""

import ast
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.broker import EmbeddedBroker
from ingest.mqtt import MqttPublisher, MqttSource
from ingest.topics import KINDS, OUT_KINDS, PREFIX, ForbiddenTopicError, allowed, every_kind, topic_of
from tests.ingest.said import take_all

ROOT = Path(__file__).parents[2]
NAMES = st.from_regex(r"[A-Za-z0-9_.\-]{1,64}", fullmatch=True)
COMMANDS = [
    f"{PREFIX}/local/m1/command", f"{PREFIX}/local/m1/commands/start", f"{PREFIX}/local/m1/alert/set", "m1/command",
    "spBv1.0/local/NCMD/m1", "spBv1.0/local/DCMD/m1/laser", f"{PREFIX}/local/m1/alert\0", f"{PREFIX}/local/+/alert",
    f"{PREFIX}/local/#", "", "$SYS/broker/x", f"/{PREFIX}/local/m1/alert", "meltwin/v2/local/m1/alert",
]  # fmt: skip


@pytest.mark.parametrize("topic", COMMANDS)
def test_no_command_is_allowed_to_the_twin(topic: str) -> None:
    with pytest.raises(ForbiddenTopicError):
        allowed(topic, OUT_KINDS)


@given(NAMES, NAMES, st.sampled_from(OUT_KINDS), st.sampled_from(KINDS))
def test_the_twin_says_its_kinds_and_a_machine_its_own(site: str, machine: str, out: str, kind: str) -> None:
    assert allowed(topic_of(site, machine, out), OUT_KINDS) == f"{PREFIX}/{site}/{machine}/{out}"
    assert allowed(topic_of(site, machine, kind), KINDS) == f"{PREFIX}/{site}/{machine}/{kind}"
    for topic, kinds in ((topic_of(site, machine, kind), OUT_KINDS), (topic_of(site, machine, out), KINDS)):
        with pytest.raises(ForbiddenTopicError):
            allowed(topic, kinds)


@given(st.text(max_size=60))
def test_whatever_is_allowed_ends_in_a_kind_that_is_the_twins(topic: str) -> None:
    try:
        allowed(topic, OUT_KINDS)
    except ForbiddenTopicError:
        return
    assert topic.startswith(f"{PREFIX}/")
    assert topic.rsplit("/", 1)[-1] in OUT_KINDS


def test_the_publisher_of_the_twin_sends_nothing_that_is_not_allowed(broker: EmbeddedBroker) -> None:
    site = "guarded"
    alert = topic_of(site, "m1", "alert")
    with (
        closing(MqttSource(broker.host, broker.port, "guard-reader", every_kind(site))) as everything,
        closing(MqttPublisher(broker.host, broker.port, "guard-twin", kinds=OUT_KINDS)) as twin,
    ):
        for topic in (*(topic.replace("local", site) for topic in COMMANDS), topic_of(site, "m1", "parameters")):
            with pytest.raises(ForbiddenTopicError):
                twin.publish(topic, b"fire")
        twin.publish(alert, b"look")
        assert twin.drain(5.0)
        assert [(each.topic, each.payload) for each in take_all(everything, 1)] == [(alert, b"look")]
        assert (twin.published, twin.refused) == (1, 0)


def test_a_last_will_is_asked_about_too(broker: EmbeddedBroker) -> None:
    with pytest.raises(ForbiddenTopicError):
        MqttPublisher(broker.host, broker.port, "willful", will=(f"{PREFIX}/local/m1/command", b"stop"))


def test_whoever_publishes_asks_first() -> None:
    """Each function that hands a message to paho calls `allowed`, or refuses itself what its setting does not allow."""
    found = []
    for package in ("ingest", "deploy", "twin", "ui"):
        for path in (ROOT / package).rglob("*.py"):
            tree = ast.parse(path.read_text())
            functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
            found += [(path, function) for function in functions if _hands_over(function)]
    assert found
    for path, function in found:
        words = {node.id for node in ast.walk(function) if isinstance(node, ast.Name)}
        assert words & {"allowed", "ForbiddenTopicError"}, f"{path}:{function.lineno} {function.name}"


def _hands_over(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    for node in ast.walk(function):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("publish", "will_set")
        ):
            holder = node.func.value
            name = getattr(holder, "attr", getattr(holder, "id", ""))
            if name.endswith("client") or name == "c":
                return True
    return False
