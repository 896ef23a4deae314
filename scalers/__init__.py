"""Event sources: one subpackage each, discovered through the entry-point group `scaler.scalers`."""
