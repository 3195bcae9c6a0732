"""Runs the firmware's Meter on the fake board through a scenario: rig.py FIRMWARE SCENARIO.json OUT_FOLDER.

A scenario: load, begin_ticks, begin_clock, oscillator_ppm, overhead_us, until_us, lock_heap and events, each
``[at_us, kind, argument]``: command, marker, dies, dip (the chip loses its supply for a moment), range (of the chip),
stall (the host does not read for so many microseconds).
OUT_FOLDER gets frames.bin, everything that the meter wrote, and truth.json: time, codes, marker and ENERGY of each
conversion, and the chip's registers at the end. The calibration record is in the folder where this runs.
"""

import json
import sys

sys.path.insert(0, __file__.rsplit("/", 1)[0])

import fake_board
from loads import LOADS


class ScriptedPort:
    """Gives command lines when their time has come, keeps what the meter writes."""

    def __init__(self, board, out):
        self.board = board
        self.out = out
        self.lines = []
        self.stall_us = 0

    def line(self):
        return self.lines.pop(0) if self.lines else None

    def write(self, data):
        if self.out is not None:
            self.out.write(data)
        if self.stall_us:
            span_us, self.stall_us = self.stall_us, 0
            self.board.pass_us(span_us)


def happen(kind, argument, board, port):
    if kind == "command":
        port.lines.append(argument)
    elif kind == "dies":
        board.chip.dies = argument
    elif kind == "dip":
        board.chip.reset()
    elif kind == "range":
        board.chip.registers[0] = argument << 4
    elif kind == "stall":
        port.stall_us = argument
    else:
        raise ValueError(kind)


def main(firmware, scenario_path, out_folder):
    with open(scenario_path) as file:
        scenario = json.load(file)
    board = fake_board.Board(LOADS[scenario.get("load", "ramp")], scenario.get("begin_ticks", 1000))
    board.chip.oscillator_ppm = scenario.get("oscillator_ppm", 0)
    events = sorted(scenario["events"], key=lambda event: event[0])
    board.marker_changes = [event[:1] + event[2:] for event in events if event[1] == "marker"]
    events = [event for event in events if event[1] != "marker"]
    fake_board.install(board, firmware)
    import machine
    from ina228 import Ina228
    from meter import Meter

    with open(out_folder + "/frames.bin", "wb") as out:
        port = ScriptedPort(board, out)
        bus = machine.I2C(0, sda=1, scl=2, freq=400000)
        bus.overhead_us = scenario.get("overhead_us", 40)
        meter = Meter(Ina228(bus, 0x40), machine.Pin(6), machine.Pin(7), port, "e660583883724a32", "rig", 7)
        meter.counters[0] = scenario.get("begin_clock", 0)
        going = True
        while going and board.now_us < scenario["until_us"]:
            while events and events[0][0] <= board.now_us:
                _at_us, kind, argument = events.pop(0)
                happen(kind, argument, board, port)
            going = meter.step()
        if scenario.get("lock_heap"):
            sample_without_memory(meter, board, port)
    with open(out_folder + "/truth.json", "w") as file:
        json.dump({"conversions": board.chip.truth, "ended": not going, "registers": board.chip.registers}, file)


def sample_without_memory(meter, board, port):
    """Take three frames with the heap locked: an allocation anywhere raises MemoryError."""
    import micropython

    board.chip.keeps_truth = False
    board.chip.load = steady
    port.out = None
    micropython.heap_lock()
    for _ in range(60):
        meter.step()
    micropython.heap_unlock()


_STEADY = (32000, 25600)


def steady(_k):
    return _STEADY


main(sys.argv[1], sys.argv[2], sys.argv[3])
