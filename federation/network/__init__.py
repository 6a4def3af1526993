"""Channels between nodes: in memory and over mutual TLS, with heartbeats."""
