"""Published figures derived again with this package's own formulas: printed against exact, slips named. Pure."""
