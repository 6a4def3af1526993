"""Creates a consortium: keys, certificates and files on one machine.

Modules, lowest first: settings (what the members choose) · free_ports (on loopback) · consortium_toml (the consortium
file's text) · create (all files) · infer_column (schema of one column) · infer_schema (a first schema, and ``init``).
"""
