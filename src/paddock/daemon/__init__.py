"""The running service: composed of all parts, opened door by door, stopped in order."""
