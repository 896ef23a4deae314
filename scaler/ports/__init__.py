"""Contracts between the engine and what it is plugged together from; each has a suite in `scaler.testing`."""
