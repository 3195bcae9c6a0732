"""What is told of devices and models: what they said last, how long ago, and nothing that nobody said."""

from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from collector.assess import Assessor
from collector.carbon.units import J_PER_KWH
from collector.gauges.devices import device_states, runtime_words
from collector.gauges.models import ModelGauge
from collector.intensity.yearly_table import load_yearly_table
from collector.inventory import Inventory, parse_inventory
from collector.journal import Journal
from collector.sinks.points import DeviceStatePoint, ModelInfoPoint
from edge_agent.wire.errors import ConfigurationError
from edge_agent.wire.records import Birth, Health, RuntimeIdentity, Status
from tests.fakes.benches import make_bench
from tests.fakes.delivery import make_birth
from tests.fakes.windows import FLEET, MODEL_ID, T0_UNIX_NS, make_batch

DEVICE = "pi4-01"
BOOT = "boot-0001"
S = 1_000_000_000
INVENTORY = """
[[device]]
id = "pi4-01"
site = "roof"
zone = "DE"
device_class = "gateway"
hardware = "raspberry-pi-4b-4gb"
lifetime_years = 5.0
in_service_since = 2025-10-09
[[model]]
id = "digits_mlp_int8"
source = "our meter"
vintage = "2025"
energy_kwh = {value = 2.0, low = 1.5, high = 3.0}
zone = "DE"
pue = 1.5
runs = 10
lifetime_inferences = 1e9
[[model]]
id = "bought"
source = "its maker"
vintage = "2025"
kgco2e = {value = 3.0}
"""


def birth(**changes: Any) -> Birth:
    return msgspec.structs.replace(make_birth(DEVICE, BOOT), **changes)


def health(**changes: Any) -> Health:
    known = Health(
        device_id=DEVICE, boot_id=BOOT, t_unix_ns=T0_UNIX_NS, clock_state="synchronised", last_seq=7, acked_seq=5,
        outbox_windows=2, outbox_bytes=900, dropped_windows=1, meter_connected=True,
        meter_frame_errors={"crc": 3, "length": 4}, meter_reconnects=1, agent_cpu_ratio=0.25,
        commands_done=2, commands_refused={"replayed": 4, "stale": 1},
    )  # fmt: skip
    return msgspec.structs.replace(known, **changes)


def assessor(inventory: Inventory | None = None) -> Assessor:
    return Assessor(inventory or Inventory(devices={}), load_yearly_table())


def state(journal: Journal, now_unix_ns: int, inventory: Inventory | None = None) -> DeviceStatePoint:
    (point,) = device_states(journal, assessor(inventory), now_unix_ns)
    return point


def models(gauge: ModelGauge, journal: Journal, now_unix_ns: int = T0_UNIX_NS) -> dict[str, ModelInfoPoint]:
    return {point.model: point for point in gauge.points(journal, now_unix_ns)}


def gauge(text: str = "") -> ModelGauge:
    return ModelGauge(parse_inventory(text).models, load_yearly_table().yearly)


def test_a_device_is_what_its_birth_and_its_health_say(journal: Journal) -> None:
    journal.put_birth(FLEET, birth(clock_state="rebased"), T0_UNIX_NS)
    journal.put_health(FLEET, health(), T0_UNIX_NS + 5 * S)
    journal.put_status(FLEET, Status(device_id=DEVICE, boot_id=BOOT, online=True, t_unix_ns=0), T0_UNIX_NS + 8 * S)
    point = state(journal, T0_UNIX_NS + 20 * S, parse_inventory(INVENTORY))
    assert (point.last_seen_age_s, point.health_age_s, point.online) == (12.0, 15.0, 1)
    assert (point.outbox_windows, point.outbox_bytes, point.dropped_windows) == (2, 900, 1)
    assert (point.meter_connected, point.meter_frame_errors, point.meter_reconnects) == (1, 7, 1)
    assert (point.commands_done, point.commands_refused) == (2, 5)
    assert (point.clock_state, point.clock_synchronised, point.agent_cpu_ratio) == ("synchronised", 1, 0.25)
    assert (point.site, point.zone, point.device_class, point.hardware) == (
        *("roof", "DE", "gateway", "raspberry-pi-4b-4gb"),
    )
    assert (point.runtime, point.simulated, point.boot_id) == ("litert 2.1.0 xnnpack, 1 thread", 1, BOOT)
    assert point.in_service_s == pytest.approx(32_020.0)  # T0 is 2025-10-09T08:53:20Z
    assert point.lifetime_s == pytest.approx(5 * 365.25 * 86_400, rel=1e-3)
    assert point.hardware_gco2e is not None
    assert point.hardware_gco2e > 1_000.0


def test_nothing_is_made_up_for_a_device_that_only_sent_windows(journal: Journal) -> None:
    journal.commit_batch(FLEET, make_batch(range(1, 3)), T0_UNIX_NS)
    point = state(journal, T0_UNIX_NS + 10 * S)
    known = {"fleet": FLEET, "device": DEVICE, "last_seen_age_s": 10.0, "online": 1, "retired": 0}
    assert {name: value for name in point.__struct_fields__ if (value := getattr(point, name)) not in ("", None)} == (
        known
    )


@pytest.mark.parametrize(("after_s", "online"), [(0, 1), (59, 1), (61, 0), (86_400, 0)])
def test_a_device_that_says_nothing_is_not_online(journal: Journal, after_s: int, online: int) -> None:
    journal.put_birth(FLEET, birth(), T0_UNIX_NS)
    assert state(journal, T0_UNIX_NS + after_s * S).online == online


@pytest.mark.parametrize(("after_s", "retired"), [(0, 0), (86_400, 1)])
def test_a_device_is_retired_from_the_day_on_that_the_inventory_says(
    journal: Journal, after_s: int, retired: int
) -> None:
    journal.put_birth(FLEET, birth(), T0_UNIX_NS)
    listed = INVENTORY.replace("[[model]]", "retired_on = 2025-10-10\n[[model]]", 1)
    assert state(journal, T0_UNIX_NS + after_s * S, parse_inventory(listed)).retired == retired


def test_a_device_whose_last_will_alone_was_heard_has_no_age(journal: Journal) -> None:
    journal.put_status(FLEET, Status(device_id=DEVICE, boot_id=BOOT, online=False, t_unix_ns=0), T0_UNIX_NS)
    point = state(journal, T0_UNIX_NS)
    assert (point.last_seen_age_s, point.online) == (None, 0)


def test_a_clock_that_was_put_back_gives_no_age_below_zero(journal: Journal) -> None:
    journal.put_health(FLEET, health(), T0_UNIX_NS)
    point = state(journal, T0_UNIX_NS - 60 * S)
    assert (point.last_seen_age_s, point.health_age_s) == (0.0, 0.0)


def test_a_device_that_began_again_is_what_its_birth_says_until_it_tells_its_health(journal: Journal) -> None:
    journal.put_health(FLEET, health(), T0_UNIX_NS)
    journal.put_birth(FLEET, birth(boot_id="boot-0002", clock_state="unsynchronised"), T0_UNIX_NS + S)
    point = state(journal, T0_UNIX_NS + 2 * S)
    assert (point.boot_id, point.clock_state, point.clock_synchronised) == ("boot-0002", "unsynchronised", 0)
    journal.put_health(FLEET, health(boot_id="boot-0002"), T0_UNIX_NS + 3 * S)
    assert state(journal, T0_UNIX_NS + 4 * S).clock_synchronised == 1


def test_an_older_agent_says_nothing_of_its_clock_at_birth(journal: Journal) -> None:
    journal.put_birth(FLEET, birth(), T0_UNIX_NS)
    point = state(journal, T0_UNIX_NS)
    assert (point.clock_state, point.clock_synchronised, point.outbox_windows) == (None, None, None)


def test_threads_are_counted_in_words() -> None:
    runtime = RuntimeIdentity(runtime="onnxruntime", version="1.20", delegate="cpu", threads=4)
    assert runtime_words(runtime) == "onnxruntime 1.20 cpu, 4 threads"


def test_a_model_is_what_the_latest_word_on_it_says(journal: Journal) -> None:
    journal.put_birth(FLEET, birth(model_macs=100, model_parameters=20, model_bytes=50), T0_UNIX_NS)
    later = birth(device_id="pi4-02", model_macs=200, model_accuracy_ratio=0.9)
    journal.put_birth(FLEET, later, T0_UNIX_NS + S)
    journal.put_birth(FLEET, birth(device_id="pi4-03"), T0_UNIX_NS + 2 * S)
    point = models(gauge(), journal)[MODEL_ID]
    assert (point.macs, point.parameters, point.size_bytes, point.accuracy_ratio) == (200, None, None, 0.9)
    assert point.devices == 3


def test_a_bench_speaks_for_a_model_that_no_device_runs(journal: Journal) -> None:
    found = gauge()
    journal.put_bench(FLEET, make_bench("b-1", model_id="small", model_macs=5), T0_UNIX_NS)
    assert models(found, journal)["small"].macs == 5
    journal.put_bench(FLEET, make_bench("b-2", model_id="small", model_macs=7, model_bytes=9), T0_UNIX_NS + S)
    journal.put_bench(FLEET, make_bench("b-3", model_id="large"), T0_UNIX_NS + S)
    points = models(found, journal)
    assert (points["small"].macs, points["small"].size_bytes, points["small"].devices) == (7, 9, 0)
    assert (points["large"].macs, points["large"].devices) == (None, 0)


def test_devices_that_left_do_not_run_a_model(journal: Journal) -> None:
    journal.put_birth(FLEET, birth(), T0_UNIX_NS)
    assert models(gauge(), journal, T0_UNIX_NS + 3_600 * S)[MODEL_ID].devices == 0


def test_the_making_of_a_model_comes_from_the_inventory(journal: Journal) -> None:
    points = models(gauge(INVENTORY), journal)
    measured, bought = points[MODEL_ID], points["bought"]
    assert measured.development_energy_j == pytest.approx(2.0 * 1.5 * 10 * J_PER_KWH)
    german = load_yearly_table().yearly("DE")
    assert german is not None
    assert measured.development_gco2e == pytest.approx(2.0 * 1.5 * 10 * german.factor.estimate.value)
    assert measured.lifetime_inferences == 1e9
    assert (bought.development_energy_j, bought.development_gco2e, bought.lifetime_inferences) == (None, 3_000.0, None)
    assert (bought.macs, bought.devices) == (None, 0)


def test_a_model_that_was_made_nowhere_known_is_one_line() -> None:
    with pytest.raises(ConfigurationError, match="model 'digits_mlp_int8': no yearly intensity for zone 'ATLANTIS'"):
        gauge(INVENTORY.replace('zone = "DE"\npue', 'zone = "ATLANTIS"\npue'))


def test_a_journal_of_an_earlier_version_does_not_say_when_a_health_came(journal: Journal, path: Path) -> None:
    journal.put_health(FLEET, health(), T0_UNIX_NS)
    with journal.transaction() as db:
        db.execute("DROP TABLE healths")
    with closing(Journal(path, read_only=True)) as reader:
        point = state(reader, T0_UNIX_NS + S)
    assert (point.health_age_s, point.outbox_windows) == (None, 2)
