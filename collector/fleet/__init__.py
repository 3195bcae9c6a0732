"""The fleet report: windows added up by device, meter and hour, with their uncertainty and their grams."""
