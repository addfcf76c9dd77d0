"""The generated users: who they are, what they like, how often they come and how they look at prices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from experiments.shop.catalog import TASTE_DIMENSIONS, Catalog
from experiments.shop.draws import Floats, Ints, unit_rows
from experiments.shop.size import ShopSize

#: Users are drawn in blocks of this number, each from its own random stream: a chunk of whole
#: blocks is the same whether it is made alone or with all others.
BLOCK_USERS = 2_048

REGIONS = (("north", "Europe/Oslo"), ("south", "Europe/Rome"), ("east", "Europe/Warsaw"), ("west", "Europe/Dublin"))
AGE_BANDS = ("18-24", "25-34", "35-44", "45-54", "55-64", "65+")
_BAND_FIRST_AGE = np.array([18, 25, 35, 45, 55, 65])
GENDERS = ("female", "male", "other")
SOURCES = ("organic", "paid", "social", "referral", "direct")

_PERSONAS = 12
_VISITS_PER_DAY = 0.075
_SHELF_PULL = 8.0  # how far tastes bend the choice of a shelf


@dataclass(frozen=True, slots=True)
class People:
    """Columns with one row a user of a block; `first` is the number of its first user in the shop.

    `signup_day` may be negative: the user was there before the shop's first day.
    `sensitivity` to prices is between 0 and 1; `pace` stretches the intervals of consumables.
    """

    first: int
    region: Ints
    age_band: Ints
    gender: Ints
    source: Ints
    birth_day: Ints  # days since 1970-01-01
    signup_day: Ints
    visits_per_day: Floats
    sensitivity: Floats
    pace: Floats
    vector: Floats  # users x TASTE_DIMENSIONS, of length 1
    shelf_share: Floats  # users x shelves, rows add up to 1: where taste alone leads


@dataclass(frozen=True, slots=True)
class Personas:
    """Kinds of people: a taste, and how likely each region, age band and gender is among them."""

    vector: Floats
    region: Floats
    age_band: Floats
    gender: Floats


def build_personas(seed: int) -> Personas:
    """The kinds of people that visit the shop with this seed."""
    rng = np.random.default_rng([seed, 2])
    return Personas(
        vector=unit_rows(rng.normal(size=(_PERSONAS, TASTE_DIMENSIONS))),
        region=rng.dirichlet(np.full(len(REGIONS), 0.8), _PERSONAS),
        age_band=rng.dirichlet(np.full(len(AGE_BANDS), 0.6), _PERSONAS),
        gender=rng.dirichlet(np.array([1.5, 1.5, 0.1]), _PERSONAS),
    )


def blocks(size: ShopSize) -> Iterator[tuple[int, int]]:
    """Number of each block, and how many users it has."""
    for number, first in enumerate(range(0, size.users, BLOCK_USERS)):
        yield number, min(BLOCK_USERS, size.users - first)


def build_people(catalog: Catalog, personas: Personas, block: int, number: int, rng: np.random.Generator) -> People:
    """The users of one block."""
    size = catalog.size
    persona = rng.integers(_PERSONAS, size=number)
    vector = unit_rows(0.65 * personas.vector[persona] + 0.75 * unit_rows(rng.normal(size=(number, TASTE_DIMENSIONS))))
    age_band = _pick(personas.age_band[persona], rng)
    age_days = (_BAND_FIRST_AGE[age_band] + rng.uniform(0, 7, number)) * 365.25
    return People(
        first=block * BLOCK_USERS,
        region=_pick(personas.region[persona], rng),
        age_band=age_band,
        gender=_pick(personas.gender[persona], rng),
        source=rng.choice(len(SOURCES), number, p=[0.35, 0.25, 0.15, 0.1, 0.15]),
        birth_day=(np.datetime64(size.start, "D").astype(np.int64) - age_days).astype(np.int64),
        signup_day=_signup_days(size.days, number, rng),
        visits_per_day=_VISITS_PER_DAY * rng.gamma(1.6, 1 / 1.6, number),
        sensitivity=rng.beta(1.5, 2.5, number).astype(np.float32),
        pace=np.exp(rng.normal(0, 0.15, number)),
        vector=vector.astype(np.float32),
        shelf_share=_shelf_shares(vector, catalog),
    )


def _pick(shares: Floats, rng: np.random.Generator) -> Ints:
    """One option a row, by the row's shares."""
    drawn = (np.cumsum(shares, axis=1) < rng.random((len(shares), 1))).sum(axis=1)
    picked: Ints = np.minimum(drawn, shares.shape[1] - 1)
    return picked


def _signup_days(days: int, number: int, rng: np.random.Generator) -> Ints:
    """Two thirds were there before; the others come over the first nine tenths of the time."""
    before = -rng.integers(1, 720, number)
    during = (rng.random(number) * days * 0.9).astype(np.int64)
    return np.where(rng.random(number) < 0.67, before, during)


def _shelf_shares(vector: Floats, catalog: Catalog) -> Floats:
    pull = _SHELF_PULL * vector @ catalog.shelf_vector.T
    shares: Floats = np.exp(pull) * np.sqrt(catalog.shelf_weight)
    shares /= shares.sum(axis=1, keepdims=True)
    return shares
