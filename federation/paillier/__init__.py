"""Paillier encryption of packed integer vectors, one line a module, bottom floor first.

keys        what a public and a private key are, and how a new one is made
validation  the checks that a modulus and a vector of ciphertexts pass before anything is done with them
ceremony    key files of the key holder, and a public key accepted against its pinned fingerprint
packing     integers into the slots of a plaintext and back, with the counter slot
cipher      encryption and addition of vectors: nothing here knows a secret
decrypt     the private key at work; ``federation.aggregation.open_sum`` alone imports it
"""
