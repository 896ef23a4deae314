"""Mutated input for everything that reads text from outside: manifests, traces and labels; seeded and bounded."""
