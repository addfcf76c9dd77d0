"""Peers: what customers who declare the same of themselves buy more and less than all; for those who did nothing yet.

Each declared word (a region, the source of the first visit, an attribute) bends the list of best sellers by how much
oftener its people buy an item than all do, held down where few stand behind it. How far the words may bend it is chosen
on the validation period, over customers who are treated as if they were new; 0 leaves the best sellers as they are.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain

import numpy as np
from scipy import sparse

from engine.ids import IdMap
from engine.learned import Peers
from training.evaluate import Periods, Truth, measure, truth_of
from training.models.contract import Interactions
from training.models.top_lists import best_of, chunks
from training.outcome import K
from training.shop_data import ShopData

STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
_LEAST_PEOPLE = 20  # fewer behind a word say nothing
_MOST_WORDS = 200
_POPULAR, _EACH = 300, 100  # items: of all, and more of each word
_PRIOR = 10.0  # expected buyers that an item's ratio begins with, at 1
_FOLDS, _MOST_USERS = 2, 4_000


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
    common = [name for name, count in counts.most_common() if count >= _LEAST_PEOPLE][:_MOST_WORDS]
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


def choose_strength(
    shop: ShopData, seen: Interactions, recent: np.ndarray, cuts: Periods, *, seed: int
) -> tuple[float, list[float]]:
    """How far declared words may bend the best sellers: the strength that serves customers best who are treated as new
    in the validation period, and the NDCG of each of STRENGTHS.

    Half of them are judged by what the other half declares and buys, and the other way round, so that nobody speaks for
    their own list. 0 where nobody declares anything. `seen` and `recent` are of the beginning of that period.
    """
    after = shop.log.where((shop.log.time >= cuts.validation) & (shop.log.time < cuts.test))
    truth = truth_of(after, seen)
    users = np.flatnonzero((truth.sizes > 0) & np.array([bool(words) for words in shop.declared], bool))
    users = np.sort(np.random.default_rng(seed).permutation(users)[:_MOST_USERS])
    if len(users) < _LEAST_PEOPLE:
        return 0.0, []
    fold = np.random.default_rng(seed).permutation(shop.log.n_users) % _FOLDS
    found = np.zeros((len(STRENGTHS), len(users)))
    for number in range(_FOLDS):
        judged = fold[users] == number
        if not judged.any():
            continue
        others = seen.bought.multiply((fold != number)[:, None]).tocsr()
        others.eliminate_zeros()
        for at, strength in enumerate(STRENGTHS):
            peers = learn_peers(others, shop.declared, recent, strength)
            lists = lists_of(peers, recent, [shop.declared[user] for user in users[judged]])
            found[at, judged] = _ndcg(lists, truth, users[judged], shop.log.n_items)
    curve = found.mean(axis=1)
    return STRENGTHS[int(np.argmax(curve))], [float(value) for value in curve]


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


def _ndcg(lists: np.ndarray, truth: Truth, users: np.ndarray, n_items: int) -> np.ndarray:
    return measure(lists, truth, users=users, popularity=np.ones(n_items), k=K).per_user[f"ndcg@{K}"]
