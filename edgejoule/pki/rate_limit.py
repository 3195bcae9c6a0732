"""How often one address may be refused before it has to wait. Pure: time is an argument."""

from collections import OrderedDict, deque
from typing import Final

MOST_REFUSALS: Final = 20
PERIOD_S: Final = 60.0
MOST_ADDRESSES: Final = 4096


class RefusalLimit:
    """Counts refusals by address. Fifty boards behind one address that all succeed are never held up."""

    def __init__(self, most: int = MOST_REFUSALS, period_s: float = PERIOD_S) -> None:
        self._most = most
        self._period_s = period_s
        self._refused: OrderedDict[str, deque[float]] = OrderedDict()

    def wait_s(self, address: str, now_s: float) -> float:
        """Return how long ``address`` has to wait, 0.0 if it may ask."""
        times = self._refused.get(address)
        if times is None or len(times) < self._most:
            return 0.0
        return max(0.0, times[0] + self._period_s - now_s)

    def note_refusal(self, address: str, now_s: float) -> None:
        """Count one refusal; the addresses that were refused longest ago are forgotten when there are too many."""
        times = self._refused.setdefault(address, deque(maxlen=self._most))
        times.append(now_s)
        self._refused.move_to_end(address)
        if len(self._refused) > MOST_ADDRESSES:
            self._refused.popitem(last=False)
