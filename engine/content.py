"""Content: what an item is, as words; how alike two items are when nobody has bought one of them yet."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.learned import Neighbours

Codes = NDArray[np.uint32]
_WORD = re.compile(r"[^\W\d_]{3,}|[\u3400-\u9fff]")
_MOST_WORDS = 64  # of an item: what stands first in the document counts
#: A word that more than this share of the catalogue has tells nobody apart.
_EVERYWHERE = 0.3


def words_of(item: Mapping[str, Any]) -> list[str]:
    """An item document (or a row of the lake with its attributes as an object) as `name=value` words.

    Categories count at every level; of attributes the texts, flags and small numbers; of the name its words.
    """
    path = item.get("categories") or []
    words = [f"category={' / '.join(path[: level + 1])}" for level in range(len(path))]
    words += [f"brand={item['brand']}"] if item.get("brand") else []
    words += [f"tag={tag}" for tag in item.get("tags") or []]
    for name, value in (item.get("attributes") or {}).items():
        if isinstance(value, str | bool | int):
            words.append(f"{name}={value}")
    words += [f"word={word}" for word in _WORD.findall((item.get("name") or "").lower())]
    return words[:_MOST_WORDS]


def codes_of(words: Iterable[str]) -> Codes:
    """The words as ascending numbers, each once. Two words share one in four billion."""
    return np.unique(np.array([zlib.crc32(word.encode("utf-8", "surrogatepass")) for word in words], np.uint32))


@dataclass(frozen=True, slots=True)
class Content:
    """The codes of each item: `indptr` int64 [n_items + 1], `codes` uint32, ascending within an item."""

    indptr: NDArray[np.int64]
    codes: Codes

    @classmethod
    def of(cls, items: Sequence[Iterable[str]]) -> Content:
        """From the words of each item."""
        each = [codes_of(words) for words in items]
        indptr = np.zeros(len(each) + 1, np.int64)
        np.cumsum([len(codes) for codes in each], out=indptr[1:])
        return cls(indptr, np.concatenate(each) if each else np.zeros(0, np.uint32))


def alike(content: Content, wanted: Sequence[Codes], most: int) -> Neighbours:
    """For each of `wanted` the items of the catalogue that share most words with it, at most `most`.

    The weight is the cosine between the items' words, each counting as much as it is rare (inverse document frequency).
    """
    n = len(content.indptr) - 1
    lists = [_most_alike(content, codes, n, most) for codes in wanted]
    indptr = np.zeros(len(lists) + 1, np.int32)
    np.cumsum([len(rows) for rows, _ in lists], out=indptr[1:])
    rows = np.concatenate([rows for rows, _ in lists]) if lists else np.zeros(0, np.int32)
    weights = np.concatenate([weights for _, weights in lists]) if lists else np.zeros(0, np.float32)
    return Neighbours(indptr, rows, weights)


def _most_alike(content: Content, codes: Codes, n: int, most: int) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    at = np.flatnonzero(np.isin(content.codes, codes, kind="sort"))
    if not len(at):
        return np.zeros(0, np.int32), np.zeros(0, np.float32)
    owners = np.searchsorted(content.indptr, at, side="right") - 1
    which = np.searchsorted(codes, content.codes[at])
    frequency = np.bincount(which, minlength=len(codes))
    telling = np.log(n / np.maximum(frequency, 1)) * (frequency <= max(_EVERYWHERE * n, 2))
    shared = np.bincount(owners, telling[which] ** 2, n)
    own = float(np.sqrt((np.maximum(telling, 1e-9) ** 2).sum()))
    # The length of the others is told by their number of words: weighing each would mean a pass over the catalogue.
    usual = float(np.sqrt((telling[telling > 0] ** 2).mean())) if (telling > 0).any() else 1.0
    others = np.sqrt(np.maximum(np.diff(content.indptr), 1)) * usual
    scores = (shared / (own * others)).astype(np.float32)
    rows = np.argpartition(-scores, min(most, n - 1))[:most]
    rows = rows[scores[rows] > 0]
    order = np.lexsort((rows, -scores[rows]))
    return rows[order].astype(np.int32), scores[rows][order]
