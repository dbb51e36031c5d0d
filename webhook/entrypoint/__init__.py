"""Which program does an image start? Asked of its registry, where a container says no command of its own.

The launcher has to start what the image would have started. What is fetched is verified by its digest, bounded in
size and time, and no request leaves for an address that a pod's author must not reach through us.
"""
