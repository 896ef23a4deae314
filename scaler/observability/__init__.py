"""What operators see: metrics, logs and the HTTP API."""
