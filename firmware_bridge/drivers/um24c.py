"""RDTech UM24C: an inline USB tester that is asked over Bluetooth, about twice a second.

::

    host:  F0
    meter: 130 bytes, big-endian
       0 u16 0963     2 u16 V, 0.01 V     4 u16 A, 1 mA     6 u32 W, 1 mW     10 u16 C     12 u16 F
      14 u16 group shown, 0..9     16 ten groups of u32 mAh, u32 mWh     96, 98 u16 D+, D-, 0.01 V
     100 u16 charging mode        102 u32 mAh, 106 u32 mWh recorded above 110 u16 0.01 A in 112 u32 s
     116 u16 recording    118 u16 screen off, min    120 u16 brightness    122 u32 0.1 ohm    126 u16 screen
     128 u16 FFF1

There is no check sum: the end is always FF F1. Damage shows where fields must agree: watts are volts x amperes to the
last step of each, C and F are one temperature, the scale has an end, a counter can't run faster than the power says.
An answer that breaks one of these is dropped. What one flipped bit can do unseen: watts off by at most twice (V x one
step of A + A x one step of V + 2 mW), which is 34 mW at 5 V, 1 A; volts or amperes off as far as these watts allow;
the counter up by what twice the shown power draws in an interval + 2 mWh, which then shows as a reset; other fields.

Pairing: the meter is a Bluetooth classic serial port, PIN 1234. Once, with bluetoothctl: ``scan on``,
``pair ADDRESS``, the PIN, ``trust ADDRESS``. Then name the port ``rfcomm://ADDRESS`` (channel 1; another one is
``rfcomm://ADDRESS/2``), or ``sudo rfcomm bind 0 ADDRESS`` and ``/dev/rfcomm0``. One host at a time.

What it can carry: 4 to 24 V, 3 A, so a Pi or a Jetson Nano at the USB plug. The voltage is that at the meter, so
the cable to the board counts to the load. Whether the meter's own supply current is in the reading is not known here.
Volts, amperes and watts are taken for instants; whether the meter averages is not known. It shows 10 mV
and 1 mA: a step of power is 5 mW at 5 V and small currents.

Traps: ``counter_j`` is the mWh counter of the group that the meter shows. A button or F3 changes the group, F4 clears
it: both are a reset here, once the next answer confirms it. Group 0 is lost when the meter loses power. Nothing tells
whether the meter has measured since the last answer, so no answer is marked as stale. How a temperature below zero is
written is not known; it is passed on as it comes. Only F0 is ever sent to the meter, half a second apart at least.

Known from documents, not from a meter in hand: sigrok wiki "RDTech UM series"; libsigrok, rdtech-um driver;
rfinnie/rdserialtool; jarvisms/PythonUM24C.
"""

from firmware_bridge.protocol.um import UM24C, make_driver, make_sheet

_SHEET = make_sheet(
    UM24C,
    volts=(0.005, 2),
    amperes=(0.008, 3),
    basis=(
        "assumption: no data sheet of the maker could be read; 0.5 % + 2 counts of 10 mV and 0.8 % + 3 "
        "counts of 1 mA are what testers of this class claim"
    ),
    integrity=(
        "no check sum; answers are dropped whose watts are not volts x amperes: one flipped bit unseen "
        "moves power by at most 34 mW at 5 V, 1 A"
    ),
)

DRIVER = make_driver(UM24C, _SHEET, "RDTech UM24C, inline USB tester over Bluetooth, 24 V 3 A, about 2 readings/s")
