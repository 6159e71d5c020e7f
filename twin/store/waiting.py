"""Waiting: which message of a stream was still waited for when its reader stopped.

A stream that misses a message holds those behind it for a while, then gives it up as a gap and goes on. So among the
newest that are kept a hole that is on record as no gap was being waited for; unless it is where old messages were
pruned, when what stands before it is much older than what stands behind it.
"""

from collections.abc import Sequence

WAITED_FOR = 65  # newest messages of a stream among which that can be: one more than a stream holds behind a hole
WAITED_S = 3600.0  # between what came before a hole and what came behind it


def first_missing(kept: Sequence[tuple[int, float]], given_up: Sequence[tuple[int, int]]) -> int | None:
    """The index of the last message before the first hole that was waited for; None where there is none.

    `kept`: sequence, which ascends, and when each was received, s. `given_up`: gaps, first and last sequence included.
    """
    for at in range(len(kept) - 1):
        first, last = kept[at][0] + 1, kept[at + 1][0] - 1
        if first > last or kept[at + 1][1] - kept[at][1] > WAITED_S:
            continue
        if not any(begin <= first and last <= end for begin, end in given_up):
            return at
    return None
