"""Online: HTTP over a live bundle."""
