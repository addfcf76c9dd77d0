"""Segment's words: its e-commerce event names and traits, and what they are here. HTTP and imports read both."""

from __future__ import annotations

from collections.abc import Mapping

#: Names of track calls in lower case.
EVENT_NAMES: Mapping[str, str] = {
    "product viewed": "view",
    "product clicked": "click",
    "product list viewed": "exposure",
    "product list filtered": "exposure",
    "cart viewed": "exposure",
    "products searched": "search",
    "product added": "cart_add",
    "product removed": "cart_remove",
    "product added to wishlist": "wishlist_add",
    "product removed from wishlist": "wishlist_remove",
    "wishlist product added to cart": "cart_add",
    "checkout started": "checkout",
    "order completed": "purchase",
    "order refunded": "return",
    "order cancelled": "return",
    "coupon entered": "coupon_view",
    "coupon applied": "coupon_redeem",
    "promotion viewed": "exposure",
    "promotion clicked": "coupon_view",
    "product shared": "share",
    "product reviewed": "review",
    "signed in": "login",
}
#: Those that tell of several products, one event each.
WITH_PRODUCTS = (
    *("order completed", "order refunded", "order cancelled"),
    *("product list viewed", "product list filtered", "cart viewed"),
)
#: Those whose products were paid for.
ORDERS = ("order completed", "order refunded", "order cancelled")

#: Traits that tell who a person is, not what they like, and those that have fields of their own.
NOT_ATTRIBUTES = (
    *("email", "phone", "name", "firstName", "lastName", "username", "address", "avatar", "id", "title"),
    *("first_name", "last_name"),
    *("gender", "birthday", "age_band", "timezone"),
)
