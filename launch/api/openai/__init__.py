"""OpenAI's API over the same scheduler: chat, completions and models, with SGLang's extra fields."""
