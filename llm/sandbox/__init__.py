"""A stand-in provider, for machines without a key and for tests, benchmarks and docs.

It answers from the prompt by fixed rules, says in every answer that it is not a language model, and fails in stated
ways when told to. The same bytes in give the same bytes out, on every machine. No Django, no database, no clock. What
to say (`conversation.py`, `answers.py`, `speech.py`) is apart from how it is said: one folder for each wire, such as
`openai`, listed in `routes.py`. Start with `replies.py` (a request in, a reply out); `server.py` is the only file with
I/O.
"""
