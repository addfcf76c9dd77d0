"""Which classes of items a user buys more of than others do: brands, categories, any attribute."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from training.models.contract import Features


class ClassAffinity:
    """A factor for each (user, item): above 1 where the user buys more of the item's classes than most.

    An attribute's columns are named `attribute=value`. The lift of a user in a class is the number of
    different items bought there over what a user as busy as this one would have, both with `prior`
    average users' purchases added. An item's factor is the product over its classes of lift ** power;
    an item without a class for an attribute (or `attributes` that leave it out) is not touched by it.
    """

    def __init__(
        self,
        bought: sparse.csr_matrix,
        features: Features,
        *,
        power: float,
        prior: float,
        attributes: tuple[str, ...] = (),
    ) -> None:
        used = [
            column for column, name in enumerate(features.names) if not attributes or name.split("=")[0] in attributes
        ]
        classes = sparse.csc_matrix(features.matrix)[:, used]
        self._bought, self._prior = bought.sign(), prior
        usual = np.asarray((self._bought @ classes).sum(axis=0)).ravel() / max(1, bought.shape[0])
        # A class in which nobody bought anything says nothing of anybody.
        self._classes = sparse.csr_matrix(classes[:, usual > 0])
        self._usual = usual[usual > 0].astype(np.float32)
        items = np.diff(self._bought.indptr)
        self._busy = (items / max(float(items.mean()), 1e-12)).astype(np.float32)
        self._spread = sparse.csr_matrix(self._classes.T * np.float32(power))

    def of(self, users: slice) -> np.ndarray:
        """The factors of a slice of users for all items: float32 [len, n_items]."""
        counts = (self._bought[users] @ self._classes).toarray().astype(np.float32)
        lift = (counts + self._prior * self._usual) / (self._usual * (self._busy[users, None] + self._prior))
        # A product of powers is a sum of logarithms, and that is one sparse product.
        return np.asarray(np.exp(np.log(lift) @ self._spread), dtype=np.float32)
