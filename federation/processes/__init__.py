"""Nodes as processes of one machine: one preloaded parent forks, starts and stops them together.

Modules, lowest layer first: worker (one node in its process) · supervisor (the parent) · launcher (starts a
supervisor and waits for it) · stop (ends the nodes by their pid files).
"""
