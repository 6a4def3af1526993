"""The agreement of a consortium's members, and the files of one site or helper."""
