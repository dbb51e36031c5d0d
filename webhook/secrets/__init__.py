"""Admission of the secret env shim: which of a pod's variables and files come from AWS, and how they get there."""
