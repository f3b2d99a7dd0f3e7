"""The Ollama dialect: its own API, in the words of its clients."""
