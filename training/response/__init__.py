"""Responses to offers: who redeems, and what giving an offer changes."""
