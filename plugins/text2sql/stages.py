"""The stages of the Text-to-SQL workflow.  Their names are stable: profiles, traces and metrics use them.

The workflow follows CHESS as HexGen-Flow runs it; the names are those of its published traces, written as
one word each.  In order:
"""

from __future__ import annotations

INFORMATION_RETRIEVAL = "information_retrieval"
"""The retrieving agent decides on its next tool (the traces' "Information Retriever")."""
EXTRACT_KEYWORDS = "extract_keywords"
"""The words of the question to look for in the database."""
SCHEMA_LINKING = "schema_linking"
"""Which tables does the question need?"""
GENERATE_CANDIDATE = "generate_candidate"
"""Candidates in parallel, in alternating prompt styles."""
EXECUTE = "execute"
"""A candidate's SQL runs on the database (no LLM call)."""
REVISE = "revise"
"""A candidate that failed, was truncated or returned nothing is written again."""
UNIT_TESTER = "unit_tester"
"""The testing agent decides on its next tool."""
GENERATE_UNIT_TEST = "generate_unit_test"
"""What a right answer must fulfil, seen from where the candidates differ."""
EVALUATE = "evaluate"
"""Which candidates pass a test: one call per test, in parallel."""
SELECT = "select"
"""The candidate with the most tests passed, then the most agreed result (no LLM call)."""
