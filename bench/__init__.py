"""`python -m bench`: what Paddock adds, always against a direct connection in the same run."""
