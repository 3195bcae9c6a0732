"""What making a model costs: joules of a training, by the best instrument that this machine has.

In this order: an external meter that a file names; the processor's own energy counters (RAPL) where they can be read;
else CPU seconds times the power that a table gives for a busy core, which is a model and no measurement. Energy is
gross: what the machine would have drawn idle is in it, and so is other work while a meter or RAPL watches.
"""

import os
import time
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from edgejoule.making.cpu_power import cpu_seconds, power_of, processor_name
from edgejoule.making.instruments import ExternalMeter, Instrument, Measured, rapl_counters
from edgejoule.zoo.entry import Development
from edgejoule.zoo.recipe_process import METER_VARIABLE


class CostMeter:
    """Watches the process from the begin of a ``with`` block to its end; then ``development`` says what it cost.

    ::

        with CostMeter() as cost:
            train()
        family = replace(family, development=cost.development())

    ``meter``: a TOML file with a ``[meter]``, for a meter in front of this machine; None: no meter. ``root``: where
    proc and sys are. ``note``: what a person should know of the choice of instrument, empty for nothing.
    """

    def __init__(self, *, meter: Path | None = None, root: Path = Path("/")) -> None:
        """Read the file that names the meter. Raises ConfigurationError."""
        self._root = root
        self._external = None if meter is None else ExternalMeter(meter)
        self._instrument: Instrument | None = None
        self._measured: Measured | None = None
        self._began_s = self._began_cpu_s = self._cpu_s = 0.0
        self._duration_s: float | None = None
        self._date = ""
        self.note = ""

    def __enter__(self) -> Self:
        """Begin. Raises a FirmwareBridgeError if the meter that was named cannot be read."""
        self._duration_s = None
        if self._external is not None:
            self._instrument = self._external
        else:
            self._instrument, self.note = rapl_counters(self._root)
        if self._instrument is not None:
            self._instrument.begin()
        self._date = datetime.now(UTC).date().isoformat()
        self._began_s, self._began_cpu_s = time.monotonic(), cpu_seconds()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop all that watches, also after an exception."""
        self._cpu_s = cpu_seconds() - self._began_cpu_s
        duration_s = time.monotonic() - self._began_s
        self._measured = None
        if self._instrument is not None:
            self._measured = self._instrument.end()
            if self._measured is None:
                self.note = "the instrument saw less than half of the training: its cost is modelled by CPU time"
        self._duration_s = duration_s

    def development(self, reused: tuple[str, ...] = ()) -> Development:
        """Return what the block cost. ``reused``: families whose making this one builds on.

        Raises RuntimeError before the block has ended.
        """
        if self._duration_s is None:
            raise RuntimeError("the cost is known when the with block has ended")
        processor = processor_name(self._root)
        found = self._measured or _modelled(processor, self._cpu_s)
        return Development(
            development_energy_j=found.energy_j,
            development_energy_u_j=found.u_j,
            method=found.method,
            duration_s=self._duration_s,
            cpu_s=self._cpu_s,
            processor=processor,
            boundary=found.boundary,
            reused=list(reused),
            date=self._date,
        )


def cost_meter_from_environment() -> CostMeter:
    """Return one with the meter that EDGEJOULE_TRAINING_METER names, if it names one. Raises ConfigurationError."""
    path = os.environ.get(METER_VARIABLE, "")
    return CostMeter(meter=Path(path) if path else None)


def _modelled(processor: str, cpu_s: float) -> Measured:
    row = power_of(processor)
    return Measured(
        row.power_w * cpu_s,
        row.power_u_w * cpu_s,
        "cpu_time",
        f"CPU seconds times {row.low_w:g} W to {row.high_w:g} W for a busy core ({row.source})",
    )
