"""Files of one's own: texts, tables, tags, questions."""
