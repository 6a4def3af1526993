"""Reading the files of a consortium: their kinds, types and versions."""
