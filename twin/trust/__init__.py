"""Trust: what a forecast may claim, and how well that is measured (docs/trust.md)."""

from twin.trust.envelope import SPEED_UNIT, beyond, outside
from twin.trust.followed import Followed
from twin.trust.judge import ALARM, Judgement, Setting, judged
from twin.trust.ledger import LEDGER_CLOSES, finite, residual

__all__ = [
    "ALARM",
    "LEDGER_CLOSES",
    "SPEED_UNIT",
    "Followed",
    "Judgement",
    "Setting",
    "beyond",
    "finite",
    "judged",
    "outside",
    "residual",
]
