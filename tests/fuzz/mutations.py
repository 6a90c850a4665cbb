"""Damages bytes as accidents and attackers do, the same way for the same random numbers."""

import re
import struct
import zlib
from collections.abc import Callable, Sequence
from random import Random

NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1)
TEXTS = (
    "-1", "0", "2147483648", "9" * 40, "9" * 5000, "1e999", "-1e308", "nan", "inf", "0x7fffffff", "1.5", "", " ",
    "../../../../etc/passwd", "/etc/passwd", "..", ".", "~", "-rf", "|", "%s%n", "{x}", "$(x)", "`x`", ";", "=cmd()",
    "'", '"', "\\", "\n", "\r\n", "\t", "\0", "\x1b[31m", "\u202e", "\ufeff", "ä", "\U0001f3ac", "a" * 300, "[" * 200,
    "null", "true", "{}", "[]", "*a", "&a [*a]", "!!python/object/apply:os.system [x]", "<<: *a", "<script>",
)  # fmt: skip

Mutation = Callable[[bytes, Random], bytes]


def mutated(seeds: Sequence[bytes], random: Random) -> bytes:
    """One of the contents, changed once to six times."""
    content = random.choice(seeds)
    for _ in range(random.choice((1, 1, 1, 2, 3, 6))):
        if random.random() < 0.15:
            content = _crossed(content, random.choice(seeds), random)
        else:
            content = random.choice(MUTATIONS)(content, random)
    return content


def _crossed(content: bytes, other: bytes, random: Random) -> bytes:
    """The beginning of one and the end of the other, or a part of the other in the middle of one."""
    cut, first = _place(content, random), _place(other, random)
    if random.random() < 0.5:
        return content[:cut] + other[min(cut, len(other)) :]
    return content[:cut] + other[first : first + random.randint(1, 400)] + content[cut:]


def _flip(content: bytes, random: Random) -> bytes:
    damaged = bytearray(content)
    for _ in range(random.choice((1, 1, 4, 30))):
        if damaged:
            damaged[random.randrange(len(damaged))] ^= 1 << random.randrange(8)
    return bytes(damaged)


def _truncate(content: bytes, random: Random) -> bytes:
    cut = _place(content, random)
    return content[:cut] if random.random() < 0.8 else content[cut:]


def _repeat(content: bytes, random: Random) -> bytes:
    first = _place(content, random)
    block = content[first : first + random.randint(1, 300)]
    return content[:first] + block * random.choice((2, 2, 5, 50)) + content[first:]


def _remove(content: bytes, random: Random) -> bytes:
    first = _place(content, random)
    return content[:first] + content[first + random.randint(1, 300) :]


def _number(content: bytes, random: Random) -> bytes:
    """An extreme number in place of some bytes, of any width and order."""
    code = random.choice(("<I", ">I", "<H", ">H", "<Q", ">Q", "B"))
    number = random.choice(NUMBERS) & (2 ** (8 * struct.calcsize(code)) - 1)
    first = _place(content, random)
    packed = struct.pack(code, number)
    return content[:first] + packed + content[first + len(packed) :]


def _text(content: bytes, random: Random) -> bytes:
    """A text where texts do harm: in between, or in place of a word or a number."""
    text = random.choice(TEXTS).encode()
    words = list(re.finditer(rb"[\w.+-]{1,40}", content[:20000])) if random.random() < 0.7 else []
    if words:
        word = random.choice(words)
        return content[: word.start()] + text + content[word.end() :]
    first = _place(content, random)
    return content[:first] + text + content[first:]


MUTATIONS: tuple[Mutation, ...] = (_flip, _flip, _truncate, _repeat, _remove, _number, _number, _text)


def _place(content: bytes, random: Random) -> int:
    """An offset; every other one lies near the beginning or the end, where headers are."""
    if random.random() < 0.5:
        near = random.randrange(min(len(content), 256) + 1)
        return near if random.random() < 0.7 else len(content) - near
    return random.randrange(len(content) + 1)


def with_checksums(png: bytes) -> bytes:
    """A PNG whose chunks have the checksums of what they hold now: without them nobody looks further."""
    mended, place = bytearray(png[:8]), 8
    while place + 12 <= len(png):
        length = int.from_bytes(png[place : place + 4], "big")
        chunk = png[place + 4 : place + 8 + length]
        mended += length.to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
        place += 12 + length
    return bytes(mended) + png[place:]
