"""Running one model: the engines, the child processes, and the HTTP connection to them."""
