"""Paillier encryption of packed integer vectors. One line a module, lowest first.

validation  the checks of a modulus and of a vector of ciphertexts before any use
keys        public and private keys, and how to make them
key_files   key files of the key holder; accepts a public key against its pinned fingerprint
packing     integers into the slots of a plaintext and back, with the counter slot
cipher      encryption and addition of vectors, without any secret
decrypt     decryption with the private key; ``federation.aggregation.open_sum`` alone imports it
"""
