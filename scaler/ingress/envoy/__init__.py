"""The Envoy that the service runs itself: what it begins with, its life, and what it tells of itself."""
