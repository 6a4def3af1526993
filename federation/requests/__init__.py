"""What a signed request becomes: plan, ledger content, policy decision, trust model, receipt."""
