"""What Envoy is told: pure functions from what apps want to Envoy's resources, and the service that sends them."""
