"""Ports of smart meters: what P1, SML and IEC 62056-21 have in common, and how each is cut into telegrams."""
