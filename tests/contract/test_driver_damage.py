"""What a bad line may do to any meter, found by the registry: never raise, never make up energy.

Ten thousand seeded pieces of damage for each driver (flipped, lost, inserted, doubled, exchanged and overwritten
bytes), fifty to a conversation; every bit of an answer flipped once; reads that come twice; a meter that begins anew;
and what the register says of the energy after each.
"""

import random
import re
from functools import cache

import numpy as np
import pytest

from firmware_bridge.driver import MeterDriver
from firmware_bridge.energy import energy_between
from firmware_bridge.registry import driver_names, get_driver
from firmware_bridge.samples import EnergyDelta
from tests.fakes.damage import KINDS, LOSSES, BadLine, Damage, OneFlip, insert, twice
from tests.fakes.driver_checks import check_listening, reads_with_samples
from tests.fakes.meter_talk import Conversation, Decoded, Said, decode_again
from tests.fakes.metered_talk import SAMPLES_A_READ, MeteredTalk, SquareLoad, full_scale_w, is_slow, quiet_options
from tests.fakes.streams import timeline_of

CORRUPTIONS = 10_000
HITS_A_TALK = 50
MOST_BITS = 2000
DRAWN_BITS = 400
"""Of a longer format's bits, so many are drawn."""
HANDSHAKE_BITS = 100
UNSEEN_INTERVALS = 3
"""What one piece of damage that no check can show may last: the wrong sample, and half the time to its neighbours."""
SAYS_WHAT_PASSES = re.compile(r"\b(unseen|passes|no checksum|no check)\b", re.IGNORECASE)

every_driver = pytest.mark.parametrize("driver", driver_names(), indirect=True)


@pytest.fixture(scope="session")
def driver(request: pytest.FixtureRequest) -> MeterDriver:
    return get_driver(str(request.param))


@cache
def transcript(name: str) -> tuple[Said, ...]:
    """A handshake and a few reads with samples."""
    talk = MeteredTalk(get_driver(name), BadLine(KINDS, 0.0, random.Random(1)))
    talk.start()
    for _ in range(4):
        while not talk.tick():
            pass
    return tuple(talk.talk.said)


def readings(decoded: Decoded) -> set[tuple[float, ...]]:
    """Every reading, and every state of the meter's own counter."""
    columns = (decoded.column(name).tolist() for name in ("voltage_v", "current_a", "power_w"))
    counters = [block.counter_j for block in decoded.blocks() if block.counter_j is not None]
    return {*zip(*columns, strict=True), *((float(x),) for column in counters for x in column[np.isfinite(column)])}


def with_one_bit_flipped(name: str) -> list[tuple[Said, ...]]:
    """The transcript as often as there are bits in what the meter said between its last samples but two and three."""
    driver, said = get_driver(name), transcript(name)
    with_samples = reads_with_samples(driver, said, quiet_options(driver))
    reads = [i for i in range(with_samples[-4] + 1, with_samples[-3] + 1) if said[i].from_meter]
    bits = [(i, bit) for i in reads for bit in range(8 * len(said[i].data))]
    if len(bits) > MOST_BITS:
        bits = random.Random(1).sample(bits, DRAWN_BITS)
    flipped = []
    for i, bit in bits:
        data = OneFlip(bit)(said[i].data)
        flipped.append((*said[:i], Said(said[i].t_host_s, from_meter=True, data=data), *said[i + 1 :]))
    return flipped


@cache
def unseen_flips(name: str) -> tuple[tuple[Said, ...], ...]:
    """Those transcripts with one flipped bit that give another reading than the true ones."""
    driver = get_driver(name)
    options = quiet_options(driver)
    clean = readings(decode_again(driver, transcript(name), options=options))
    return tuple(
        said
        for said in with_one_bit_flipped(name)
        if not readings(decode_again(driver, said, options=options)) <= clean
    )


def worst_j(driver: MeterDriver) -> float:
    """What one wrong sample can add: full scale for as long as a sample can count."""
    return UNSEEN_INTERVALS * full_scale_w(driver.data_sheet) * driver.data_sheet.max_interval_s


def delta_of(driver: MeterDriver, said: tuple[Said, ...]) -> EnergyDelta:
    timeline = timeline_of(driver, said, quiet_options(driver))
    first = timeline.first()
    assert first is not None
    return energy_between(first, timeline.latest())


@every_driver
def test_ten_thousand_corruptions_never_raise_and_never_make_up_power(driver: MeterDriver) -> None:
    hits = 0
    for seed in range(CORRUPTIONS // HITS_A_TALK):
        talk = MeteredTalk(driver, BadLine(KINDS, 0.7, random.Random(seed)), seed=seed, ticks_a_sample=2)
        talk.start()
        talk.damage(HITS_A_TALK)
        talk.recover()
        decoded = talk.talk.decoded
        decoded.check_blocks()
        assert abs(decoded.column("power_w")).max() <= 1.25 * full_scale_w(driver.data_sheet)
        assert np.isfinite(talk.delta().energy_j)
        hits += talk.line.hits
    assert hits >= CORRUPTIONS


@every_driver
@pytest.mark.parametrize("kind", LOSSES, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("half_intervals", [None, 4.0], ids=["steady", "stepping"])
def test_energy_keeps_its_bound_whatever_is_lost(
    driver: MeterDriver, kind: Damage, half_intervals: float | None
) -> None:
    unchecked_noise = kind is insert and bool(unseen_flips(driver.name))
    for seed in range(5):
        talk = MeteredTalk(driver, BadLine((kind,), 0.2, random.Random(seed)), half_intervals, seed=seed)
        talk.start()
        talk.damage(10)
        talk.recover()
        talk.check_energy(talk.line.hits * worst_j(driver) if unchecked_noise else 0.0)


@every_driver
def test_a_read_that_comes_twice_adds_no_more_than_itself(driver: MeterDriver) -> None:
    sheet = driver.data_sheet
    talk = MeteredTalk(driver, BadLine((twice,), 0.2, random.Random(1)))
    talk.start()
    talk.damage(10)
    talk.recover()
    read_s = 0.0 if is_slow(sheet) else SAMPLES_A_READ * sheet.sample_interval_s
    talk.check_energy(talk.line.hits * talk.load.most_w * read_s)


@every_driver
def test_a_flipped_bit_is_seen_or_the_data_sheet_says_what_it_can_do(driver: MeterDriver) -> None:
    unseen = unseen_flips(driver.name)
    said_so = SAYS_WHAT_PASSES.search(driver.data_sheet.integrity)
    assert not unseen or said_so, f"{len(unseen)} bits pass unseen, which the sheet's integrity does not say"
    clean = delta_of(driver, transcript(driver.name))
    for said in unseen[:: max(1, len(unseen) // 200)]:
        power_w = decode_again(driver, said, options=quiet_options(driver)).column("power_w")
        assert abs(power_w).max() <= 1.25 * full_scale_w(driver.data_sheet)
        delta = delta_of(driver, said)
        assert abs(delta.energy_j - clean.energy_j) <= worst_j(driver) + delta.gap_bound_j


@every_driver
def test_a_flipped_bit_in_the_handshake_does_not_silence_the_meter(driver: MeterDriver) -> None:
    """What is learnt from a damaged answer must not last: without a sample the meter is asked again."""
    sheet = driver.data_sheet
    load = SquareLoad(sheet, None)
    said = transcript(driver.name)
    first = reads_with_samples(driver, said, quiet_options(driver))[0]
    before = [one for one in said[:first] if one.from_meter]
    bits = 8 * sum(len(one.data) for one in before)
    for bit in random.Random(1).sample(range(bits), min(bits, HANDSHAKE_BITS)):
        talk = Conversation(driver, quiet_options(driver), line=OneFlip(bit))
        limit_s = 15.0 + 10.0 * sheet.sample_interval_s
        while not talk.decoded.blocks():
            talk.run(talk.tick_s, load)
            assert talk.t_s < limit_s, f"bit {bit} of the handshake: {talk.decoded.frame_errors()[-3:]}"


@every_driver
@pytest.mark.parametrize("other", [0, 1], ids=["the same unit", "another unit"])
def test_a_meter_that_begins_anew_leaves_the_energy_before_and_after(driver: MeterDriver, other: int) -> None:
    talk = MeteredTalk(driver, BadLine(KINDS, 0.0, random.Random(1)))
    talk.start()
    for _ in range(30):
        talk.tick()
    before = talk.delta()
    talk.talk.encoder = driver.make_encoder(quiet_options(driver), 1 + other)
    talk.talk.tick_s = max(talk.talk.tick_s, 0.02) if not is_slow(driver.data_sheet) else talk.talk.tick_s
    talk.recover()
    after = talk.delta()
    assert after.energy_j > before.energy_j
    assert after.covered_s > before.covered_s
    most_j = 1.01 * talk.load.most_w * (after.covered_s - before.covered_s) + after.resolution_j
    assert after.energy_j - before.energy_j <= most_j
    talk.talk.decoded.check_blocks()
    talk.check_energy()


@every_driver
def test_who_only_listens_gets_the_same_samples_or_hears_what_is_missing(driver: MeterDriver) -> None:
    check_listening(driver, transcript(driver.name), quiet_options(driver))
