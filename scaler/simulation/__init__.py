"""Replays a trace through the real decision, without any I/O."""

from scaler.simulation.replay import Row, Summary, simulate, summarize
from scaler.simulation.table import table
from scaler.simulation.trace import TraceStep, parse_trace

__all__ = ["Row", "Summary", "TraceStep", "parse_trace", "simulate", "summarize", "table"]
