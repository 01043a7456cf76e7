"""The rule engine: synchronous, pure, columnar. No clock, no asyncio, no logging."""
