"""Which models run: one owner of that decision, its queue, and the leases it gives."""
