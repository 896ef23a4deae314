"""Pure functions from policy, state, readings, replica counts and time to a decision: no I/O, no clock, no log."""

from scaler.decision.memory import initial_state, resumed
from scaler.decision.tick import decide

__all__ = ["decide", "initial_state", "resumed"]
