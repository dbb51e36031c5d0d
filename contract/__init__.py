"""Names on which two processes, or a process and its user, must agree.

Constants only, no behaviour: a name that only one component knows does not belong here.
"""
