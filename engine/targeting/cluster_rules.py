"""Rules for learned clusters: the few conditions on traits that come nearest to a cluster, for an audience."""

from __future__ import annotations

from typing import Any

import numpy as np

from engine.targeting.clusters import FEATURES, Clusters
from engine.targeting.fairness import is_forbidden

_TELLING = 0.4  # standard deviations from everybody's mean
_MOST = 3
_LOG = {each.trait: each.log for each in FEATURES}


def cluster_rule(clusters: Clusters, number: int) -> dict[str, Any] | None:
    """Halfway between everybody and the cluster's centre, on its most telling traits.

    Traits that may not decide about a discount are left out; None where no other tells the cluster apart.
    """
    centre = clusters.centres[number]
    leaves: list[dict[str, Any]] = []
    for at in np.argsort(-np.abs(centre)):
        name = clusters.names[at]
        if abs(centre[at]) < _TELLING or len(leaves) == _MOST:
            break
        if is_forbidden(name):
            continue
        size = float(clusters.means[at] + centre[at] / 2 * clusters.scales[at])
        value = round(float(np.expm1(size)) if _LOG[name] else size, 3)
        leaves.append({"trait": name, "op": ">=" if centre[at] > 0 else "<=", "value": value})
    return {"all": leaves} if leaves else None
