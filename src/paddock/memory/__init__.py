"""What a model takes of each device's memory, and where it would best be put. Pure."""
