"""What the model is told: persona, post, analysis and conversation, within a budget of tokens."""
