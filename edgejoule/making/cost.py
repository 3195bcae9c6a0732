"""What making a model costs: joules of a training, by the best instrument that this machine has.

In this order: an external meter that a file names; the processor's own energy counters (RAPL) where they can be read;
else CPU seconds times the power that a table gives for a busy core, which is a model and no measurement. Energy is
gross: what the machine would have drawn idle is in it, and so is other work while a meter or RAPL watches.
"""

import time
from pathlib import Path
from types import TracebackType
from typing import Self

from edgejoule.making.cpu_power import cpu_seconds, power_of, processor_name
from edgejoule.zoo.entry import Development


class CostMeter:
    """Watches the process from the begin of a ``with`` block to its end; then ``development`` says what it cost.

    ::

        with CostMeter() as cost:
            train()
        family = replace(family, development=cost.development())

    ``root``: where proc and sys are, for tests.
    """

    def __init__(self, *, root: Path = Path("/")) -> None:
        self._root = root
        self._began_s = self._began_cpu_s = 0.0
        self._duration_s: float | None = None
        self._cpu_s = 0.0

    def __enter__(self) -> Self:
        self._duration_s = None
        self._began_s, self._began_cpu_s = time.monotonic(), cpu_seconds()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._cpu_s = cpu_seconds() - self._began_cpu_s
        self._duration_s = time.monotonic() - self._began_s

    def development(self, reused: tuple[str, ...] = ()) -> Development:
        """Return what the block cost. ``reused``: families whose making this one builds on.

        Raises RuntimeError before the block has ended.
        """
        if self._duration_s is None:
            raise RuntimeError("the cost is known when the with block has ended")
        processor = processor_name(self._root)
        row = power_of(processor)
        return Development(
            development_energy_j=row.power_w * self._cpu_s,
            development_energy_u_j=row.power_u_w * self._cpu_s,
            method="cpu_time",
            duration_s=self._duration_s,
            cpu_s=self._cpu_s,
            processor=processor,
            boundary=(
                f"modelled: CPU seconds times {row.low_w:g} W to {row.high_w:g} W for a busy core ({row.source})"
            ),
            reused=list(reused),
        )
