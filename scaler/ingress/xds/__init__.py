"""What Envoy is told: pure builders of its resources, and the discovery service that brings them to it."""
