"""Bringing models in: names, hubs, the downloader, jobs."""
