"""The sampling loop: one conversion, one data-ready pulse, one sample; whatever else is due has a slot of its own.

Between two conversions there is time for two register reads and one more small thing. So what a frame needs beyond
its samples is spread: slot 0 sends the frame before, slot 1 reads the temperature, slot 2 checks one setting of the
chip, slot 3 takes commands, slot 4 repeats the identity, the last slot reads ENERGY.
"""

from array import array
from time import ticks_diff, ticks_us

import frame
import ina228
import record
from machine import disable_irq, enable_irq, idle

MODEL = "pico_ina228"
VERSION = "1.0.0"
SAMPLES_PER_FRAME = 20
IDENTITY_EVERY_FRAMES = 50
NO_PULSE_US = 250_000
LONGEST_STEP_US = 0xFFFF
RETRY_US = 1_000_000

_TIME, _SEQ, _CONVERSIONS = range(3)


class Meter:
    """The instrument. ``port`` has ``line()``, which returns a command or None, and ``write(data)``."""

    def __init__(self, chip, ready, marker, port, serial_number, board, boot):
        self._chip = chip
        self._marker = marker
        self._port = port
        self._about = "model=%s;firmware=%s;serial=%s;board=%s" % (MODEL, VERSION, serial_number, board)
        self._boot = boot
        self._table = frame.crc_table()
        self._fill = frame.SampleFrame(SAMPLES_PER_FRAME, self._table)
        self._spare = frame.SampleFrame(SAMPLES_PER_FRAME, self._table)
        self.counters = array("I", (0, 0, 0))
        self._tick = ticks_us()
        self._pending = self._ready_us = self._level = self._marked = 0
        self._slot = self._unsent = self._frames = self._profile = 0
        self._sampled_us = self._taken_us = self._tick
        self._taken_level = 0
        self.streaming = False
        self._problem = "the chip is not set up yet"
        self._tried_us = self._tick
        self._values, self._record_state = record.read()
        self._identity = b""
        marker.irq(self._on_marker, marker.IRQ_RISING, hard=True)
        ready.irq(self._on_ready, ready.IRQ_FALLING, hard=True)
        self._set_up()

    # --- interrupts: only small integers and existing attributes, as nothing can be allocated here ---

    def _on_ready(self, _pin):
        self._ready_us = ticks_us()
        self._level = self._marked | self._marker()
        self._marked = 0
        self._pending += 1

    def _on_marker(self, _pin):
        self._marked = 1

    # --- the loop ---

    def run(self):
        """Serve until the host says quit."""
        while self.step():
            pass

    def step(self):
        """Take one sample, or one command while nothing streams; return False to end."""
        if self.streaming:
            self._sample()
            return True
        idle()
        self._advance(ticks_us())
        self._take_pulses()
        if self._problem and ticks_diff(ticks_us(), self._tried_us) > RETRY_US:
            self._set_up()
        return self.obey(self._port.line())

    def _sample(self):
        if not self._wait():
            self._fault("no data-ready pulse: is ALERT wired, and does the chip have power?")
            return
        self._take_pulses()
        ready_us = self._taken_us
        self._advance(ready_us)
        step_us = ticks_diff(ready_us, self._sampled_us)
        if self._slot and step_us > LONGEST_STEP_US:
            self._close(False)
        slot, fill = self._slot, self._fill
        try:
            self._chip.read_into(ina228.VSHUNT, fill.shunt[slot])
            self._chip.read_into(ina228.VBUS, fill.bus[slot])
            if self._pending:  # the next conversion ended meanwhile: the two values may not belong together
                return
            if slot == 0:
                step_us = 0
                frame.put32(fill.payload, 4, self.counters, _SEQ)
                frame.put32(fill.payload, 12, self.counters, _TIME)
            fill.sample(slot, step_us, self._taken_level)
            frame.put32(fill.payload, 8, self.counters, _CONVERSIONS)
            frame.add32(self.counters, _SEQ, 1)
            self._sampled_us = ready_us
            self._slot = slot + 1
            if self._slot == SAMPLES_PER_FRAME:
                self._chip.read_into(ina228.ENERGY, fill.energy)
                self._close(not self._pending)
            else:
                self._chore(slot)
        except OSError:
            self._fault("the chip stopped answering on I2C")

    def _wait(self):
        began_us = ticks_us()
        while not self._pending:
            idle()
            if ticks_diff(ticks_us(), began_us) > NO_PULSE_US:
                return False
        return True

    def _take_pulses(self):
        """Take over time and marker of the last conversion, and count those that ended since the last call."""
        state = disable_irq()
        count = self._pending
        self._pending = 0
        self._taken_us = self._ready_us
        self._taken_level = self._level
        enable_irq(state)
        frame.add32(self.counters, _CONVERSIONS, count)

    def _advance(self, now_us):
        """Carry the 32-bit clock on: the interpreter's own ticks roll over after 2**30."""
        step_us = ticks_diff(now_us, self._tick)
        self._tick = now_us
        frame.add32(self.counters, _TIME, step_us)

    def _chore(self, slot):
        if slot == 0:
            self._send()
        elif slot == 1:
            self._chip.read_into(ina228.DIETEMP, self._fill.temperature)
        elif slot == 2:
            if not self._chip.still_configured():
                self._fault("the chip lost its settings: did its supply dip?")
        elif slot == 3:
            self.obey(self._port.line())
        elif slot == 4 and self._frames % IDENTITY_EVERY_FRAMES == 0:
            self._port.write(self._identity)

    def _close(self, energy_valid):
        """Set the current frame aside for sending, and go on in the other one."""
        self._send()
        fill = self._fill
        fill.payload[1] = self._profile | (frame.ENERGY_VALID if energy_valid else 0)
        frame.put16(fill.payload, 2, self._boot)
        self._fill, self._spare = self._spare, fill
        self._unsent = self._slot
        self._slot = 0
        self._frames += 1

    def _send(self):
        if self._unsent:
            count, self._unsent = self._unsent, 0
            self._port.write(self._spare.seal(count))

    # --- what the host asks ---

    def obey(self, line):
        """Carry out one command line; return False for quit."""
        if not line:
            return True
        words = line.split()
        name, arguments = words[0], words[1:]
        if name == "quit":
            self._stop()
            return False
        action = getattr(self, "_do_" + name, None)
        if action is None:
            self._reply("error: no command " + name[:20])
            return True
        try:
            action(*arguments)
        except (ValueError, TypeError, ina228.NotThere) as error:
            self._reply("error: %s: %s" % (name, error))
        except OSError:
            self._fault("the chip stopped answering on I2C")
        return True

    def _do_identify(self):
        self._port.write(self._identity)

    def _do_start(self):
        if self._record_state == "damaged":
            raise ValueError("the calibration record in flash is damaged: write it again with calibrate")
        if self._problem:
            raise ValueError(self._problem)
        self._advance(ticks_us())
        self._take_pulses()
        self._slot = self._unsent = 0
        self.streaming = True
        self._reply("ok start")

    def _do_stop(self):
        self._stop()
        self._reply("ok stop")

    def _do_rate(self, profile):
        self._only_stopped()
        if not 0 <= int(profile) < len(ina228.PROFILES):
            raise ValueError("give 0 to %d" % (len(ina228.PROFILES) - 1))
        self._profile = int(profile)
        self._set_up()
        self._reply("ok rate")

    def _do_calibrate(self, *changes):
        self._only_stopped()
        pairs = [change.split("=") for change in changes]
        if any(len(pair) != 2 for pair in pairs):
            raise ValueError("give field=value, without spaces")
        self._values, self._record_state = record.write(dict(pairs)), "ok"
        self._set_up()
        self._reply("ok calibrate")
        self._port.write(self._identity)

    def _do_selftest(self):
        self._only_stopped()
        self._reply("selftest " + self._self_test())
        self._set_up()

    # --- the chip ---

    def _only_stopped(self):
        if self.streaming:
            raise ValueError("stop first")

    def _stop(self):
        if self.streaming:
            self.streaming = False
            if self._slot:
                self._close(False)
            self._send()

    def _set_up(self):
        """Set the chip up anew, which clears its ENERGY: the host sees that by a new boot number."""
        self._tried_us = ticks_us()
        self._boot = (self._boot + 1) & 0xFFFF
        try:
            self._chip.identify()
            self._chip.configure(int(self._values["adc_range"]), self._profile)
            self._problem = ""
        except ina228.NotThere as error:
            self._problem = str(error)
        except OSError:
            self._problem = "the chip does not answer on I2C"
        fields = ["%s=%s" % (key, self._values[key]) for key in sorted(record.DEFAULTS)]
        text = "%s;profile=%d;record=%s;%s" % (self._about, self._profile, self._record_state, ";".join(fields))
        self._identity = frame.text_frame(frame.IDENTITY, self._boot, text, self._table)

    def _fault(self, what):
        """Stop, tell the host, and let the next steps try to set the chip up again."""
        self._stop()
        self._problem = what
        self._port.write(frame.text_frame(frame.FAULT, self._boot, what, self._table))

    def _reply(self, text):
        self._port.write(frame.text_frame(frame.REPLY, self._boot, text, self._table))

    def _self_test(self):
        """Return what works: chip and its memory, pulse rate against the time between conversions, ENERGY moves."""
        self._chip.identify()
        status = self._chip.read16(ina228.DIAG_ALRT)
        before, after = bytearray(5), bytearray(5)
        self._chip.read_into(ina228.ENERGY, before)
        self._take_pulses()
        if not self._wait():
            return "failed: no data-ready pulse"
        self._take_pulses()
        began_us = self._taken_us
        count = 0
        while count < 50:
            if not self._wait():
                return "failed: data-ready pulses stopped"
            count += self._pending
            self._take_pulses()
        self._chip.read_into(ina228.ENERGY, after)
        found_us = ticks_diff(self._taken_us, began_us) / count
        nominal_us = ina228.PROFILES[self._profile][1]
        parts = [
            "memory=" + ("ok" if status & ina228.MEMORY_OK else "damaged"),
            "interval_us=%.1f" % found_us,
            "nominal_us=%d" % nominal_us,
            "energy=" + ("moves" if before != after else "stands"),
            "marker=%d" % self._marker(),
            "die_c=%.1f" % (_signed16(self._chip.read16(ina228.DIETEMP)) * 7.8125e-3),
        ]
        good = status & ina228.MEMORY_OK and abs(found_us / nominal_us - 1) < 0.02
        return ("ok " if good else "failed ") + " ".join(parts)


def _signed16(value):
    return value - 0x10000 if value & 0x8000 else value
