"""The answer to a refresh question as report and figure, and what a lake measured of a class of devices."""
