"""Benchmarks and simulations, run through `hawker bench NAME`."""
