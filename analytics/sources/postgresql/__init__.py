"""A table that stays in its PostgreSQL server.

Modules:     clean_view (cleaning in the server's own words), pushed_table (checks of the rows, and the table that plans
             scan). Reading a table into the node is a kind of ``formats``; logging in is ``servers``.
"""
