"""A trace replayed in real time against a server: prompts, clients, workflows and what became of them."""
