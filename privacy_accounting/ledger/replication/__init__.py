"""How sites agree on entries: proposals, signatures, validation, the sequencer."""
