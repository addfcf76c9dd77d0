"""Trials: what is drawn by chance, what it changed, and whether the draw was sound. Nobody's subject in particular."""
