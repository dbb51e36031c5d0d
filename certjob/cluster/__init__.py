"""The certificates in a cluster: two Secrets, one webhook configuration, and the replicas that serve.

`converge → look, write → step → findings, ownership → observed → secret, configuration, endpoints → target`: observe,
decide the next step, apply that one step, observe again, until nothing is left to do. Only look, handshake and converge
touch the world.
"""
