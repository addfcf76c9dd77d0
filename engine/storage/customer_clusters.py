"""Learned clusters of a shop: a file beside the customers' others, and who is nearest to which centre."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import StoreUnavailable
from engine.storage.customer_files import CustomerFiles
from engine.storage.durable import replace_file
from engine.storage.home import Home
from engine.targeting.clusters import FEATURES, Clusters, learn_clusters

#: Clusters are learned from a sample of so many customers who were seen in the last year.
_SAMPLE = 50_000
_SEED = 20_260_101


def learn(home: Home, now: float) -> Clusters:
    """Learn the clusters anew and keep them. NotEnoughData for a small shop, or before the first refresh."""
    names = [each.trait for each in FEATURES]
    with CustomerFiles(home).reading(now) as sql:
        table = sql.sql(
            f"SELECT {', '.join(names)} FROM traits WHERE days_since_seen <= 365 ORDER BY hash(person) LIMIT {_SAMPLE}"
        ).to_arrow_table()
    found = learn_clusters(_matrix(table, names), names, seed=_SEED)
    replace_file(_path(home), json.dumps(found.as_json()).encode())
    return found


def stored(home: Home) -> Clusters | None:
    """The clusters that were learned last, None where there are none."""
    try:
        return Clusters.from_json(json.loads(_path(home).read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError) as problem:
        raise StoreUnavailable(f"{_path(home)} cannot be read ({problem}); learn the clusters anew") from problem


def cluster_sizes(sql: Any, home: Home) -> list[dict[str, Any]]:
    """Number, size and words of each cluster, over all customers who were seen in the last year."""
    clusters = stored(home)
    if clusters is None:
        return []
    table = sql.sql(f"SELECT {', '.join(clusters.names)} FROM traits WHERE days_since_seen <= 365").to_arrow_table()
    sizes = np.bincount(clusters.of(_matrix(table, clusters.names)), minlength=len(clusters.centres))
    return [
        {
            "cluster": number,
            "size": int(size),
            "words": {language: clusters.words(number, language) for language in ("en", "zh")},
        }
        for number, size in enumerate(sizes)
    ]


def _matrix(table: Any, names: Any) -> NDArray[np.float64]:
    columns = [table[name].to_numpy(zero_copy_only=False).astype(np.float64) for name in names]
    return np.column_stack(columns) if columns else np.zeros((table.num_rows, 0))


def _path(home: Home) -> Any:
    return CustomerFiles(home).folder / "clusters.json"
