"""Channels: how a campaign's messages leave, a file each."""
