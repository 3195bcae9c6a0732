"""Stuffs each payload of IN.json (a list of lists of bytes) as the firmware does, into OUT.bin: FIRMWARE IN OUT."""

import json
import sys

sys.path.insert(0, sys.argv[1])

import frame

with open(sys.argv[2]) as file:
    payloads = json.load(file)
with open(sys.argv[3], "wb") as file:
    for numbers in payloads:
        payload = bytearray(numbers)
        out = bytearray(len(payload) + len(payload) // 254 + 3)
        size = frame.stuff(payload, len(payload), out)
        file.write(out[:size])
