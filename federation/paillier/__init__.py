"""Paillier encryption of packed integer vectors. One line a module, lowest first.

validation          the checks of a modulus and of a vector of ciphertexts before any use
keys                public and private keys, and how to make them
short_keys          private keys of short exponents, made only where their type is asked for
key_files           key files of the key holder; accepts a public key against its pinned fingerprint
packing             integers into the slots of a plaintext and back, with the counter slot
child_process       a program of its own that computes for this process over pipes
obfuscators         random n-th powers, drawn from public numbers
obfuscator_process  the program that draws them in the background
obfuscator_pool     those drawn ahead, each given out at most once
cipher              encryption and addition of vectors, without any secret
power_process       the program that raises a part of a sum's ciphertexts to secret powers
powers              ciphertexts to secret powers, in one process or in several
decrypt             decryption with the private key; ``federation.aggregation.open_sum`` alone imports it
"""
