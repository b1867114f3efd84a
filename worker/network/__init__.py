"""HTTP in both directions: clients and their proxies, servers and what a client may take of one."""
