"""The fleet as a follower of the journal knows it: accounts, the latest window of each device, bins over time."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import pyarrow as pa

from collector.assess import Assessor
from collector.fleet.accounts import FleetAccounts, account_of_nothing
from collector.fleet.rows import COLUMNS
from collector.fleet.values import Account, DeviceAccount
from collector.fleet.window_sums import Key
from collector.sinks.lake import rows_to_table
from collector.values import DeviceState, StoredWindow
from collector.web.live import answers
from collector.web.live.answers import DeviceAnswer, IntensityAnswer, Latest
from collector.web.live.bins import FleetBins
from edge_agent.wire.records import InferenceWindow


class Knowledge(NamedTuple):
    """What grams are reckoned with. ``number``: of the newest intensity in it. ``intensities``: those of a moment."""

    assessor: Assessor
    number: int
    intensities: Callable[[int], Sequence[IntensityAnswer]]


class Seen(NamedTuple):
    """The accounts of one moment."""

    total: Account
    devices: Sequence[DeviceAccount]
    changed: Mapping[Key, DeviceAnswer]


class FollowedFleet:
    """Windows are added in the order of the journal, each once; what has been looked at is not looked at again."""

    def __init__(self, knowledge: Knowledge) -> None:
        self.knowledge = knowledge
        self._accounts = FleetAccounts(knowledge.assessor)
        self.bins = FleetBins()
        self._latest: dict[Key, tuple[int, Latest]] = {}
        self._states: dict[Key, DeviceState] = {}
        self._answers: dict[Key, DeviceAnswer] = {}
        self._touched: set[Key] = set()

    def add_table(self, table: pa.Table, now_unix_ns: int) -> None:
        """Take a page of windows (``rows.COLUMNS``) without their latest ones being shown."""
        grams = self._accounts.add(table)
        self.bins.add(table, grams, now_unix_ns)

    def add_rows(self, rows: Sequence[StoredWindow], now_unix_ns: int) -> None:
        """Take windows as the journal gives them."""
        self.add_table(rows_to_table(rows, COLUMNS), now_unix_ns)
        for row in rows:
            self.show((row.fleet, row.device_id), row.window)

    def show(self, key: Key, window: InferenceWindow) -> None:
        """Show this window as the device's latest, unless a later one is shown."""
        self._touched.add(key)
        shown = self._latest.get(key)
        if shown is None or shown[0] <= window.t_start_unix_ns:
            self._latest[key] = window.t_start_unix_ns, answers.latest(window)

    def look(self, states: Sequence[DeviceState], now_unix_ns: int) -> Seen:
        """Return the accounts, and the answers of the devices of which something changed."""
        heard = {(state.fleet, state.device_id): state for state in states}
        born_as = {key: state.birth.device_class for key, state in heard.items() if state.birth}
        total = self._accounts.total(born_as)
        accounts = {key: self._accounts.device(key, born_as.get(key, "")) for key in self._accounts.with_windows()}
        for fleet, device_id in accounts.keys() - heard.keys():
            heard[fleet, device_id] = DeviceState(fleet=fleet, device_id=device_id, last_seen_unix_ns=0)
        changed: dict[Key, DeviceAnswer] = {}
        for key, state in heard.items():
            known = self._answers.get(key)
            same = key not in self._touched and self._states.get(key) == state
            if known is not None and same and known.online == answers.is_online(state, now_unix_ns):
                continue
            account = accounts.get(key) or account_of_nothing()
            shown = self._latest.get(key)
            place = self.knowledge.assessor.describe(key[1])
            made = answers.device_answer(state, account, now_unix_ns, place, shown[1] if shown else None)
            self._answers[key] = changed[key] = made
        self._states = heard
        self._touched.clear()
        return Seen(total, tuple(accounts.values()), changed)
