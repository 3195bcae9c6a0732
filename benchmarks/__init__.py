"""Benchmarks: each thing against its floor or a peer. See ``benchmarks.harness`` for how to add one."""
