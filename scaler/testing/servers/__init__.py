"""Real servers as child processes on free loopback ports, for tests, demo and benchmarks."""
