"""A bounded grammar as a small acyclic tree.

The tree gives its text for xgrammar and its longest string, which can't disagree, since they are read
off the same nodes.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Literal:
    """Exactly ``text``."""

    text: str


@dataclass(frozen=True, slots=True)
class Seq:
    """``items`` one after the other."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Alt:
    """One of ``items``."""

    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Repeat:
    """``item`` at least ``low`` and at most ``high`` times."""

    item: Node
    low: int
    high: int


@dataclass(frozen=True, slots=True)
class Letter:
    """Any Latin character that stands for itself in an SQL string: not a quote, nothing unprintable."""


@dataclass(frozen=True, slots=True)
class Rule:
    """``body`` under a name, written once however often it is used; so is its :func:`max_length`."""

    name: str
    body: Node
    length: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Note the length, since what is used often would be measured as often."""
        object.__setattr__(self, "length", max_length(self.body))


Node = Literal | Seq | Alt | Repeat | Letter | Rule

_LETTERS = re.compile("[ -&(-~\u00a1-\u024f]*")
_LETTER_EBNF = r"[ -&(-~\u00a1-\u024f]"
_LETTER_BYTES = 2


def is_plain(text: str) -> bool:
    """Return whether ``text`` consists of :class:`Letter`."""
    return _LETTERS.fullmatch(text) is not None


def seq(*items: Node | str) -> Node:
    """Return ``items`` in sequence; a string stands for itself."""
    return Seq(tuple(map(_node, items)))


def alt(*items: Node | str) -> Node:
    """Return a choice of ``items``; a string stands for itself.

    Raises:
        ValueError: there is nothing to choose from.
    """
    if not items:
        raise ValueError("a choice needs at least one item")
    return Alt(tuple(map(_node, items))) if len(items) > 1 else _node(items[0])


def optional(item: Node | str) -> Node:
    """Return ``item`` or nothing."""
    return Repeat(_node(item), 0, 1)


def listed(item: Node, at_most: int, separator: str = ", ") -> Node:
    """Return 1 to ``at_most`` times ``item`` with ``separator`` between."""
    return seq(item, Repeat(seq(separator, item), 0, at_most - 1)) if at_most > 1 else item


def _node(item: Node | str) -> Node:
    return Literal(item) if isinstance(item, str) else item


def max_length(node: Node) -> int:
    """Return the UTF-8 bytes of the longest string: a bound on its characters and its tokens too."""
    match node:
        case Literal(text):
            return len(text.encode())
        case Seq(items):
            return sum(map(max_length, items))
        case Alt(items):
            return max(map(max_length, items))
        case Repeat(item, _, high):
            return high * max_length(item)
        case Letter():
            return _LETTER_BYTES
        case Rule():
            return node.length


def to_ebnf(node: Node) -> str:
    """Return the grammar in xgrammar's EBNF dialect; its root rule is ``root``.

    Raises:
        ValueError: two different rules have one name, or a rule is named ``root``.
    """
    root = Rule("root", node)
    rules: dict[str, Rule] = {}
    _collect(root, rules)
    return "".join(f"{rule.name} ::= {_expression(rule.body)}\n" for rule in rules.values())


def _expression(node: Node) -> str:
    match node:
        case Literal(text):
            return json.dumps(text, ensure_ascii=False)
        case Seq(items):
            return " ".join(map(_expression, items))
        case Alt(items):
            return f"({' | '.join(map(_expression, items))})"
        case Repeat(item, low, high):
            return f"({_expression(item)}){{{low},{high}}}"
        case Letter():
            return _LETTER_EBNF
        case Rule(name, _):
            return name


def _collect(node: Node, rules: dict[str, Rule]) -> None:
    """Add the rules under ``node`` in the order of their first use."""
    match node:
        case Seq(items) | Alt(items):
            for item in items:
                _collect(item, rules)
        case Repeat(item, _, _):
            _collect(item, rules)
        case Rule(name, body) if name not in rules:
            rules[name] = node
            _collect(body, rules)
        case Rule(name, _) if rules[name] is not node:
            raise ValueError(f"two rules are named {name}")
