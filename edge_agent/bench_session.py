"""A bench on an open meter: of ``edgejoule agent bench``, and between two stretches of an agent's usual work."""

import platform
import secrets
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from dataclasses import replace
from importlib import metadata
from typing import Protocol, TypeAlias

from edge_agent.assembly import Prepared, calibration_of, identity_now
from edge_agent.bench.measured import LoadedModel, Measured
from edge_agent.bench.plan import Plan
from edge_agent.bench.power_trace import PowerTrace
from edge_agent.bench.progress import Progress
from edge_agent.bench.record import Context, conclude
from edge_agent.bench.run import Alignment, Rig, run_bench
from edge_agent.checking import tensors_of
from edge_agent.clock import read_clock, stamp
from edge_agent.config import AgentConfig
from edge_agent.device.kernel import kernel_boot_id
from edge_agent.device.observer import DeviceObserver
from edge_agent.inference_loop import InferenceLoop
from edge_agent.loaded_model import load_with_inputs
from edge_agent.service import StopFlag
from edge_agent.window import Identity
from edge_agent.wire.records import BenchRecord
from firmware_bridge.meter import Meter
from firmware_bridge.stream import host_time_s

Show: TypeAlias = Callable[[Progress], None]


class BenchAlignment(Alignment, Protocol):
    """What ties the clocks together, and says whether its line is one that does not exist."""

    @property
    def is_simulated(self) -> bool:
        """See the class."""
        ...


class BenchSession:
    """One bench. ``trace`` is fed by the meter. For one thread."""

    def __init__(
        self,
        config: AgentConfig,
        prepared: Prepared,
        meter: Meter,
        trace: PowerTrace,
        show: Show,
        stop: StopFlag,
    ) -> None:
        self.config, self.meter, self.stop = config, meter, stop
        self._prepared, self._trace, self._show = prepared, trace, show
        self._began = read_clock()
        self._aligner: BenchAlignment | None = None

    def run(
        self, plan: Plan, alignment: Callable[[LoadedModel], BenchAlignment]
    ) -> tuple[BenchRecord, Measured, Identity]:
        """Bench. Raises BenchStoppedError when ``stop`` is requested, and ConfigurationError, InferenceError."""

        def align(model: LoadedModel) -> Alignment:
            self._aligner = alignment(model)
            return self._aligner

        with ExitStack() as stack:
            rig = Rig(
                meter=self.meter,
                max_interval_s=self.meter.driver.data_sheet.max_interval_s,
                device=stack.enter_context(closing(DeviceObserver(host_time_s()))),
                now_s=host_time_s,
                sleep_s=time.sleep,
                load=self._load,
                show=self._show,
                stop=self.stop,
                alignment=align,
            )
            measured = run_bench(rig, plan)
        identity = self._identity(measured)
        return conclude(measured, plan, self._context(measured, identity)), measured, identity

    def _load(self) -> LoadedModel:
        model = self._prepared.model
        runner, check_set = load_with_inputs(self.config.model, model)
        tensors = tensors_of(check_set, runner)
        return LoadedModel(
            runner,
            tensors,
            check_set,
            is_check_set=model.check_set is not None,
            make_loop=lambda: InferenceLoop(runner, tensors, host_time_s),
        )

    def _identity(self, measured: Measured) -> Identity:
        if measured.model is None:
            raise RuntimeError("a bench that ends before its model is loaded has no record")
        identity = identity_now(self.config, self._prepared, measured.model.runner.identity, self.meter)
        simulated = identity.simulated or (self._aligner is not None and self._aligner.is_simulated)
        return replace(identity, simulated=simulated)

    def _context(self, measured: Measured, identity: Identity) -> Context:
        t_first_s = measured.windows[0].t_start_s if measured.windows else measured.t_start_s
        t_first_unix_ns, clock_state = stamp(t_first_s, self._began, read_clock())
        spans = [(begin_s, end_s) for name, begin_s, end_s in measured.parts_device_s if name.startswith("window")]
        sheet = self.meter.driver.data_sheet
        volts = self._trace.voltage_v(spans[0][0], spans[-1][1]) if spans else None
        device = self.config.device
        return Context(
            identity=identity,
            device_id=device.id,
            device_class=device.device_class,
            boot_id=kernel_boot_id(),
            bench_id=f"{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}-{secrets.token_hex(4)}",
            clock_state=clock_state,
            agent_version=metadata.version("edgejoule"),
            python_version=platform.python_version(),
            platform=platform.platform(),
            sheet=sheet,
            calibration=calibration_of(self.config),
            systematic_id=identity.systematic_id,
            voltage_v=sheet.nominal_voltage_v if volts is None else volts,
            t_first_unix_ns=t_first_unix_ns,
            model=self._prepared.model.facts,
        )
