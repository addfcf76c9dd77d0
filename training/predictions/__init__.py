"""Predictions: who orders next, who is lost, who wants what; probabilities written into the lake."""
