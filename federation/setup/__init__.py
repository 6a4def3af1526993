"""Making a consortium: keys, certificates and files on one machine.

Rooms, bottom first: terms (what is agreed) · folders (where everything lies) · helper (a
dealer's file) · ports (free ones on
loopback) · agreement (the consortium file's text) · create (all of it) · columns (one column guessed) ·
guess (a first schema and ``init``).
"""
