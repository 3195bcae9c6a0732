"""Accuracy per carbon over a catalogue of models."""
