"""Where a statement that begins in free text may end."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from rapidfuzz.distance import OSA

from plugins.text2sql.databases.safety import MAX_STATEMENT_CHARACTERS
from plugins.text2sql.reading.sql_lexer import tokens


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Words with which a statement goes on, so that nothing ends before them.
_CONTINUING = _words(
    """
    select from where group order having limit offset union except intersect minus all distinct as
    on using join inner left right full outer cross natural and or not in is like glob regexp match
    between exists case when then else end null asc desc nulls first last by with recursive over
    partition window rows range groups filter collate escape cast fetch values qualify interval
    ilike similar lateral any some materialized indexed unbounded preceding following current row
    only tablesample pivot unpivot
    """
)
# Of these, words with which a statement may end.
_ENDING = _words(
    """
    end null asc desc first last row rows only all current true false indexed
    """
)
_PROSE = _words(
    """
    this that these it here note which where the explanation returns we you i hope let if in to and
    so because for is will thanks done
    """
)
# What a statement is said to do: words that are seldom names.
_SAYING = _words(
    """
    would should gives returns lists shows finds selects counts retrieves
    """
)
_SET_OPERATORS = ("union", "except", "intersect", "minus")
_OF_SETS = _words("all distinct by name")
_MOST_ERRORS = 2
"""So many letters of a misspelt set operator may be wrong."""
_NEXT_WORD = re.compile(r"\s+([a-z]+)\b(?!\s*[(.=])")
_SAID = re.compile(r"\s+([a-z]+)\b(?!\s*(?:[(=]|\.\w))")
_SUBJECT = re.compile(r"\b(?:which|that|this|it|query)\s+\Z", re.IGNORECASE)
_CLAUSE = re.compile(
    r"\s+(?:which|and|so|because|where|to|but|it|this|that|as|since|returning)\s", re.IGNORECASE
)
_PARENTHESIS = re.compile(r"\s*(?:[A-Z][a-z]+|this|that|it|the|which|to|note|assuming|if|i|see|or)\s+[a-z]")
_UNKNOWN_TOKEN = re.compile(r"(?:\|\w{1,40}\||pad|unk)>")
_RULE = re.compile(r"\*{3,}[ \t]*(?:\n|\Z)")
# Of a table; elsewhere it is an operator.
_ROW_END = re.compile(r"[ \t]*(?:\Z|\n[ \t]*(?:\||\n|\Z))")
_NUMBERED = re.compile(r"\d+[.)]\s")


@dataclass(slots=True)
class StatementEnd:
    """Where a statement ends at the latest, and where prose may begin before.

    ``whole``: up to ``end``, parentheses are balanced and every literal is closed.  ``certain`` and
    ``possible`` are the ends before what is, or may be, prose.  ``joined`` is where the first SELECT may
    end if a second one begins before the end: behind a misspelt UNION, or on its line.
    """

    end: int
    whole: bool = True
    certain: list[int] = field(default_factory=list)
    possible: list[int] = field(default_factory=list)
    joined: tuple[int, ...] = ()

    def join(self, code_end: int, before_word: int, *, misspelt: bool, linked: bool) -> None:
        """Note a second SELECT behind ``code_end``, unless prose may have begun before.

        The word before it, from ``before_word``, is a ``misspelt`` set operator, which looks like prose on a
        line of its own, or AND or OR (``linked``), or else part of the first SELECT.
        """
        known = before_word if misspelt else code_end + 1
        if self.joined or any(end < known for end in (*self.certain, *self.possible)):
            return
        if misspelt:
            self.certain, self.possible = [], []
        self.joined = (code_end, before_word) if misspelt or linked else (code_end,)


def find_end(text: str, start: int, dialect: str) -> StatementEnd:
    """Return where the statement that begins at ``start`` ends.

    That is at its semicolon, before the mark that closes what opens just before it (a backtick, a quote,
    ``**``), before a fence, a closing tag or a parenthesis too many, or with the text.  At most one character
    more than ``MAX_STATEMENT_CHARACTERS`` is read.
    """
    stop = min(len(text), start + MAX_STATEMENT_CHARACTERS + 1)
    wrapper = _wrapper(text, start)
    capitals = text[start : start + 400].lstrip("( \n\t").partition(" ")[0].isupper()
    ends = StatementEnd(stop)
    depth = 0
    previous = start
    code_end = before_word = start
    may_end = False
    first = word = ""
    for token in tokens(text, dialect, start, stop):
        kind, at = token.lastgroup, token.start()
        if kind == "comment":
            if wrapper and (closing := token[0].find(wrapper)) >= 0 and wrapper != "*":
                ends.end = at + closing
                break
            previous = token.end()
            continue
        if kind in ("semicolon", "fence", "tag") or (kind == "close" and depth == 0):
            ends.end = at
            break
        if wrapper and token[0].startswith(wrapper[0]) and _closes(text, at, wrapper):
            ends.end = at
            break
        if kind == "unclosed":
            ends.whole = False
            break
        if kind == "word" and not first:
            first = token[0].lower()
        is_main = first == "from" or (first == "with" and text[code_end - 1] == ")")
        if is_main and token[0].lower() == "select" and depth == 0:
            first = "select"  # that of the CTEs, or of the FROM that DuckDB lets come first
        elif depth == 0 and _is_joined(text, token, code_end, word, capitals):
            ends.join(code_end, before_word, misspelt=_misspells_operator(word), linked=word in ("and", "or"))
        elif may_end and depth == 0:
            certainty = _prose_begins(text, token, text[previous:at], capitals)
            if certainty is not None:
                (ends.certain if certainty else ends.possible).append(code_end)
        depth += (kind == "open") - (kind == "close")
        may_end = _may_end(token)
        if token[0].lower() not in _OF_SETS:
            word, before_word = token[0].lower() if kind == "word" else "", code_end
        previous = code_end = token.end()
    ends.whole = ends.whole and depth == 0
    return ends


def _is_joined(text: str, token: re.Match[str], code_end: int, word: str, capitals: bool) -> bool:
    """Return whether ``token``, behind code that ends with ``word``, begins a SELECT of the same statement.

    In prose one of two statements on a line is often in capitals alone.
    """
    if token[0].lower() != "select" or word in _SET_OPERATORS or code_end == token.start():
        return False
    if _misspells_operator(word):
        return True
    return "\n" not in text[code_end : token.start()] and token[0].isupper() is capitals


def _misspells_operator(word: str) -> bool:
    return any(
        OSA.distance(word, known, score_cutoff=_MOST_ERRORS) <= _MOST_ERRORS for known in _SET_OPERATORS
    )


def _wrapper(text: str, start: int) -> str:
    """Return the mark right before ``start`` that a mark of its kind closes, or nothing."""
    before = text[max(0, start - 2) : start]
    if before.endswith(("``", "**")):
        return before
    return before[-1:] if before[-1:] in ("`", '"', "'") else ""


def _closes(text: str, at: int, wrapper: str) -> bool:
    """Return whether the mark at ``at`` closes a wrapper rather than opens a literal."""
    end = at + len(wrapper)
    if not text.startswith(wrapper, at) or text[at - 1].isspace():
        return False
    after = text[end : end + 1]
    return not (after.isalnum() or after == "_")


def _may_end(token: re.Match[str]) -> bool:
    word = token[0].lower()
    if token.lastgroup == "word":
        return word not in _CONTINUING or word in _ENDING
    return token.lastgroup in ("literal", "number", "close") or word in ("*", "]", "}")


def _prose_begins(text: str, token: re.Match[str], gap: str, capitals: bool) -> bool | None:
    """Return whether prose certainly begins with ``token`` after ``gap``; None if nothing speaks for it."""
    word, kind = token[0], token.lastgroup
    new_line, blank_line = "\n" in gap, gap.count("\n") > 1
    if kind == "other":
        return _prose_after_mark(text, token, new_line, blank_line)
    if kind == "open":
        return False if gap and (blank_line or _PARENTHESIS.match(text, token.end())) else None
    if kind == "number":
        return blank_line if new_line and _NUMBERED.match(text, token.start()) else None
    if kind != "word":
        return None
    if word.lower() == "select":
        return text[: token.start()].rstrip()[-1:] != ")"
    is_title = word[:1].isupper() and (word[1:].islower() or word == "I" or "'" in word)
    said = _SAID.match(text, token.end()) if gap and word in _SAYING else None
    if said and said[1] not in _CONTINUING - {"all"}:
        # In "…, which gives the names", prose has begun before.
        return None if _SUBJECT.search(text, max(0, token.start() - 20), token.start()) else False
    if word.lower() in _CONTINUING:
        return False if is_title and blank_line and capitals else None
    if new_line:
        if is_title or not word.isascii() or text.startswith(":", token.end()):
            return True
        return blank_line if word.lower() in _PROSE else (False if blank_line else None)
    following = _NEXT_WORD.match(text, token.end())
    if gap and following and following[1] not in _CONTINUING - {"is", "all", "first"}:
        return False if is_title or word.lower() in _PROSE else None
    return None


def _prose_after_mark(text: str, token: re.Match[str], new_line: bool, blank_line: bool) -> bool | None:
    """Return what :func:`_prose_begins` does, for a single character."""
    mark, rest = token[0], text[token.end() : token.end() + 200]
    if mark in ".?!:":
        return True if not rest.strip() or (rest[0].isspace() and _sentence(rest)) else None
    if mark in "。；！？":
        return True
    if (
        mark in "}\\–—”»"
        or (mark == "|" and _ROW_END.match(rest))
        or (mark == "$" and not rest[:1].isalnum())
        or (mark == "#" and rest[:1] == "#")
    ):
        return False
    if mark == "<" and _UNKNOWN_TOKEN.match(rest):
        return True
    if mark == ",":
        return False if _CLAUSE.match(rest) else None
    if new_line and _RULE.match(mark + rest):
        return True
    if not new_line and (mark + rest[:1] in ("//", "=>") or ord(mark) > 0x2000):
        return False
    if new_line and (mark in "#>•|" or ord(mark) > 0x2000) and not rest.startswith("|"):
        return mark not in "#>" or blank_line
    return blank_line if new_line and mark in "*-" else None


def _sentence(rest: str) -> bool:
    """Return whether ``rest``, after a full stop, goes on as a sentence or a new line."""
    return rest.lstrip(" \t")[:1] == "\n" or rest.lstrip()[:1].isupper()
