"""The calibration record in flash: what this unit's shunt and chip were found to be, by whom and when.

True current = current_gain x (shunt voltage / shunt_ohm) + current_offset_a; the voltage likewise. The firmware never
applies it: raw registers go over the wire and the host computes, so a wrong record can be undone in a recording.
Numbers stay the text that was given, because this interpreter's floats have 24 bits.
"""

import binascii
import json
import os

PATH = "calibration.json"
TEXT_LIMIT = 40
NUMBERS = {
    "current_gain": (0.9, 1.1),
    "current_offset_a": (-0.1, 0.1),
    "voltage_gain": (0.9, 1.1),
    "voltage_offset_v": (-1.0, 1.0),
    "shunt_ohm": (0.0005, 1.0),
}
DEFAULTS = {
    "current_gain": "1",
    "current_offset_a": "0",
    "voltage_gain": "1",
    "voltage_offset_v": "0",
    "shunt_ohm": "0.005",
    "adc_range": "1",
    "date": "",
    "by": "",
}


def _check(values):
    return binascii.crc32(";".join(key + "=" + values[key] for key in sorted(DEFAULTS)).encode())


def read(path=PATH):
    """Return the record and its state: ``none`` (defaults), ``ok``, or ``damaged`` (defaults, not to be trusted)."""
    try:
        with open(path) as file:
            stored = json.load(file)
    except OSError:
        return dict(DEFAULTS), "none"
    except ValueError:
        return dict(DEFAULTS), "damaged"
    try:
        values = {key: stored[key] for key in DEFAULTS}
        if stored["check"] == _check(values):
            return values, "ok"
    except (KeyError, TypeError):
        pass
    return dict(DEFAULTS), "damaged"


def write(changes, path=PATH):
    """Check the changes, write them over the stored record, return the new one. Raises ValueError with the reason.

    The new file is complete before it takes the old one's place: a loss of power leaves one of the two.
    """
    values = read(path)[0]
    for key, text in changes.items():
        values[key] = _checked(key, text)
    if not (values["date"] and values["by"]):
        raise ValueError("say date=YYYY-MM-DD and by=WHO")
    stored = dict(values)
    stored["check"] = _check(values)
    with open(path + ".new", "w") as file:
        json.dump(stored, file)
    os.rename(path + ".new", path)
    return values


def _checked(key, text):
    if key not in DEFAULTS:
        raise ValueError("no field " + key)
    if key in NUMBERS:
        low, high = NUMBERS[key]
        if not low <= float(text) <= high:
            raise ValueError("%s must be from %s to %s" % (key, low, high))
    elif key == "adc_range":
        if text not in ("0", "1"):
            raise ValueError("adc_range must be 0 or 1")
    elif key == "date":
        if len(text) != 10 or text[4] != "-" or text[7] != "-":
            raise ValueError("date must be YYYY-MM-DD")
    elif not 0 < len(text) <= TEXT_LIMIT or ";" in text or "=" in text:
        raise ValueError("%s must be 1 to %d characters without ; and =" % (key, TEXT_LIMIT))
    return text
