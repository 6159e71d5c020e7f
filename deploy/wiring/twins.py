"""Twins: the operators of the settings, warm, and what is asked of them outside of the loop."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from deploy.advance import Advance, Opinions
from deploy.answers import Attributions, UnansweredError
from deploy.errors import MeltwinError
from deploy.settings import Settings
from deploy.wiring.store import stored
from ingest.files.again import Again
from ingest.files.again import forecast_again as forecast_stored
from twin.clock import Clock, SystemClock
from twin.store.approvals import Approval
from twin.store.holdings import Holdings
from twin.store.port import Step, Store, StoreUnavailableError

if TYPE_CHECKING:
    from operators.operator import Operator
    from twin.promoted import Promoted
    from twin.sensors.calibration import Estimate
    from twin.twin import Twin

MOST_APPROVALS = 10_000


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
    following = Following(settings.follow_machines, partial(estimated, store) if store is not None else nobody)
    budget = Budget(clock, patience_s=settings.stale_s) if clock else None
    promoted = promotions(settings, store, every.values())
    twins = {
        "": new(every[settings.operator], operators=by_machine, following=following, budget=budget, promoted=promoted)
    }
    for name in settings.opinions:
        opinion = every[name].card["name"]
        twins[opinion] = new(every[name], opinion=opinion)
    return twins


def promotions(settings: Settings, store: Store | None, here: "Iterable[Operator]" = ()) -> "Promoted":
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


def estimated(store: Store, machine: str, build: str) -> "Estimate | None":
    """The newest estimate of what a machine's metal absorbs, over the nominal."""
    from twin.sensors.calibration import Estimate

    try:
        rows = store.calibration(machine, build=build, limit=1).to_dict("records")
    except StoreUnavailableError:  # it is asked in the middle of a step, which cannot be taken back
        return None
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


def cards(twins: "dict[str, Twin]") -> list[dict[str, Any]]:
    cards = {operator.card["name"]: operator.card for twin in twins.values() for operator in twin.serving}
    return list(cards.values())


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
    store.write(Step(cards=cards(twins)))
    advance = Opinions({name: twin.advance for name, twin in twins.items()}, clock)
    return forecast_stored(
        store, advance, clock, machine, build,
        horizon_frames=settings.horizon_frames, stopped=stopped, progress=progress,
    )  # fmt: skip


def attribution(settings: Settings, **arguments: Any) -> dict[str, Any]:
    """Why a stored frame says what it says: as `deploy.answers.Attributions` answers a page."""
    from twin.twin import Twin

    by_machine = {machine: operator_of(settings, name) for machine, name in settings.operators.items()}
    with stored(settings) as store:
        promoted = promotions(settings, store)
        promoted.keep = lambda cards: None  # nothing is written here
        promoted.look(SystemClock().now_s())
        own = Twin(
            operator_of(settings), operators=by_machine, horizon_frames=settings.horizon_frames, promoted=promoted
        )
        try:
            return Attributions(store, own)(arguments)
        except UnansweredError as error:
            raise MeltwinError(str(error)) from error
