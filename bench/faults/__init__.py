"""What is lost when things break? Each row does one harm to a real cluster and counts.

Needs what `demo/cluster` needs. A row proves that its harm really happened, or fails.
"""
