"""What public sets there are."""
