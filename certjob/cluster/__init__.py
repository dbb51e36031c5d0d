"""The certificates in a cluster: two Secrets, one webhook configuration, and the replicas that serve.

`report → converge → look, handshake, write, findings → progress → step → ownership → observed → endpoints,
configuration → secret, target`: observe, decide the next step, apply that one step, observe again, until nothing is
left to do. Only converge, look and handshake touch the world.
"""
