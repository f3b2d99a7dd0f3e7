"""The model APIs: dialects in, the engine's HTTP out."""
