"""OpenAI's Responses API: chats whose earlier turns the server remembers."""
