"""The prompt: persona, post, analysis and conversation, within a budget of tokens."""
