"""Ingress: Envoy carries the requests; here it is started, told what to do, and asked what it has in flight."""
