"""Replays a trace through the real decision, without any I/O."""
