"""AWS-side documents, pure: who may assume a role, and why a token may not.

`policy.trust` is the entry; everything here is functions over plain data, with no clock, network or files.
"""
