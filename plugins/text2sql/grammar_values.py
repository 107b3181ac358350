"""The texts that SQL about one question may compare with: a tiny model can choose, but hardly copy."""

from __future__ import annotations

from collections.abc import Sequence

from plugins.text2sql.grammar import MAX_TEXT_BYTES, PATTERN, text_rules
from plugins.text2sql.grammar_tree import Rule, alt, with_rules
from plugins.text2sql.schema import Column, DatabaseSchema, Table, identifier, literal
from plugins.text2sql.spans import spans

_MOST_WORDS = 4


def about(ebnf: str, schema: DatabaseSchema, question: str, found: Sequence[str]) -> str:
    """Return ``ebnf``, the grammar of ``sql_tree(schema)``, with fewer texts.

    A text is one of the ``found`` conditions (as retrieval gives them) on its column, or one of the column's
    choices.  Where there is none of either, and in a LIKE, it is some words of ``question``, as they stand or
    capitalised.  No statement can get longer than by ``ebnf``.
    """
    words = spans(question, _MOST_WORDS)
    capital = (" ".join(word[:1].upper() + word[1:] for word in span.split(" ")) for span in words)
    said = _short([literal(text) for text in (*words, *capital)])
    if not said:
        return ebnf
    spoken = Rule("said", alt(*said))
    rules = [Rule(PATTERN, alt(*_short([literal(f"%{text}%") for text in words])))]
    for name, table, column in text_rules(schema):
        known = _short([*_found(table, column, found), *map(literal, column.choices)])
        rules.append(Rule(name, alt(*known) if known else spoken))
    return with_rules(ebnf, rules)


def _found(table: Table, column: Column, conditions: Sequence[str]) -> list[str]:
    start = f"{identifier(table.name)}.{identifier(column.name)} = "
    return [line.removeprefix(start) for line in conditions if line.startswith(start)]


def _short(texts: Sequence[str]) -> list[str]:
    return [text for text in dict.fromkeys(texts) if len(text.encode()) <= MAX_TEXT_BYTES]
