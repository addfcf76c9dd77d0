"""Recommendation: who proposes, who may be shown, in which order, and why."""
