"""RDTech UM34C: an inline USB tester that is asked over Bluetooth, about twice a second.

::

    host:  F0
    meter: 130 bytes, big-endian
       0 u16 0D4C     2 u16 V, 0.01 V     4 u16 A, 1 mA     6 u32 W, 1 mW     10 u16 C     12 u16 F
      14 u16 group shown, 0..9     16 ten groups of u32 mAh, u32 mWh     96, 98 u16 D+, D-, 0.01 V
     100 u16 charging mode        102 u32 mAh, 106 u32 mWh recorded above 110 u16 0.01 A in 112 u32 s
     116 u16 recording    118 u16 screen off, min    120 u16 brightness    122 u32 0.1 ohm    126 u16 screen
     128 u8 not known    129 u8 check

The last byte is the exclusive-or of bytes 1, 3, 7, 9, 15, 17, 19, 23, 31, 39, 41, 45, 49, 53, 55, 57, 59, 63, 67, 69,
73, 79, 83, 89, 97, 99, 109, 111, 113, 119, 121 and 127: of volts and watts the low bytes, of amperes none. Fields must
agree besides: watts are volts x amperes to the last step of each, C and F are one temperature, the scale has an end,
a counter can't run faster than the power says. An answer that breaks one of these is dropped. What one flipped bit can
do unseen: amperes off by what the watts allow, 7 mA at 5 V, 1 A, with watts as sent; the counter up by what twice the
shown power draws in an interval + 2 mWh (in the bytes left out), which then shows as a reset; other fields.

Pairing: the meter is a Bluetooth classic serial port, PIN 1234. Once, with bluetoothctl: ``scan on``,
``pair ADDRESS``, the PIN, ``trust ADDRESS``. Then name the port ``rfcomm://ADDRESS`` (channel 1; another one is
``rfcomm://ADDRESS/2``), or ``sudo rfcomm bind 0 ADDRESS`` and ``/dev/rfcomm0``. One host at a time.

What it can carry: 4 to 24 V, 4 A, so a Pi or a Jetson Nano at the USB plug. The voltage is that at the meter, so
the cable to the board counts to the load. Whether the meter's own supply current is in the reading is not known here.
Volts, amperes and watts are taken for instants; whether the meter averages is not known. It shows 10 mV
and 1 mA: a step of power is 5 mW at 5 V and small currents.

Traps: ``counter_j`` is the mWh counter of the group that the meter shows. A button or F3 changes the group, F4 clears
it: both are a reset here, once the next answer confirms it. Group 0 is lost when the meter loses power. Nothing tells
whether the meter has measured since the last answer, so no answer is marked as stale. How a temperature below zero is
written is not known; it is passed on as it comes. Only F0 is ever sent to the meter, half a second apart at least.

Known from documents, not from a meter in hand: sigrok wiki "RDTech UM series"; libsigrok, rdtech-um driver;
rfinnie/rdserialtool; one answer in S3nsu1k4n/um34c_visualization.
"""

from firmware_bridge.protocol.um import UM34C, make_driver, make_sheet

_SHEET = make_sheet(
    UM34C,
    volts=(0.005, 2),
    amperes=(0.008, 3),
    basis=(
        "assumption: no data sheet of the maker could be read; 0.5 % + 2 counts of 10 mV and 0.8 % + 3 "
        "counts of 1 mA are what testers of this class claim"
    ),
    integrity=(
        "exclusive-or over 32 of 130 bytes, no check over the amperes but that watts are volts x amperes: one "
        "flipped bit unseen moves amperes by at most 7 mA at 5 V, 1 A"
    ),
)

DRIVER = make_driver(UM34C, _SHEET, "RDTech UM34C, inline USB 3 tester over Bluetooth, 24 V 4 A, about 2 readings/s")
