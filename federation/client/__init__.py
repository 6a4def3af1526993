"""The analyst's session: connect to a consortium, or open a local one."""
