"""Creates a consortium: on one machine as a rehearsal, or over several, each of which makes its own keys.

Modules, lowest first: settings (what the members choose) · few_numbers (codes or a
measurement) · whole_files (written whole or not at all) · free_ports (on loopback)
· consortium_toml (the consortium file's text) · create (all files on one machine) · infer_column (schema of one
column) · site_rows (a site's rows before there is a schema) · fit (all sites' rows against one) · infer_schema (a first
schema, and ``init``) · joining (a member's keys and answer) · founding (invitations, admission, the draft) · draft_review (a
draft in words, beside a site's data) · signing (sign it, begin).
"""
