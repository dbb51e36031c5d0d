"""What `make demo` runs, and the fakes that stand in for Google and AWS."""
