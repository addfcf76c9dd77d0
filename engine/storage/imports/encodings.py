"""Which encoding a text file is written in, where nobody says so: UTF-8, with or without a mark, or GB18030."""

from __future__ import annotations

from pathlib import Path

from engine.errors import BadInput

_PIECE = 1 << 20  # bytes
#: Of the double bytes, so many lie where GB2312 has its characters; accented Latin letters read as GB18030 do not.
_CHINESE = 0.9


def encoding_of(path: Path) -> str:
    """The encoding by the first piece of the file that is not plain ASCII; raises BadInput when it is neither."""
    piece = _first_telling_piece(path)
    for encoding in ("utf-8", "gb18030"):
        try:
            piece.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "utf-8" or _looks_chinese(piece):
            return encoding
    raise BadInput(
        f"{path} is written neither in UTF-8 nor in GB18030; save it as UTF-8, or name its encoding in the mapping",
        code="wrong_encoding",
        field="path",
    )


def _first_telling_piece(path: Path) -> bytes:
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            piece += file.readline(
                _PIECE
            )  # whole lines: no character of either encoding holds the byte of a line's end
            if not piece.isascii():
                return piece
    return b""


def _looks_chinese(text: bytes) -> bool:
    pairs = chinese = at = 0
    while at < len(text):
        if text[at] < 0x80:
            at += 1
            continue
        pairs += 1
        four = at + 1 < len(text) and 0x30 <= text[at + 1] <= 0x39
        chinese += not four and text[at] <= 0xF7 and at + 1 < len(text) and text[at + 1] >= 0xA1
        at += 4 if four else 2
    return chinese >= _CHINESE * pairs


def decoded(content: bytes) -> str:
    """The text of an upload, without its mark. Raises BadInput."""
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if encoding == "utf-8-sig" or _looks_chinese(content):
            return text
    raise BadInput(
        "the file is written neither in UTF-8 nor in GB18030; save it as UTF-8", code="wrong_encoding", field="body"
    )
