"""Nodes as processes of one machine: forked from one preloaded parent, started and stopped together.

Rooms, bottom first: child (one node in its process) · nursery (the parent) · started (a nursery seen from
outside) · ended (stopping one by its pid files).
"""
