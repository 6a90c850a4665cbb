"""Where SQL statements end: at each semicolon that stands in no text, name or comment."""

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
    """The statements that a semicolon ends, without it, and what stands behind the last one."""
    finished, start = [], 0
    for found in TOKEN.finditer(text):
        if found["open"]:
            break
        if found["end"]:
            finished.append(text[start : found.start()].strip())
            start = found.end()
    return [each for each in finished if each], text[start:]
