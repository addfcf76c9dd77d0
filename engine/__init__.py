"""The domain: what a shop knows and decides. Import the rooms, not this."""
