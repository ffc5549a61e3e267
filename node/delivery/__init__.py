"""Results on their way back to the PACS."""
