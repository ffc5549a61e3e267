"""Speed, measured beside a peer in one run. Never part of the tests."""
