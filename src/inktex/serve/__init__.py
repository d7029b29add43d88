"""`inktex serve`: readings over HTTP, at a second door in the shape of Mathpix, and over MCP."""
