"""Hostile bodies for every route that takes one: drawn from a seed, each knowing what must come of it."""
