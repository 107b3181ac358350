"""What stops an attack should the check of statements not be there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

REFUSED = "refused"
"""The database refuses it."""
STOPPED = "stopped"
"""It ends at the time limit; the check refuses it before."""
HARMLESS = "harmless"
"""It runs, and changes nothing that outlives it; the check refuses it all the same."""
ENDLESS = "endless"
"""It is a SELECT like any other, which never ends by itself; it is stopped at the time limit."""
CHECKED = "checked"
"""Only the check holds it: it would fill the memory or hold a thread."""

Attacks = Mapping[str, Mapping[str, Sequence[str]]]
"""Statements, by what stops them and by what they are after."""
