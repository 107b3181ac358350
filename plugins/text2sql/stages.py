"""The stages of the Text-to-SQL workflow.  Their names are stable: profiles, traces and metrics use them.

The workflow follows CHESS as HexGen-Flow runs it.  Information retrieval comes before schema linking;
unit tests and evaluation come between revision and selection.  Both have their place in this list's
order and are not part of the workflow yet.
"""

from __future__ import annotations

SCHEMA_LINKING = "schema_linking"
"""Which tables does the question need?"""
GENERATE_CANDIDATE = "generate_candidate"
"""Candidates in parallel, in alternating prompt styles."""
EXECUTE = "execute"
"""A candidate's SQL runs on the database (no LLM call)."""
REVISE = "revise"
"""A candidate that failed, was truncated or returned nothing is written again."""
SELECT = "select"
"""The result that most candidates agree on (no LLM call)."""
