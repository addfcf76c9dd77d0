"""Peers: what customers who declare the same of themselves buy more and less than all; for those who did nothing yet.

Each declared word (a region, the source of the first visit, an attribute) bends the list of best sellers by how much
oftener its people buy an item than all do, held down where few stand behind it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain

import numpy as np
from scipy import sparse

from engine.ids import IdMap
from engine.learned import Peers
from training.models.top_lists import best_of, chunks
from training.outcome import K

LEAST_PEOPLE = 20  # fewer behind a word say nothing
_MOST_WORDS = 200
_POPULAR, _EACH = 300, 100  # items: of all, and more of each word
_PRIOR = 10.0  # expected buyers that an item's ratio begins with, at 1


def learn_peers(
    bought: sparse.csr_matrix, declared: Sequence[Sequence[str]], recent: np.ndarray, strength: float
) -> Peers:
    """What each word that enough customers declare does to the best sellers.

    `bought` [users, items] is who bought what, however often; `declared` [users] their words; `recent` [items] the
    sales that the list of best sellers is ordered by. An item's ratio is its buyers among the word's people over those
    expected if they bought as all do, begun with `_PRIOR` of each (a Gamma-Poisson shrinkage, as in DuMouchel 1999);
    `strength` multiplies its logarithm.
    """
    voices = bought.sign()
    buyers = np.diff(bought.indptr) > 0
    counts = Counter(chain.from_iterable(words for words, buys in zip(declared, buyers, strict=True) if buys))
    common = [name for name, count in counts.most_common() if count >= LEAST_PEOPLE][:_MOST_WORDS]
    words = sorted(common)
    selling = np.flatnonzero(recent > 0)
    if not words or not strength or not len(selling):
        return nobodys_peers()
    column = {name: at for at, name in enumerate(words)}
    pairs = [
        (column[word], user) for user, mine in enumerate(declared) if buyers[user] for word in mine if word in column
    ]
    rows, users = np.array(pairs, np.int64).T
    has = sparse.csr_matrix((np.ones(len(pairs), np.float32), (rows, users)), shape=(len(words), len(declared)))
    found = np.asarray((has @ voices[:, selling]).todense(), np.float64)
    share = np.asarray((has @ voices.sum(axis=1)).ravel(), np.float64).ravel() / max(float(voices.sum()), 1.0)
    of_item = np.asarray(voices[:, selling].sum(axis=0), np.float64).ravel()
    bend = strength * np.log((found + _PRIOR) / (share[:, None] * of_item + _PRIOR))
    scores = recent[selling] * np.exp(bend)
    best = np.argsort(-scores, axis=1, kind="stable")[:, :_EACH]
    popular = np.argsort(-recent[selling], kind="stable")[:_POPULAR]
    kept = np.union1d(popular, best)
    people = np.array([counts[name] for name in words], np.int32)
    return Peers(IdMap.of(words), people, selling[kept].astype(np.int32), bend[:, kept].astype(np.float32))


def nobodys_peers() -> Peers:
    """Where nobody declares anything, or it says nothing of what they buy."""
    return Peers(IdMap.of([]), np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros((0, 0), np.float32))


def lists_of(peers: Peers, recent: np.ndarray, declared: Sequence[Sequence[str]]) -> np.ndarray:
    """[len(declared), K] the items that customers with these words would be shown, -1 where there are no more."""
    top, _ = best_of(np.where(recent > 0, recent, -np.inf).astype(np.float32)[None, :], K)
    lists = np.repeat(top, len(declared), axis=0)
    rows = [found[found >= 0] for found in (peers.words.rows(words) for words in declared)]
    known = np.flatnonzero([len(each) > 0 for each in rows])
    for part in chunks(len(known), max(1, len(peers.items))):
        bend = np.stack([peers.bend[rows[at]].sum(axis=0) for at in known[part]])
        places, _ = best_of((np.log(recent[peers.items]) + bend).astype(np.float32), K)
        lists[known[part]] = np.where(places >= 0, peers.items[np.maximum(places, 0)], -1)
    return lists
