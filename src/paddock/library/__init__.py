"""Which models exist: files on disk, what their headers say, the names that lead to them."""
