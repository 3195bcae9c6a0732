"""The whole system on one machine: simulated meters, real agents, broker, collector, report."""
