"""Commands that change a consortium after its founding."""
