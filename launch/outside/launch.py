"""Stands in for the package ``launch`` outside the checkout, to say what is wrong.

It is the only module that is installed.  In the checkout the folder ``launch`` comes first on Python's path.
"""

_WHERE = "change to the folder that holds its pyproject.toml"

raise SystemExit(f"sluice: run this from Sluice's checkout: {_WHERE}")
