"""Splitting of SQL at the semicolons that end a statement, outside of texts, quoted names and comments."""

import re

TOKEN = re.compile(
    r"""
    (?P<closed>
        --[^\n]*(?:\n|\Z)
        | /\*.*?\*/
        | (?<!\w)[eE]'(?:[^'\\]|\\.|'')*'
        | '(?:[^']|'')*'
        | "(?:[^"]|"")*"
        | (?P<dollars>\$\w*\$).*?(?P=dollars)
    )
    | (?P<open>'|"|/\*|\$\w*\$)
    | (?P<end>;)
    """,
    re.S | re.X,
)


def split(text: str) -> tuple[list[str], str]:
    """Complete statements, without semicolons, and the text after the last one: perhaps an unfinished statement."""
    finished, start = [], 0
    for token in TOKEN.finditer(text):
        if token["open"]:
            break
        if token["end"]:
            finished.append(text[start : token.start()].strip())
            start = token.end()
    return [each for each in finished if each], text[start:]
