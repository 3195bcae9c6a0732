"""What the collector knows now of devices, models, grids, budgets and factors, as points: one file for each."""
