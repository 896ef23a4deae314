"""Contract suites and fakes for plugin authors, and real servers on free loopback ports."""
