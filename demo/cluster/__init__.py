"""A real cluster with fake clouds in it: what `make e2e`, `make faults` and `make bench-node` stand on.

Any cluster that kubectl reaches (KUBECONFIG), kind among them. Needs kubectl and helm on PATH, and the three images
where the cluster pulls from (`make images`).
"""
