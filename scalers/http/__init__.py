"""Requests to the app itself, as the ingress counts them."""
