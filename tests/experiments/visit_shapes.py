"""Small data sets in the shape of Diginetica and Beauty, made here: nothing of theirs is copied into the project."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

GROUPS, WIDTH = 20, 10
_ON = 0.75  # how often somebody goes on to the next item of the group


def walks(visitors: int, *, least: int, most: int, seed: int) -> list[list[int]]:
    """Each visitor walks within one group of items, numbered from 1: mostly to the next one, else anywhere in it."""
    random = np.random.default_rng(seed)
    made = []
    for _ in range(visitors):
        group, at = int(random.integers(GROUPS)), int(random.integers(WIDTH))
        walk = []
        for _ in range(int(random.integers(least, most + 1))):
            walk.append(group * WIDTH + at + 1)
            at = (at + 1 if random.random() < _ON else int(random.integers(WIDTH))) % WIDTH
        made.append(walk)
    return made


def write_diginetica(folder: Path, *, visits: int = 3_000, seed: int = 5) -> Path:
    """Train visits, and each later visit cut at all of its steps, the longest cut first as in the published file."""
    made = walks(visits, least=2, most=6, seed=seed)
    train, later = made[: visits * 9 // 10], made[visits * 9 // 10 :]
    known = {item for walk in train for item in walk}
    cuts = [(walk[:at], walk[at]) for walk in later for at in range(len(walk) - 1, 0, -1) if known >= set(walk)]
    (folder / "diginetica").mkdir(parents=True)
    lists = pa.large_list(pa.int32())
    pq.write_table(
        pa.table({"session": pa.array(range(len(train)), pa.int32()), "items": pa.array(train, lists)}),
        folder / "diginetica" / "diginetica_train.parquet",
    )
    pq.write_table(
        pa.table(
            {
                "items": pa.array([seen for seen, _ in cuts], lists),
                "label": pa.array([wanted for _, wanted in cuts], pa.int32()),
            }
        ),
        folder / "diginetica" / "diginetica_test.parquet",
    )
    return folder


def write_beauty(folder: Path, *, users: int = 1_200, seed: int = 6) -> Path:
    """Histories without repeats, and an attribute that items of a group share."""
    made = [list(dict.fromkeys(walk)) for walk in walks(users, least=8, most=14, seed=seed)]
    lines = [f"{user} {' '.join(map(str, walk))}" for user, walk in enumerate(made, start=1) if len(walk) >= 5]
    (folder / "beauty").mkdir(parents=True)
    (folder / "beauty" / "Beauty.txt").write_text("\n".join(lines))
    told = {str(item): [1 + (item - 1) // WIDTH, 900 + item % 3] for item in range(1, GROUPS * WIDTH + 1)}
    (folder / "beauty" / "Beauty_item2attributes.json").write_text(json.dumps(told))
    return folder
