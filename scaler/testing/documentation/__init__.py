"""Documentation that cannot go stale: its commands are run, its links followed, its reference written by the code."""
