"""Distributions that intervals and alarms read: the normal, Student's t and chi-square, with Python alone.

Exact to nine digits; tests hold them against SciPy. Source: the continued fractions of the incomplete beta and
gamma functions (Numerical Recipes, 3rd ed., 6.2 and 6.4), and the Cornish-Fisher expansion of t as a beginning.
"""

from __future__ import annotations

import math
from statistics import NormalDist

_NORMAL = NormalDist()
_TINY = 1e-300
_ENOUGH = 1e-15
_MOST_TERMS = 10_000
#: From so many degrees of freedom on the first terms of t's expansion in the normal are exact to nine digits.
_LIKE_NORMAL = 1e5


def normal_quantile(chance: float) -> float:
    return _NORMAL.inv_cdf(chance)


def normal_beyond(z: float) -> float:
    """The chance of at least `z` standard errors from 0, in either direction."""
    return math.erfc(abs(z) / math.sqrt(2))


def t_beyond(t: float, freedom: float) -> float:
    """The chance of a value of Student's t at least as far from 0 as `t`, in either direction."""
    if freedom >= _LIKE_NORMAL:
        z = t - (t**3 + t) / (4 * freedom) + (13 * t**5 + 8 * t**3 + 3 * t) / (96 * freedom**2)
        return normal_beyond(z)
    return _beta_part(freedom / (freedom + t * t), freedom / 2, 0.5)


def t_quantile(chance: float, freedom: float) -> float:
    """Where Student's t lies below with this chance, from 0.5 on; `freedom` need not be whole."""
    z = normal_quantile(chance)
    t = z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
    if freedom >= _LIKE_NORMAL:
        return t
    wanted = 2 * (1 - chance)
    for _ in range(50):  # Newton, in logarithms, where the tails are nearly straight lines
        beyond = t_beyond(t, freedom)
        step = beyond * math.log(beyond / wanted) / (2 * _t_density(t, freedom))
        t += step
        if abs(step) < 1e-12 * max(t, 1.0):
            break
    return t


def chi_square_beyond(value: float, freedom: int) -> float:
    """The chance of at least this value of chi-square."""
    return 1.0 if value <= 0 else _gamma_beyond(freedom / 2, value / 2)


def _t_density(t: float, freedom: float) -> float:
    scale = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(freedom * math.pi) / 2
    return math.exp(scale - (freedom + 1) / 2 * math.log1p(t * t / freedom))


def _beta_part(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function."""
    if x <= 0 or x >= 1:
        return min(max(x, 0.0), 1.0)
    scale = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    if x < (a + 1) / (a + b + 2):
        return math.exp(scale) * _beta_fraction(x, a, b) / a
    return 1 - math.exp(scale) * _beta_fraction(1 - x, b, a) / b


def _beta_fraction(x: float, a: float, b: float) -> float:
    """Lentz's way through the continued fraction."""
    c, d = 1.0, 1 / _not_zero(1 - (a + b) * x / (a + 1))
    found = d
    for m in range(1, _MOST_TERMS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _not_zero(1 + term * d)
            c = _not_zero(1 + term / c)
            found *= c * d
        if abs(c * d - 1) < _ENOUGH:
            break
    return found


def _gamma_beyond(a: float, x: float) -> float:
    """The regularised upper incomplete gamma function."""
    scale = math.exp(a * math.log(x) - x - math.lgamma(a))
    if x < a + 1:
        term = total = 1 / a
        for n in range(1, _MOST_TERMS):
            term *= x / (a + n)
            total += term
            if term < total * _ENOUGH:
                break
        return 1 - scale * total
    b = x + 1 - a
    c, d = 1 / _TINY, 1 / b
    found = d
    for n in range(1, _MOST_TERMS):
        b += 2
        d = 1 / _not_zero(n * (a - n) * d + b)
        c = _not_zero(b + n * (a - n) / c)
        found *= c * d
        if abs(c * d - 1) < _ENOUGH:
            break
    return scale * found


def _not_zero(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
