"""What the owner asked for: the schema, and how a file, the environment and flags become it."""
