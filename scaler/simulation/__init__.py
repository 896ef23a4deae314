"""Replays a trace through the real decision, without any I/O."""

from scaler.simulation.replay import Row, Summary, json_lines, simulate, summarize
from scaler.simulation.table import table
from scaler.simulation.trace import TraceStep, parse_trace

__all__ = ["Row", "Summary", "TraceStep", "json_lines", "parse_trace", "simulate", "summarize", "table"]
