"""The operator's command, a kubectl plugin: kubectl token-injector inject | check | explain | convert | …

It shows what the webhook would do and what AWS would answer, with their own pure cores. No cluster and no cloud is
asked, but with --live and, of registries, by `entrypoint`.
"""
