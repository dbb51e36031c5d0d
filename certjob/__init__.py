"""One-shot: a CA of our own and the webhook's serving certificate, made once, renewed in time, rotated when needed.

`cli → certify → files, decide → checks → certificates, authority → names`, never backwards; decide and what is right of
it are pure.
"""
