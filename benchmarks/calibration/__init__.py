"""Are the joules right, and does the stated uncertainty hold? Simulated benches of meters whose errors are known.

``python -m benchmarks.calibration`` runs the study and draws docs/images/calibration.svg; docs/uncertainty.md explains
it. Everything here is simulated, in simulated time; encoder, decoder, timeline, register and evaluation are the real
ones.
"""
