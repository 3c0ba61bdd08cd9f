"""What every package may use: errors, files, tables, pages, the terminal, the hub."""
