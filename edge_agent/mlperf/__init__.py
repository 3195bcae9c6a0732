"""Published MLPerf Tiny energy results, computed again from their raw meter traces: a self-check of our integrator."""
