"""The only place that constructs concrete classes."""
