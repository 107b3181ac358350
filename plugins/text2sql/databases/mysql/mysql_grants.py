"""What a user may do, from what the server says it was granted."""

from __future__ import annotations

import re
from collections.abc import Iterable

_GRANT = re.compile(r"GRANT (.+?) ON (?:(?:TABLE|FUNCTION|PROCEDURE|PACKAGE\b.*?) )?(\S+) TO ", re.DOTALL)
_COLUMNS = re.compile(r"\([^)]*\)")
_READING = {
    "BINLOG MONITOR",
    "EXECUTE",
    "PROCESS",
    "REFERENCES",
    "REPLICATION CLIENT",
    "SELECT",
    "SHOW CREATE ROUTINE",
    "SHOW DATABASES",
    "SHOW VIEW",
    "SHOW_ROUTINE",
    "USAGE",
}
_MOST_NAMED = 5


def excessive(grants: Iterable[str]) -> tuple[str, ...]:
    """Return what of ``grants``, lines of SHOW GRANTS, reading doesn't need, as warnings.

    A line may hold the hash of a password, which doesn't get there.
    """
    warnings = []
    for line in grants:
        match = _GRANT.match(line)
        if match is None:
            continue  # a role: the server lists what it brings, too
        names = [" ".join(name.split()) for name in _COLUMNS.sub("", match[1]).split(",")]
        if line.endswith("WITH GRANT OPTION"):
            names.append("GRANT OPTION")
        powers = [name for name in names if name not in _READING]
        if powers:
            more = f" and {len(powers) - _MOST_NAMED} more" if len(powers) > _MOST_NAMED else ""
            where = match[2].replace("`", "")
            warnings.append(
                f"the user has {', '.join(powers[:_MOST_NAMED])}{more} on {where}; "
                "give the server one that may only read"
            )
    return tuple(dict.fromkeys(warnings))
