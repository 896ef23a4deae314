"""An event-driven autoscaler for containers: reads event sources, decides replica counts, makes containers match."""
