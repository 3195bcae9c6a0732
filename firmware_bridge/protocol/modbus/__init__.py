"""Meters with Modbus registers: asking and hearing, samples, the emulated meter, and two makers' registers."""
