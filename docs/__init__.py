"""What is written about the project; `docs.site` makes a site of it."""
