"""Words of a question that seldom mean the stored value that is spelled like them."""

from plugins.text2sql.spans import COMMON_WORDS

COMMON = COMMON_WORDS | {"goods", "home", "paid", "supply"}
"""Those of the demo shop, too."""
