"""HTTP for both sides: options of our clients and their proxies, and our servers with limits for each client."""
