"""Trust: what a forecast may claim, and how well that is measured (docs/trust.md)."""

from twin.trust.behind import Behind
from twin.trust.envelope import SPEED_UNIT, outside, said
from twin.trust.followed import Followed
from twin.trust.judge import ALARM, Judgement, Setting, judged
from twin.trust.ledger import LEDGER_CLOSES, finite, residual

__all__ = [
    "ALARM",
    "LEDGER_CLOSES",
    "SPEED_UNIT",
    "Behind",
    "Followed",
    "Judgement",
    "Setting",
    "finite",
    "judged",
    "outside",
    "residual",
    "said",
]
