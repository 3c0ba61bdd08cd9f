"""What every package may use: errors, files, tables, pages."""
