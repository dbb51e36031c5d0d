"""What runs in a pod: it fetches a web identity token and keeps it fresh.

It starts in every pod, so nothing is imported here or at start that a first token does not need: no `dataclasses`,
`typing`, `argparse`, `logging`, `http.client` or `ssl` (a test looks).
"""

__version__ = "0.1.0"
