"""The statement in what a model writes, whatever stands around it.

What is set apart as SQL (a fence, a JSON value, a tag) counts before what stands in prose, and of either the
last statement that is complete.  Each part of the text is read a bounded number of times, a bounded number of
possible statements is parsed, and an answer that no statement could fill isn't read at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sqlglot.errors import ParseError

from plugins.text2sql.databases.dialect import Dialect
from plugins.text2sql.databases.safety import MAX_STATEMENT_CHARACTERS, UnsafeSqlError, check_select
from plugins.text2sql.reading.containers import Container, find_containers, without_quote_marks
from plugins.text2sql.reading.escapes import without_escapes, without_prompts
from plugins.text2sql.reading.sql_lexer import tokens
from plugins.text2sql.reading.statement_end import StatementEnd, find_end
from plugins.text2sql.reading.thinking import split_thinking

MAX_ANSWER_CHARACTERS = 10 * MAX_STATEMENT_CHARACTERS
"""A longer answer, without its thinking, isn't read."""
MAX_PARSES = 40
MAX_PARSED_CHARACTERS = 5 * MAX_STATEMENT_CHARACTERS
MAX_LOOKS = 64
"""So many places where a statement may begin are looked at in all."""
MAX_STARTS = 64
"""Of a text, at most the last so many places where a statement may begin are looked at."""
_MAX_CONTAINERS = 200
_MAX_ENDS = 4
_MAX_COVERINGS = 8
"""So many texts around a container are looked at in vain for the statement that it may be a string of."""

_START = re.compile(
    # Chinese, Japanese and Korean put no space before it.
    r"(?:(?<![\w.@$])|(?<=[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]))"
    r"(?:select\b(?!\s+(?:is|are|was|will|can|the)\b)"
    r"|with\s+(?:--[^\n]{0,200}\n\s*)*(?:recursive\s+)?"
    r"(?:[^\W\d]\w{0,127}|\"[^\"\n]{1,127}\"|`[^`\n]{1,127}`|\[[^\]\n]{1,127}\])\s*(?:\([^()]{0,500}\)\s*)?"
    r"as\s*(?:(?:not\s+)?materialized\s*)?\()",
    re.IGNORECASE,
)
_PARENTHESES = re.compile(r"\([\s(]*\Z")
# DuckDB lets FROM come first; a SELECT without it would be another statement.
_FROM_FIRST = re.compile(r"(?:\A|[\n;:`])[ \t]*(from\s[^;:`]*)\Z", re.IGNORECASE)
_COMMENTS = re.compile(r"(?:\s+|--[^\n]*\n|/\*(?s:.*?)\*/)*+")
_CONTEXT = 300
# What stands before a SELECT that is part of another statement or of a string.
_WITHIN = re.compile(
    r"(?:\(|\b(?:union|except|intersect|minus)(?:\s+(?:all|distinct|by\s+name))?"
    r"|\b(?:insert|replace)\s+(?:or\s+\w+\s+)?into\s+[^\s(]+\s*(?:\([^()]*\))?"
    r"|\bcreate\b[^;]*\bas)\s*(?:--[^\n]*\n\s*|/\*[^*]*\*/\s*)*\Z"
    r"|(?:[=<>|]|\b(?:like|glob|regexp|match|when|then|else))\s*'\Z",
    re.IGNORECASE,
)
_IN_COMMENT = re.compile(r"--[^\n]*\Z|/\*(?:[^*]|\*(?!/))*\Z")
_AFTER_CTES = re.compile(r"\)\s*(?:--[^\n]*\n\s*)*\Z")
_LABELLED = re.compile(r"(?:\A|\n|[:;`\"'*>.?!]\s*)[ \t]*(?:[-*+>]\s+|\d+[.)]\s+)?[`\"'*(]*\s*\Z")
_LABELLED_PARENTHESIS = re.compile(r"(?:\A|[:;`.?!])\s*\Z")
# What follows such a token belongs to another turn.
_TURN_END = re.compile(
    r"<\|(?:im_end|endoftext|eot_id|end_of_text|end|return|eom_id|eom|eot|end_of_msg|end_message|END_TEXT|user"
    r"|END_OF_TURN_TOKEN|content_model_end_sampling|endofprompt|begin_of_text|role_end)\|>"
    r"|</s>|<eos>|<end_of_turn>|<\uff5cend\u2581of\u2581sentence\uff5c>|<\uff5cUser\uff5c>|\[EOS\]|\[EOT\]|\[/?INST\]"
    r"|<\|(?:close)\|>(?:response|message)<\|sep\|>"
)
_TURN_START = re.compile(
    r"<\|(?:im_start|start)\|>(?:assistant)?|<\|start_header_id\|>(?:assistant)?<\|end_header_id\|>|<s>|<bos>"
    r"|<start_of_turn>(?:model)?|<\uff5cAssistant\uff5c>|<\uff5cbegin\u2581of\u2581sentence\uff5c>"
    r"|<\|(?:START_TEXT|begin_of_text|content_text|message_model|assistant|channel|message|CHATBOT_TOKEN)\|>"
    r"|<\|open\|>(?:response|message)<\|sep\|>"
)


def extract_sql(text: str, dialect: Dialect, reasoning_parser: str | None = None) -> str:
    """Return the last complete SELECT in the answer that ``text`` holds.

    Thinking (as ``reasoning_parser`` says, see :func:`split_thinking`), the tokens that end a turn and
    whatever surrounds the statement are left out; it passes :func:`check_select`.  If there is none, what was
    set apart last as SQL is returned, or else the answer, so that the check can say what is wrong with it.
    A statement that was cut off is never shortened to one that parses, and of two in one, without a semicolon
    or a new line between them, neither is taken alone.  Of an answer of more than ``MAX_ANSWER_CHARACTERS``
    the first ones are returned, which the check refuses for their length.

    Call it in a thread: it may parse ``MAX_PARSED_CHARACTERS``.

    Raises:
        ValueError: ``reasoning_parser`` is unknown.
    """
    _, answer = split_thinking(text, reasoning_parser)
    if len(answer) > MAX_ANSWER_CHARACTERS:
        return answer[:MAX_ANSWER_CHARACTERS]
    answer = without_quote_marks(without_prompts(_first_turn(answer)))
    answer = without_escapes(answer, dialect.name)
    reader = _Reader(dialect)
    containers, prose = find_containers(
        answer, dialect.name, lambda start, at: reader.covering(answer, start, at)
    )
    meant = [part for part in containers if _START.search(part.text)][-_MAX_CONTAINERS:]
    for is_sql in (True, False):
        for container in reversed(meant):
            if container.is_sql is is_sql and (statement := reader.in_container(container)):
                return statement
    if meant and meant[-1].is_sql and not meant[-1].closed:
        # The text ends in a statement, which is taken whole or not at all; prose has only parts of it.
        return meant[-1].text.strip()
    for part, labelled in ((prose, True), (prose, False), (answer, True)):
        if statement := reader.last(part, labelled=labelled):
            return statement
    return meant[-1].text.strip() if meant else answer


def _first_turn(answer: str) -> str:
    """Return ``answer`` up to the token that ends the first turn with any text."""
    for turn in _TURN_END.split(_TURN_START.sub("\n", answer)):
        if turn.strip():
            return turn.strip()
    return ""


class _Reader:
    """Finds statements; owns how much may still be parsed."""

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.looks = MAX_LOOKS
        self.coverings = _MAX_COVERINGS
        self.parses = MAX_PARSES
        self.characters = MAX_PARSED_CHARACTERS

    def in_container(self, container: Container) -> str | None:
        """Return the last complete statement in ``container``."""
        return self.last(container.text, labelled=True, closed=container.closed)

    def last(self, text: str, *, labelled: bool, closed: bool = True) -> str | None:
        """Return the last complete statement in ``text``, or two in one, which the check refuses.

        ``labelled``: only where a line begins, after punctuation, or in capitals.  Unless ``closed``, a
        statement ends with its semicolon or the text.
        """
        found: str | None = None
        position = 0
        for start in _starts(text, 0, len(text), labelled=labelled):
            if start < position or self.looks == 0:
                continue
            if _IN_COMMENT.search(text, max(position, start - _CONTEXT), start):
                continue
            self.looks -= 1
            comments = _COMMENTS.match(text, position)
            begin = position if comments and comments.end() == start else start
            ends = find_end(text, begin, self.dialect.name)
            statement, end = self._complete(text, begin, ends, closed)
            if statement is not None:
                found, position = statement, end
                if text.startswith(";", position):
                    position += 1
            elif not closed:
                break  # what comes next is part of it
        return found

    def covering(self, text: str, start: int, at: int) -> int | None:
        """Return the end of a statement that begins in ``text[start:at]`` and has a literal around ``at``."""
        if self.coverings <= 0:
            return None
        begins = [
            begin
            for begin in _starts(text, start, at, labelled=True)
            if not _IN_COMMENT.search(text, max(start, begin - _CONTEXT), begin)
        ]
        # The first is likeliest to be the outer statement, the last ones to follow prose that looks like one.
        for begin in dict.fromkeys((*begins[:2], *begins[-4:])):
            for token in tokens(
                text, self.dialect.name, begin, min(len(text), begin + MAX_STATEMENT_CHARACTERS)
            ):
                if token.lastgroup in ("semicolon", "unclosed", "fence") or token.start() > at:
                    break
                if token.lastgroup in ("literal", "comment") and token.start() < at < token.end():
                    ends = find_end(text, begin, self.dialect.name)
                    statement, end = self._complete(text, begin, ends, True)
                    if statement is not None and end > at:
                        return end
                    self.coverings -= 1
                    break
        return None

    def _complete(self, text: str, start: int, ends: StatementEnd, closed: bool) -> tuple[str | None, int]:
        """Return the statement that begins at ``start``, if it is complete, and its end.

        A complete SELECT that goes on with another one is returned with that one: neither is what was meant
        (``SELECT a FROM t UNOIN SELECT b FROM u``).
        """
        if not closed and ends.end == len(text) and not ends.whole:
            return None, start
        for end in ends.certain[:2] if closed else ():
            statement, _ = self._checked(text[start:end])
            if statement is not None:
                return statement, end
        failed_at = ends.end
        if ends.whole:
            statement, failed = self._checked(text[start : ends.end])
            if statement is not None:
                return statement, ends.end
            failed_at = start + failed
        if closed:
            for end in _likeliest(ends, failed_at):
                statement, _ = self._checked(text[start:end])
                if statement is not None:
                    return statement, end
        if any(self._checked(text[start:end])[0] is not None for end in ends.joined):
            end = min([ends.end, *ends.certain])
            return text[start:end].strip(), end
        return None, start

    def _checked(self, statement: str) -> tuple[str | None, int]:
        """Return ``statement`` if it may run; also where it failed, or its length."""
        statement_length = len(statement)
        if statement_length > MAX_STATEMENT_CHARACTERS:
            return None, statement_length
        bare = _without_parentheses(statement)
        if bare.lower() == "select":
            return None, statement_length
        if self.parses == 0 or self.characters < statement_length:
            return None, statement_length
        self.parses -= 1
        self.characters -= statement_length
        try:
            return check_select(bare, self.dialect), statement_length
        except UnsafeSqlError as error:
            return None, _failure(statement, error)


def _likeliest(ends: StatementEnd, failed_at: int) -> list[int]:
    """Return the ends to try where the whole doesn't parse: the last ones before the failure."""
    if ends.whole:
        return [end for end in sorted(ends.certain[2:] + ends.possible) if end <= failed_at][
            : -_MAX_ENDS - 1 : -1
        ]
    return ends.possible[:_MAX_ENDS]


def _failure(statement: str, error: UnsafeSqlError) -> int:
    """Return the offset in ``statement`` where the parser failed, or its length."""
    cause = error.__cause__
    if not isinstance(cause, ParseError) or not cause.errors or cause.errors[0].get("line") is None:
        return len(statement)
    line = cause.errors[0]["line"]
    lines = statement.splitlines(keepends=True)
    return sum(map(len, lines[: line - 1])) + int(cause.errors[0]["col"])


def _without_parentheses(statement: str) -> str:
    """Return ``statement`` without a pair of parentheses around all of it, which few databases take."""
    stripped = statement.strip()
    while stripped.startswith("(") and stripped.endswith(")"):
        depth = 0
        for token in tokens(stripped, "", 0, len(stripped)):
            depth += (token.lastgroup == "open") - (token.lastgroup == "close")
            if depth == 0 and token.end() < len(stripped):
                return stripped
        if depth:
            return stripped
        stripped = stripped[1:-1].strip()
    return stripped


def _starts(text: str, start: int, stop: int, *, labelled: bool) -> Iterator[int]:
    """Return the last ``MAX_STARTS`` places in ``text[start:stop]`` where a statement may begin."""
    matches = list(_START.finditer(text, start, stop))
    has_ctes = [match.start() for match in matches if match[0][:4].lower() == "with"][:1]
    found: list[int] = []
    matches = matches[-8 * MAX_STARTS :]
    for place, match in reversed(list(enumerate(matches))):
        at, word = match.start(), match[0][:4]
        before = text[max(0, at - _CONTEXT) : at]
        if has_ctes and at > has_ctes[0] and _AFTER_CTES.search(before):
            continue
        parentheses = _PARENTHESES.search(before)
        if not parentheses and (clause := _FROM_FIRST.search(before)):
            begin = at - len(clause[1])
            earlier = text[matches[place - 1].start() : begin] if place else ";"
            if (";" in earlier or "```" in earlier) and clause[1][:4].isupper() == word.isupper():
                at, before = begin, text[max(0, begin - _CONTEXT) : begin]
        if parentheses:
            at -= len(parentheses[0])
            before = before[: parentheses.start()]
        in_label = (_LABELLED_PARENTHESIS if parentheses else _LABELLED).search(before) is not None
        if at < start or _WITHIN.search(before) or (parentheses and not in_label):
            continue
        if labelled and not (word.isupper() or word.lower() == "with" or (in_label and word.islower())):
            continue
        found.append(at)
        if len(found) == MAX_STARTS:
            break
    return reversed(found)
