"""Offline: from the lake to an evaluated, registered, published bundle."""
