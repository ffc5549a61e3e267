"""The processes of a running node: supervisor, coordinator, health check."""
