"""The secret env shim: secrets from AWS in a pod's environment and files."""
