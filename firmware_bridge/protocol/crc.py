"""Check sums that more than one meter uses."""


def _table(polynomial: int) -> tuple[int, ...]:
    entries = []
    for byte in range(256):
        register = byte
        for _ in range(8):
            register = (register >> 1) ^ polynomial if register & 1 else register >> 1
        entries.append(register)
    return tuple(entries)


_8005 = _table(0xA001)
_1021 = _table(0x8408)


def _reflected(table: tuple[int, ...], register: int, data: bytes) -> int:
    for byte in data:
        register = (register >> 8) ^ table[(register ^ byte) & 0xFF]
    return register


def crc16_modbus(data: bytes) -> int:
    """Return the CRC-16 of Modbus over serial line v1.02, 6.2.2 (reflected 0x8005, start 0xFFFF); 0..65535."""
    return _reflected(_8005, 0xFFFF, data)


def crc16_arc(data: bytes) -> int:
    """Return the CRC-16 of DSMR P1 companion standard 5.0.2, 6.2 (reflected 0x8005, start 0); 0..65535."""
    return _reflected(_8005, 0x0000, data)


def crc16_x25(data: bytes) -> int:
    """Return the CRC-16 of SML 1.04, transport layer (reflected 0x1021, start 0xFFFF, inverted); 0..65535."""
    return _reflected(_1021, 0xFFFF, data) ^ 0xFFFF


def crc16_kermit(data: bytes) -> int:
    """Return the CRC-16/KERMIT that some Holley meters put under SML (reflected 0x1021, start 0); 0..65535."""
    return _reflected(_1021, 0x0000, data)
