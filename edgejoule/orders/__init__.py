"""Signed orders to devices, from the operator's side."""
