"""Conversations: their messages, a model's template for them, and the token ids of both."""
