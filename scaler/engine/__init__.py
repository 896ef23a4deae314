"""The imperative shell: loops that read, decide, apply and record."""
