"""Models that chat: conversations, of which the answers are learned."""
