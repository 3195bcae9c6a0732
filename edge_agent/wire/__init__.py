"""THE contract between agent and collector, version 1: records, codec, topics. Imports nothing of ours, no I/O."""
