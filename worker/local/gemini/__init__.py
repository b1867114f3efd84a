"""The offline model: a server with Gemini's protocol, for use without a GEMINI_API_KEY.

`answers.py` finds figures and sentences of a post and its analysis in the system instruction and copies them. The
other modules implement the protocol, and the faults that tests request.
"""
