"""Settings of the whole test suite."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

# A test beside running engines may be slow at any example; pytest-timeout bounds it instead.
settings.register_profile("sluice", deadline=None, suppress_health_check=[HealthCheck.too_slow])
# ``make test`` looks at fewer examples (--hypothesis-profile), ``make test-all`` at all.
settings.register_profile("quick", settings.get_profile("sluice"), max_examples=30)
settings.load_profile("sluice")
