"""The broker: reads secrets for pods, each with the pod's own identity, and holds no permission of its own.

`cli → server → app → answering → reading → identities`, never backwards; a shared role is an option that denies by
default.
"""
