"""A roll-out from beginning to end: every board is looked at, then planned, then brought there in waves."""

import datetime as dt
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import FrameType
from typing import Final

import msgspec

from edge_agent.wire.errors import ConfigurationError
from edgejoule.deploy.fleet.bundle_shelf import BundleFile
from edgejoule.deploy.fleet.devices import Device, Fleet
from edgejoule.deploy.fleet.display import Display
from edgejoule.deploy.fleet.enrolment import Enrolment
from edgejoule.deploy.fleet.hands import Hands, Login
from edgejoule.deploy.fleet.installing import Installing, Options
from edgejoule.deploy.fleet.outcome import Outcome, Status, Summary, summary_of
from edgejoule.deploy.fleet.planning import Plan, Rules, plan_for, stopped
from edgejoule.deploy.fleet.problems import BoardError, Problem, problem_here
from edgejoule.deploy.fleet.remote_board import RemoteBoard
from edgejoule.deploy.fleet.roll_out import Stop, roll_out
from edgejoule.deploy.fleet.waves import Size, equal_waves, waves_of
from edgejoule.deploy.targets import read_targets
from edgejoule.signals import Handler, setting

NOT_REACHED: Final = ("unreachable", "no-such-host", "lost", "ssh", "worker")

NOT_LOOKED_AT: Final = Problem(kind="interrupted", text="was not looked at any more", remedy="run this again")


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for. ``wave_size``: instead of the fleet file's waves; ``parallel``: instead of its number."""

    devices: tuple[Device, ...]
    shelf: Mapping[str, BundleFile]
    options: Options
    wave_size: Size | None = None
    parallel: int | None = None


class Application:
    """The roll-out of one order over ``hands``."""

    def __init__(self, fleet: Fleet, order: Order, hands: Hands, display: Display, stop: Stop) -> None:
        self._fleet, self._order, self._display, self._stop = fleet, order, display, stop
        pki = fleet.file.pki
        self._enrolment = None if pki is None else Enrolment(pki, fleet.path.parent)
        self._boards = {device.id: RemoteBoard(hands, device.id) for device in order.devices}
        self._parallel = order.parallel or fleet.file.roll_out.parallel

    def plans(self) -> dict[str, Plan]:
        """Look at every board, several at a time, and return what is to be done at each, in the file's order."""
        rules = Rules(targets=read_targets(), shelf=self._order.shelf, allow_clock=self._order.options.allow_clock)
        with ThreadPoolExecutor(self._parallel, thread_name_prefix="look") as pool:
            return {
                plan.device.id: plan
                for plan in pool.map(lambda device: self._plan(device, rules), self._order.devices)
            }

    def _plan(self, device: Device, rules: Rules) -> Plan:
        if self._stop.soon.is_set():
            return stopped(device, NOT_LOOKED_AT)
        self._display.told(device.id, "look", 0.0, device.login.host)
        try:
            report = self._boards[device.id].look(self._order.options.installer, device.secrets)
            lack = ""
            if self._enrolment is not None:
                lack = self._enrolment.lack(device.id, report.certificate, dt.datetime.now(dt.UTC))
            return plan_for(device, report, rules, lack)
        except BoardError as error:
            return stopped(device, error.problem)
        except (OSError, ConfigurationError) as error:
            return stopped(device, problem_here(error))
        finally:
            self._display.forget(device.id)

    def waves(self, plans: Mapping[str, Plan]) -> list[tuple[str, ...]]:
        """Return the boards that change, in waves. Raises ConfigurationError for sizes that are none."""
        boards = [name for name, plan in plans.items() if plan.changes]
        if self._order.wave_size is not None:
            return equal_waves(boards, self._order.wave_size)
        rules = self._fleet.file.roll_out
        return waves_of(boards, rules.waves, rules.canaries)

    def run(self, plans: Mapping[str, Plan]) -> Summary:
        """Bring the boards where the plans say, and return what became of each."""
        outcomes, stopped_why = roll_out(
            plans,
            self.waves(plans),
            self._work,
            self._display,
            self._stop,
            max_failed=self._fleet.file.roll_out.max_failed,
            parallel=self._parallel,
        )
        return summary_of(
            tuple(outcomes.get(name) or outcome_without(plan) for name, plan in plans.items()), stopped_why
        )

    def _work(self, plan: Plan) -> Outcome:
        tell = partial(self._display.told, plan.device.id)
        board = self._boards[plan.device.id]
        return Installing(plan, board, self._order.options, self._enrolment, self._stop.now.is_set, tell).run()


def outcome_without(plan: Plan) -> Outcome:
    """Return what is to be said of a board that nothing was done at."""
    status: Status = "not-begun" if plan.changes else "unchanged"
    if plan.problem is not None:
        status = "unreachable" if plan.problem.kind in NOT_REACHED else "blocked"
    was = plan.report.current if plan.report is not None else None
    return Outcome(
        device=plan.device.id,
        site=plan.device.site,
        status=status,
        was=was,
        now=was,
        why=plan.why,
        problem=plan.problem,
    )


def logins(devices: Sequence[Device]) -> dict[str, Login]:
    """Return how each is reached."""
    return {device.id: device.login for device in devices}


def stops() -> tuple[Stop, Handler]:
    """Return a stop, and what hears signals: the first begins no more boards, the second leaves at once."""
    stop = Stop(threading.Event(), threading.Event())
    return stop, lambda number, frame: _hear(stop, number, frame)


def _hear(stop: Stop, number: int, frame: FrameType | None) -> None:
    handler = setting(stop.now if stop.soon.is_set() else stop.soon)
    assert callable(handler)
    handler(number, frame)
