"""Station 5: send the results to the PACS."""
