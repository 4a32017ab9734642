"""A guard between an LLM agent and its MCP servers: judges every tool call before it runs."""

__version__ = "0.1.0"
