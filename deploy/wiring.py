"""Wiring: the only place that names concrete adapters. Everything else takes ports."""

import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import SQLAlchemyError

from deploy import maps
from deploy.advance import Advance, Opinions
from deploy.answers import KIND, Answers, Attributions, UnansweredError
from deploy.batch import Batch
from deploy.errors import DatabaseError, MeltwinError, SettingsError
from deploy.monitor.logs import configure, without_secrets
from deploy.monitor.monitor import Monitor
from deploy.monitor.server import served
from deploy.reforecast import KIND as REFORECAST
from deploy.reforecast import Reforecasts
from deploy.run import Heard, RunLoop
from deploy.settings import Settings, listed
from ingest.access import Access
from ingest.broker import EmbeddedBroker
from ingest.files.again import Again
from ingest.files.again import forecast_again as forecast_stored
from ingest.files.bring import Brought
from ingest.files.bring import bring as bring_in
from ingest.herald import Herald
from ingest.machines.machine import Machine
from ingest.mqtt import MqttPublisher, MqttSource, take_turns
from ingest.order import HORIZON_FRAMES, Order
from ingest.readers import Recording, open_source, opened
from ingest.replay import DirectSource
from ingest.simulate import last_will, machines
from ingest.source import Publisher, Source
from ingest.sparkplug.stage import Stage
from ingest.sparkplug.topics import subscription
from ingest.topics import every_kind
from twin.clock import Clock, SystemClock
from twin.people import People
from twin.store.approvals import Approval
from twin.store.holdings import Holdings
from twin.store.port import Step, Store, StoreError, StoreMissingError, Written
from twin.store.sql.people import SqlPeople
from twin.store.sql.requests import Asker
from twin.store.sql.store import SqlStore
from twin.store.sql.stretch import Stretches
from twin.store.upkeep.disk import Room
from twin.store.upkeep.schema import revision_at

if TYPE_CHECKING:
    from operators.operator import Operator
    from twin.promoted import Promoted
    from twin.sensors.calibration import Estimate
    from twin.twin import Twin
    from ui.access.access import Access as PageAccess

MOST_APPROVALS = 10_000


def open_store(settings: Settings) -> Store:
    """The writer; makes the folder, the file and the schema where they are missing."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        return SqlStore.create(
            settings.database_url,
            durability=settings.durability,
            backups=settings.data_dir / "backups",
            room=Room(settings.disk_spare_mib, settings.disk_stop_mib),
        )
    except (OSError, SQLAlchemyError) as error:
        raise DatabaseError(
            f"cannot write to {settings.database_place}: {_reason(error)}; see the settings database, data_dir"
        ) from error


def read_store(settings: Settings) -> Store:
    """A reader of what was written."""
    return SqlStore.open_reader(settings.database_url)


def people(settings: Settings) -> People:
    """The port of people's acts. Makes an empty store where there is none; the schema of an older one is for `run`."""
    if revision_at(settings.database_url) is None:
        open_store(settings).close()
    return SqlPeople.open(settings.database_url)


def page_access(settings: Settings, first: Callable[[People], None]) -> "PageAccess | None":
    """Who may see the page; None where nobody signs in. `first` is called while there is no account."""
    from ui.access.access import Access as PageAccess
    from ui.access.cookie import KeyFileError, Signer, key_in
    from ui.access.proxy import proxies
    from ui.access.roll import Roll

    if settings.ui_sign_in == "off":
        return None
    try:
        signer = Signer(key_in(settings.data_dir / "session.key"))
    except KeyFileError as error:
        raise MeltwinError(f"{error}; see the setting data_dir") from error
    trusted = proxies(listed(settings.ui_proxy.get("address", "")), settings.ui_proxy.get("header", ""))
    return PageAccess(Roll(partial(people, settings), first), signer, proxies=trusted)


def store_lost(settings: Settings) -> dict[str, str]:
    """Why a reader cannot open the store now; empty when it can."""
    try:
        SqlStore.open_reader(settings.database_url).close()
    except (SQLAlchemyError, StoreError, SettingsError) as error:
        return {"store": _reason(error)}
    return {}


def _reason(error: Exception) -> str:
    """The first line, without what a driver may have put in of the URL."""
    return without_secrets(str(getattr(error, "orig", None) or error).splitlines()[0])


@contextmanager
def monitor(settings: Settings, *, serve: bool) -> Iterator[Monitor]:
    """Logs as the settings say; with `serve` also /metrics, /healthz, /readyz, from before anything else starts."""
    clock = SystemClock()
    configure(settings.log_format, settings.log_level, clock)
    watching = Monitor(clock, settings.data_dir)
    if not serve or settings.metrics_port == 0:
        yield watching
        return
    with served(settings.metrics_port, watching.metrics, watching.readiness):
        yield watching


@contextmanager
def broker(settings: Settings) -> Iterator[None]:
    """The embedded broker, or nothing where an external one is set. Ctrl-C does not reach it: it is stopped last."""
    if settings.broker == "external":
        yield
        return
    embedded = EmbeddedBroker(settings.mqtt_port)
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # inherited by the broker's process
    try:
        embedded.start()
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        yield
    finally:
        embedded.stop()


SESSION_S = {"embedded": 3600, "external": 7 * 86_400}  # how long a broker keeps for a twin that is away


def access(settings: Settings) -> Access:
    """How the broker lets us in."""
    return Access(settings.mqtt_tls_ca, settings.mqtt_username, settings.mqtt_password_file)


def mqtt_source(settings: Settings) -> MqttSource:
    """Everything that the machines of this site say."""
    take_turns()
    return MqttSource(
        settings.mqtt_host,
        settings.mqtt_port,
        client_id=access(settings).session_name(f"meltwin-run-{settings.site}"),
        topic_filter=every_kind(settings.site),
        receive_maximum=max(1, settings.queue_messages // 2),
        session_expiry_s=SESSION_S[settings.broker],
        access=access(settings),
        more_filters=[subscription(settings.sparkplug_group)] if settings.sparkplug_group else [],
    )


@contextmanager
def sparkplug_stage(settings: Settings) -> Iterator[Stage]:
    """What reads Sparkplug. Where the setting allows it, it can say one thing to edge nodes: `Node Control/Rebirth`."""
    if not (settings.sparkplug_group and settings.sparkplug_rebirth):
        yield Stage()
        return
    name = f"meltwin-rebirth-{settings.site}"
    with closing(
        MqttPublisher(
            settings.mqtt_host, settings.mqtt_port, name, access=access(settings), kinds=(), may_ask_rebirth=True
        )
    ) as publisher:
        yield Stage(publisher.ask_rebirth)


@contextmanager
def herald(settings: Settings, store: Store) -> Iterator[Herald | None]:
    """What says over MQTT what is committed; None where the setting lets it say nothing. It says no command."""
    said = settings.publish
    if not said:
        yield None
        return
    name = access(settings).session_name(f"meltwin-says-{settings.site}")
    host, port = settings.mqtt_host, settings.mqtt_port
    with closing(MqttPublisher(host, port, name, access=access(settings), kinds=said)) as line:
        yield Herald(store, line, settings.site, alerts="alert" in said, forecasts="forecast" in said)


@contextmanager
def simulated_machines(settings: Settings, run: str) -> Iterator[dict[str, Publisher]]:
    """A publisher for each simulated machine, each with its last will."""
    with ExitStack() as open_ones:
        yield {
            machine.name: open_ones.enter_context(publisher_of(machine, settings))
            for machine in machines(settings.seed, run)
        }


def open_recording(source: Path, build_file: Path | None = None, run: str = "") -> Recording:
    """A log of a build, read and checked whole."""
    return open_source(source, build_file, run)


@contextmanager
def opened_recording(source: Path, build_file: Path | None = None) -> Iterator[Recording]:
    """A log of a build, packed or not, for as long as it is used."""
    with opened(source, build_file) as recording:
        yield recording


@contextmanager
def holdings(settings: Settings, *, writes: bool) -> Iterator[SqlStore | None]:
    """The store whole: for a writer made where there is none, for a reader None then."""
    if writes:
        store: SqlStore | None = open_store(settings)  # type: ignore[assignment]
    else:
        try:
            store = SqlStore.open_reader(settings.database_url)
        except StoreMissingError:
            store = None
    try:
        yield store
    finally:
        if store is not None:
            store.close()


@contextmanager
def stored(settings: Settings) -> Iterator[Stretches]:
    """What is stored, for reading."""
    with closing(SqlStore.open_reader(settings.database_url)) as store:
        yield store


def bring(
    recording: Recording,
    store: Holdings | None,
    settings: Settings,
    dry_run: bool,
    stopped: Callable[[], bool],
    progress: Callable[[Brought], None],
) -> Brought:
    """A recording into the store, by the clock of this computer."""
    return bring_in(recording, store, SystemClock(), settings.site, dry_run=dry_run, stopped=stopped, progress=progress)


def forecast_again(
    store: Holdings,
    settings: Settings,
    machine: str,
    build: str,
    stopped: Callable[[], bool],
    progress: Callable[[Again], None],
) -> Again:
    """Forecasts of a stored build that has none, or not all, by the operators of the settings."""
    twins, clock = warm_twins(settings), SystemClock()
    store.write(Step(cards=_cards(twins)))
    advance = Opinions({name: twin.advance for name, twin in twins.items()}, clock)
    return forecast_stored(
        store, advance, clock, machine, build,
        horizon_frames=settings.horizon_frames, stopped=stopped, progress=progress,
    )  # fmt: skip


def direct_source(recording: Recording, settings: Settings) -> DirectSource:
    """A log as a source, without a broker."""
    return DirectSource(recording, settings.site)


@contextmanager
def publisher_of(machine: Machine, settings: Settings) -> Iterator[Publisher]:
    """What a machine speaks through, with its last will."""
    name = f"meltwin-{machine.name}-{settings.site}"
    will = last_will(settings.site, machine)
    host, port = settings.mqtt_host, settings.mqtt_port
    with closing(MqttPublisher(host, port, client_id=name, will=will, access=access(settings))) as publisher:
        yield publisher


@contextmanager
def publisher(settings: Settings, name: str) -> Iterator[MqttPublisher]:
    """A line to the broker for messages that are said again."""
    host, port = settings.mqtt_host, settings.mqtt_port
    client_id = f"meltwin-{name}-{settings.site}"
    with closing(MqttPublisher(host, port, client_id=client_id, access=access(settings))) as line:
        yield line


def closer(publishers: Iterable[Publisher]) -> Callable[[], None]:
    """Closes them: one that waits for a broker that is gone stops waiting."""

    def close() -> None:
        for publisher in publishers:
            publisher.close()

    return close


def choose_device(device: str) -> str:
    """`cpu` or `cuda`; `auto` takes the GPU if there is one."""
    import torch

    if device not in ("auto", "cpu", "cuda"):
        raise MeltwinError(f"device must be auto, cpu or cuda, got {device!r}")
    if device == "cuda" and not torch.cuda.is_available():
        raise MeltwinError("there is no GPU that torch can use here: set device to auto or cpu")
    return device if device != "auto" else "cuda" if torch.cuda.is_available() else "cpu"


def operator_of(settings: Settings, name: str = "") -> "Operator":
    """The operator of this name (none: that of `settings.operator`): a card of the shipped weights, the reference
    solver, or the conservative engine without a card."""
    from operators import card
    from operators.conservative.engine import Conservative
    from operators.engine import Engine
    from operators.reference.operator import ReferenceOperator

    asked = name or settings.operator
    if asked == "reference":
        return ReferenceOperator()
    device = choose_device(settings.device)
    if asked == "conservative":
        return Conservative({"name": "conservative", "operator": "conservative"}, device)
    shipped = card.names()
    if asked == "auto" and not shipped:
        return ReferenceOperator()
    try:
        model, told = card.load(shipped[0] if asked == "auto" else asked, device=device)
        return Conservative(told, device) if told.get("operator") == "HFluxNO" else Engine(model, told, device)
    except card.CardError as error:
        raise MeltwinError(f"{error}; see the settings operator, operators, opinions") from error


def twin(settings: Settings) -> Advance:
    """The twin's one verb, warm."""
    return warm_twins(settings)[""].advance


def warm_twins(settings: Settings, store: Store | None = None, clock: Clock | None = None) -> "dict[str, Twin]":
    """The twin of record under no name, and one for each second opinion under that of its card. Each operator is loaded
    once and each of its kernels run once: the first message does not wait for a compiler. `store`: where the estimates
    of an earlier run are. With a clock the fallback has a budget of it."""
    from operators.operator import warm
    from operators.reference.operator import ReferenceOperator
    from twin.budget import Budget
    from twin.sensors.following import Following, nobody
    from twin.twin import Twin

    every = {name: operator_of(settings, name) for name in {settings.operator, *settings.operators.values()}}
    every |= {name: operator_of(settings, name) for name in settings.opinions if name not in every}
    fallback = every.setdefault("reference", ReferenceOperator())
    for operator in every.values():
        warm(operator)
    new = partial(
        Twin,
        fallback=fallback,
        horizon_frames=settings.horizon_frames,
        snapshot_frames=settings.snapshot_frames,
    )
    by_machine = {machine: every[name] for machine, name in settings.operators.items()}
    following = Following(settings.follow_machines, partial(_estimated, store) if store is not None else nobody)
    budget = Budget(clock, patience_s=settings.stale_s) if clock else None
    promoted = _promoted(settings, store, every.values())
    twins = {
        "": new(every[settings.operator], operators=by_machine, following=following, budget=budget, promoted=promoted)
    }
    for name in settings.opinions:
        opinion = every[name].card["name"]
        twins[opinion] = new(every[name], opinion=opinion)
    return twins


def _promoted(settings: Settings, store: Store | None, here: "Iterable[Operator]" = ()) -> "Promoted":
    """What people have promoted, as the store says; without one nothing is. `here`: what is loaded already."""
    from operators.operator import warm
    from twin.promoted import CardRefusedError, Promoted

    if store is None:
        return Promoted()

    def read() -> list[Approval]:
        return [Approval(**row) for row in store.approvals(limit=MOST_APPROVALS).iloc[::-1].to_dict("records")]  # type: ignore[misc]

    shared = {operator.card["name"]: operator for operator in here}

    def loaded(name: str) -> "Operator":
        if name in shared:
            return shared[name]
        try:
            operator = operator_of(settings, name)
        except MeltwinError as error:
            raise CardRefusedError(str(error).split(";")[0]) from error
        warm(operator)
        return operator

    return Promoted(read, loaded, lambda cards: store.write(Step(cards=cards)))


def _estimated(store: Store, machine: str, build: str) -> "Estimate | None":
    """The newest estimate of what a machine's metal absorbs, over the nominal."""
    from twin.sensors.calibration import Estimate

    rows = store.calibration(machine, build=build, limit=1).to_dict("records")
    if not rows:
        return None
    row = rows[-1]
    factor, low, high = (row[name] / row["nominal"] for name in ("estimate", "low", "high"))
    return Estimate(factor, low, high, identifiable=bool(row["identifiable"]))


def melt_pool_query(device: str = "auto", **query: Any) -> Any:
    """The steady melt pool of one set of laser parameters: melt_pool, regime, keyhole_number, outcome, operator."""
    from twin.query import melt_pool

    try:
        return melt_pool(device=choose_device(device), **query)
    except (ValueError, NotImplementedError) as error:
        raise MeltwinError(str(error)) from error


def _cards(twins: "dict[str, Twin]") -> list[dict[str, Any]]:
    cards = {operator.card["name"]: operator.card for twin in twins.values() for operator in twin.serving}
    return list(cards.values())


def run_loop(
    settings: Settings,
    source: Source,
    store: Store,
    heard: Heard,
    sparkplug: Stage | None = None,
    says: Herald | None = None,
) -> RunLoop:
    """The consumer, warm: the first message is forecast as fast as the thousandth."""
    order = Order(patience_s=settings.late_s, horizon_frames=max(HORIZON_FRAMES, settings.horizon_frames), kept=store)
    batch = Batch(backlog=settings.backlog_frames, behind_s=0.6 * settings.stale_s)
    clock = SystemClock()
    twins = warm_twins(settings, store, clock)
    store.write(Step(cards=_cards(twins)))
    advance = Opinions({name: twin.advance for name, twin in twins.items()}, clock)
    take_up, promoted = twins[""].take_up, twins[""].promoted
    promoted.look(clock.now_s())
    attributions = Attributions(store, twins[""])
    attributions.warm()
    answers = Answers(
        store,
        clock,
        {KIND: attributions, maps.KIND: maps.process_maps},
        {REFORECAST: _reforecasts(settings, store, clock, twins)},
    )

    def committed(step: Step, written: Written, forecast_s: float, commit_s: float) -> None:
        heard(step, written, forecast_s, commit_s)
        if says is not None:
            says.step(step)

    def turned(now_s: float) -> None:
        promoted.look(now_s)
        if says is not None:
            says.tell(now_s)

    return RunLoop(source, order, advance, store, clock, batch, committed, take_up, sparkplug, turned, answers)


def _reforecasts(settings: Settings, store: Store, clock: Clock, twins: "dict[str, Twin]") -> Reforecasts:
    """Answers what is to be forecast again, by the operators that serve and by others, which are loaded when asked."""
    from operators.operator import warm
    from twin.twin import Twin

    loaded = {operator.card["name"]: operator for twin in twins.values() for operator in twin.serving}

    def by_name(name: str) -> "Operator":
        if name not in loaded:
            try:
                loaded[name] = operator_of(settings, name)
            except MeltwinError as error:
                raise UnansweredError(f"there is no operator {name}: {error}") from error
            warm(loaded[name])
        return loaded[name]

    new_twin = partial(
        Twin,
        fallback=loaded["reference"],
        horizon_frames=settings.horizon_frames,
        snapshot_frames=settings.snapshot_frames,
    )
    return Reforecasts(store, clock, by_name, new_twin)


def attribution(settings: Settings, **arguments: Any) -> dict[str, Any]:
    """Why a stored frame says what it says: as `deploy.answers.Attributions` answers a page."""
    from twin.twin import Twin

    by_machine = {machine: operator_of(settings, name) for machine, name in settings.operators.items()}
    with stored(settings) as store:
        promoted = _promoted(settings, store)
        promoted.keep = lambda cards: None  # nothing is written here
        promoted.look(SystemClock().now_s())
        own = Twin(
            operator_of(settings), operators=by_machine, horizon_frames=settings.horizon_frames, promoted=promoted
        )
        try:
            return Attributions(store, own)(arguments)
        except UnansweredError as error:
            raise MeltwinError(str(error)) from error


def ask(settings: Settings, kind: str, arguments: dict[str, Any], who: str, within_s: float) -> int:
    """Ask the run process, as a page does; the number of the request."""
    with closing(Asker(settings.database_url)) as asker:
        now_s = SystemClock().now_s()
        return asker.ask(kind, arguments, who=who, now_s=now_s, deadline_s=now_s + within_s)
