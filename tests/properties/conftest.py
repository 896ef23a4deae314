"""One profile for all properties."""

from __future__ import annotations

from hypothesis import settings

# A loaded machine is no failure: the timeout of the whole test is what bounds it.
settings.register_profile("scaler", deadline=None)
settings.load_profile("scaler")
