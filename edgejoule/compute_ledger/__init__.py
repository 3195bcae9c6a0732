"""The compute ledger: what a model computes, set beside the joules that it costs, on one device at one boundary."""
