"""The live page: the fleet as the collector's journal has it now, in a browser. It reads only."""
