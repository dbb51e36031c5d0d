"""The operator's command, a kubectl plugin: kubectl token-injector inject | doctor | trust-policy.

It shows what the webhook would do and what AWS would answer, with their own pure cores; no cluster, no cloud is asked.
"""
