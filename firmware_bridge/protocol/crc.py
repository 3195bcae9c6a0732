"""Check sums that more than one meter uses."""


def _table(polynomial: int) -> tuple[int, ...]:
    entries = []
    for byte in range(256):
        register = byte
        for _ in range(8):
            register = (register >> 1) ^ polynomial if register & 1 else register >> 1
        entries.append(register)
    return tuple(entries)


_MODBUS = _table(0xA001)


def crc16_modbus(data: bytes) -> int:
    """Return the CRC-16 of Modbus over serial line v1.02, 6.2.2 (reflected 0x8005, start 0xFFFF); 0..65535."""
    register = 0xFFFF
    for byte in data:
        register = (register >> 8) ^ _MODBUS[(register ^ byte) & 0xFF]
    return register
