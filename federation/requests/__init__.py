"""From a signed request to its plan, ledger content, policy decision, trust model and receipt."""
