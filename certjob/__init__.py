"""One-shot: a CA of our own and the webhook's serving certificate, made once, renewed in time, rotated when needed.

`cli → cluster | certify → files → pem → decide → checks → certificates → names`, never backwards; pem, decide and what
is right of them are pure. A cluster is brought to what is wanted step by step (cluster/), a folder at once (certify).
"""
