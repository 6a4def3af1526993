"""The ledger on the network: proposals from the sequencer, replies from the sites, catch-up between all.

Floor:    federation.node.ledger_service.
Promise:  decides nothing: every byte is made and judged by ``privacy_accounting.ledger``; here it is moved.
          Proposals go from the sequencer to the sites, never through the client (DESIGN 3b).
Not here: what a charge must contain (``federation.planning``), when it runs (``federation.node.runs``).
"""
