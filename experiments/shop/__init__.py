"""A made-up shop: users, catalogue and months of behaviour, with the truth behind it known.

`generate` makes one in memory, `write_parquet` one of any size as files. What is planted:
tastes (users and items share a space in which shelves, brands and styles have places), things
used up and bought again, seasons, trends, weekly promotions that the price-conscious follow, and
passing interests that are looked at for days before something is bought, half of them away from
the user's taste. `Shop.reasons` keeps the cause of every purchase.
"""

from experiments.shop.generate import Shop, generate, write_parquet
from experiments.shop.size import ShopSize

__all__ = ["Shop", "ShopSize", "generate", "write_parquet"]
