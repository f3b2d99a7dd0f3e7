"""Who may do what: the one place that reads a caller's credentials."""
