"""Pure functions from policy, state, readings, replica counts and time to a decision: no I/O, no clock, no log."""
