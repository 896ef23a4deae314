"""Event sources under load, one module each."""
