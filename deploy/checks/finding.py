"""Finding: one line of the doctor's."""

from dataclasses import asdict, dataclass
from typing import Literal

State = Literal["ok", "look", "absent", "MISSING", "UNSAFE", "LOSES"]
BAD: tuple[State, ...] = ("MISSING", "UNSAFE", "LOSES")


@dataclass(frozen=True)
class Finding:
    """What was looked at, what was found, and what to do.

    `look`: a person should judge, or what cannot be known from here. `absent`: good to have. `MISSING`: a start would
    fail. `UNSAFE`: a stranger may read or speak. `LOSES`: as it stands, data would be lost.
    """

    what: str
    state: State
    found: str
    remedy: str = ""

    @property
    def line(self) -> str:
        rest = "" if self.state == "ok" or not self.remedy else f" -> {self.remedy}"
        return f"{self.state:<8} {self.what}: {self.found}{rest}"

    def row(self) -> dict[str, str]:
        return asdict(self)
