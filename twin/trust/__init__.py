"""Trust: what a forecast may claim, and how well that is measured."""

from twin.trust.envelope import SPEED_UNIT, outside
from twin.trust.ledger import LEDGER_CLOSES, finite, residual

__all__ = ["LEDGER_CLOSES", "SPEED_UNIT", "finite", "outside", "residual"]
