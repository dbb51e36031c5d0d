"""Strict fakes of GKE's metadata server and AWS STS: they refuse what the real ones refuse.

They import nothing of the product, so that a shared mistake cannot hide.
"""
