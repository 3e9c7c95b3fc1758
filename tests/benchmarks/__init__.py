"""Speed and size, measured: what `make bench` runs. Nothing in here is a test."""
