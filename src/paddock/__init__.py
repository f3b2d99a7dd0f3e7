"""Paddock keeps the llamas of a house: one daemon that serves every GGUF in a folder by name."""

__version__ = "0.1.0"
