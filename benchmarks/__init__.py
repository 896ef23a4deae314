"""What the service costs and how fast it reacts; each prints the machine, the versions and a ratio."""
