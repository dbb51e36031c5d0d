"""The API server as we use it: plain dicts on urllib3.

Importing any of it never imports the official `kubernetes` client, which costs 48 MB a process; only reading a
kubeconfig does.
"""
