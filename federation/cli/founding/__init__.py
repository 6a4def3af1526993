"""Commands that found a consortium over several machines and renew its members."""
