"""Who may say what at the shipped broker, on a real Mosquitto."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import closing

import pytest

from deploy.mosquitto.certificates import make_authority
from deploy.settings import Settings
from deploy.wiring import mqtt_source
from ingest.access import Access, tls_context
from ingest.decode import MAX_PAYLOAD_BYTES
from ingest.errors import BrokerError
from ingest.mqtt import MqttPublisher, MqttSource
from ingest.topics import KINDS, OUT_KINDS, PEOPLE_KINDS, every_kind, topic_of
from tests.deploy.mosquitto.broker import HOST, Caller, Shipped
from tests.ingest.said import take_all

REFUSED = "Not authorized"
TAKEN = {"Success", "No matching subscribers"}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shipped]:
    running = Shipped.in_folder(tmp_path_factory.mktemp("broker") / "b").start()
    yield running
    running.stop()


def foreign() -> list[str]:
    """Topics that are not m1's to write."""
    mine = topic_of("local", "m1", "state")
    return [
        *(topic_of("local", "m2", kind) for kind in KINDS),
        *(topic_of("local", "m1", kind) for kind in (*OUT_KINDS, *PEOPLE_KINDS)),
        topic_of("elsewhere", "m1", "state"), f"{mine}/deeper", "meltwin/v1/local/m1/command", "m1/state",
        "$SYS/broker/x",
    ]  # fmt: skip


def test_a_machine_says_only_its_own_and_what_is_refused_never_arrives(broker: Shipped) -> None:
    with (
        closing(Caller(broker, "twin")) as twin,
        closing(Caller(broker, "m1")) as machine,
    ):
        twin.subscribe("#")
        twin.subscribe("$SYS/broker/version")
        assert {machine.publish(topic) for topic in foreign()} == {REFUSED}
        assert {machine.publish(topic_of("local", "m1", kind)) for kind in KINDS} == {"Success"}
        said = {topic for topic, _ in twin.hears(len(KINDS) + 1)}
        assert said == {topic_of("local", "m1", kind) for kind in KINDS} | {"$SYS/broker/version"}


def test_the_twin_says_what_is_the_twins_and_never_a_command(broker: Shipped) -> None:
    commands = [
        "meltwin/v1/local/m1/command", "meltwin/v1/local/m1/command/start", "m1/command", "command",
        "spBv1.0/local/NCMD/m1", "spBv1.0/local/DCMD/m1/laser",
    ]  # fmt: skip
    with closing(Caller(broker, "twin")) as twin, closing(Caller(broker, "m1")) as machine:
        machine.subscribe("#")
        assert {twin.publish(topic) for topic in commands} == {REFUSED}
        assert {twin.publish(topic_of("local", "m1", kind)) for kind in (*KINDS, *PEOPLE_KINDS)} == {REFUSED}
        answers = {twin.publish(topic_of("local", name, kind)) for kind in OUT_KINDS for name in ("m1", "m2")}
        assert answers <= TAKEN
        heard = {topic for topic, _ in machine.hears(2)}
        assert heard == {topic_of("local", "m1", kind) for kind in ("alert", "recipe")}


def test_a_named_person_acknowledges_and_says_nothing_else(broker: Shipped) -> None:
    """The machine hears of it too; what the person reads is what the twin says."""
    with (
        closing(Caller(broker, "twin")) as twin,
        closing(Caller(broker, "m1")) as machine,
        closing(Caller(broker, "ada")) as ada,
    ):
        for caller in (twin, machine, ada):
            caller.subscribe("#")
        others = [topic_of("local", "m1", kind) for kind in (*KINDS, *OUT_KINDS)]
        assert {ada.publish(topic) for topic in (*others, "meltwin/v1/local/m1/command", "spBv1.0/g/NCMD/m1")} == {
            REFUSED
        }
        ack = topic_of("local", "m1", "ack")
        assert ada.publish(ack) == "Success"
        assert {topic for topic, _ in (*twin.hears(1), *machine.hears(1))} == {ack}
        assert {twin.publish(topic_of("local", "m1", kind)) for kind in OUT_KINDS} == {"Success"}
        assert {topic.rpartition("/")[2] for topic, _ in ada.hears(4)} == {*OUT_KINDS, *PEOPLE_KINDS}


def test_a_machine_is_the_edge_node_of_its_name_and_no_other(broker: Shipped) -> None:
    own = [f"spBv1.0/g/{kind}/m1" for kind in ("NBIRTH", "NDATA")] + ["spBv1.0/g/DDATA/m1/laser"]
    foreign = ["spBv1.0/g/NDATA/m2", "spBv1.0/g/DDATA/m2/laser", "spBv1.0/g/NCMD/m1", "spBv1.0/other/NDATA/m1"]
    with closing(Caller(broker, "twin")) as twin, closing(Caller(broker, "m1")) as machine:
        twin.subscribe("spBv1.0/#")
        assert {machine.publish(topic) for topic in foreign} == {REFUSED}
        assert {machine.publish(topic) for topic in own} == {"Success"}
        assert [topic for topic, _ in twin.hears(len(own))] == own
        assert {twin.publish(topic) for topic in (*own, "spBv1.0/g/NCMD/m1", "spBv1.0/g/DCMD/m1/laser")} == {REFUSED}


@pytest.mark.parametrize(
    ("name", "password"),
    [("m1", "wrong"), ("m1", ""), ("nobody", "x"), (None, None), ("twin", "wrong")],
)
def test_a_stranger_is_not_let_in(broker: Shipped, name: str | None, password: str | None) -> None:
    with closing(Caller(broker, name, password)) as stranger:
        assert stranger.answer == REFUSED


def test_the_password_of_one_machine_opens_no_other(broker: Shipped) -> None:
    with closing(Caller(broker, "m2", broker.secret("m1"))) as stranger:
        assert stranger.answer == REFUSED


def test_plain_text_is_refused_on_the_tls_port(broker: Shipped) -> None:
    connect = bytes([0x10, 16, 0, 4]) + b"MQTT" + bytes([5, 2, 0, 30, 0, 0, 3]) + b"abc"
    with socket.create_connection((HOST, broker.port), timeout=5.0) as plain:
        plain.sendall(connect)
        try:
            said = plain.recv(64)
        except ConnectionResetError:
            said = b""
    assert not said.startswith(b"\x20")  # CONNACK


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize(("newest", "let_in"), [("TLSv1_1", False), ("TLSv1_2", True), ("TLSv1_3", True)])
def test_tls_older_than_1_2_is_refused(broker: Shipped, newest: str, let_in: bool) -> None:
    context = ssl.create_default_context(cafile=str(broker.folder / "ca.crt"))
    context.set_ciphers("ALL:@SECLEVEL=0")  # the client would
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion[newest]
    with socket.create_connection((HOST, broker.port), timeout=5.0) as raw:
        if let_in:
            assert context.wrap_socket(raw, server_hostname=HOST).version() == newest.replace("_", ".")
        else:
            with pytest.raises(ssl.SSLError):
                context.wrap_socket(raw, server_hostname=HOST)


def test_our_own_source_and_publisher_meet_over_tls(broker: Shipped) -> None:
    topic = topic_of("local", "m2", "parameters")
    with (
        closing(MqttSource(HOST, broker.port, "t", every_kind("local"), access=broker.access("twin"))) as source,
        closing(MqttPublisher(HOST, broker.port, "m2", access=broker.access("m2"))) as publisher,
    ):
        publisher.publish(topic, b"1")
        publisher.publish(topic_of("local", "m1", "parameters"), b"2")
        publisher.publish(topic, b"3")
        assert publisher.drain(5.0)
        assert (publisher.published, publisher.refused) == (2, 1)
        assert [delivery.payload for delivery in take_all(source, 2)] == [b"1", b"3"]


def test_no_machine_can_take_the_session_of_the_twin(broker: Shipped) -> None:
    """Whoever says a client id takes over its session; the twin's cannot be said without its password."""
    access = broker.access("twin")
    settings = Settings(
        broker="external", mqtt_host=HOST, mqtt_port=broker.port, mqtt_tls_ca=access.tls_ca, mqtt_username="twin",
        mqtt_password_file=access.password_file,
    )  # fmt: skip
    name = access.session_name("meltwin-run-local")
    assert name == broker.access("twin").session_name("meltwin-run-local")  # and so it is after a restart
    assert len({name, "meltwin-run-local", broker.access("m1").session_name("meltwin-run-local")}) == 3
    assert broker.secret("twin") not in name
    with closing(mqtt_source(settings)) as source:
        for client_id in (
            "meltwin-run-local",
            "meltwin-run-local-",
            broker.access("m1").session_name("meltwin-run-local"),
        ):
            with closing(Caller(broker, "m1", client_id=client_id, expiry_s=60)) as thief:
                assert thief.answer == "Success"
                assert not thief.session_present
        assert (source.losses, source.connected) == (0, True)
        with closing(Caller(broker, "twin", client_id=name, expiry_s=60)) as second:  # who has the password can
            assert second.session_present


def test_who_is_not_let_in_is_told_why_and_never_the_password(broker: Shipped) -> None:
    wrong = broker.folder / "wrong.password"
    wrong.write_text("planted-secret\n")
    with pytest.raises(BrokerError, match=r"refused the connection \(Not authorized\).*mqtt_password_file") as caught:
        MqttSource(HOST, broker.port, "t2", access=Access(broker.folder / "ca.crt", "twin", wrong))
    assert "planted" not in str(caught.value)
    with pytest.raises(BrokerError, match="Not authorized"):
        MqttPublisher(HOST, broker.port, "t3", access=Access(broker.folder / "ca.crt", "m1", wrong))


def test_a_broker_under_another_name_or_ca_is_not_believed(broker: Shipped) -> None:
    access = broker.access("twin")
    assert access.tls_ca is not None
    with (
        socket.create_connection((HOST, broker.port), timeout=5.0) as raw,
        pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"),
    ):
        tls_context(access.tls_ca).wrap_socket(raw, server_hostname="another.local")
    another = broker.folder / "another"
    another.mkdir(exist_ok=True)
    make_authority(another)
    with pytest.raises(BrokerError, match="no TLS with the broker"):
        MqttSource(HOST, broker.port, "t5", access=Access(another / "ca.crt", "twin", access.password_file))


def test_what_is_larger_than_any_message_is_refused_before_it_is_read(broker: Shipped) -> None:
    with closing(Caller(broker, "twin")) as twin, closing(Caller(broker, "m1")) as machine:
        twin.subscribe(every_kind("local"))
        topic = topic_of("local", "m1", "parameters")
        assert machine.publish(topic, bytes(MAX_PAYLOAD_BYTES)) == "Success"
        machine._client.publish(topic, bytes(MAX_PAYLOAD_BYTES + (1 << 17)), qos=1)
        assert [len(payload) for _, payload in twin.hears(2, patience_s=2.0)] == [MAX_PAYLOAD_BYTES]
