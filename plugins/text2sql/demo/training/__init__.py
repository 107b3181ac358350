"""Training of the demo model: questions, tokenizer, network.  Only here does ``plugins`` need torch."""
