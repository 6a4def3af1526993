"""Database servers: how a node reaches one, and what stands there.

Modules:     view_text (a view inside another statement, the place of a word), access (address, password, session),
             relation (a table or view, its columns and their types), catalogue (what it says of columns, for a first schema).
"""
