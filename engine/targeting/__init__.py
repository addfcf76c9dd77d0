"""Targeting: customers, groups, offers and campaigns."""
