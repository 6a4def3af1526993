"""Tables that stay in their servers.

Modules:     words (what cleaning says in each server's words), clean_view (cleaning as one SELECT), checks (what the rows must
             be), postgresql_table and spark_table (one file a server: how one state is held).
             Reading a table into the node is a kind of ``formats``; logging in is ``servers``.
"""
