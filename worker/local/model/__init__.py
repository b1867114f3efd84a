"""The offline model: Gemini's wire protocol in front of retrieval.

For whoever has no GEMINI_API_KEY. It finds figures and sentences of a post and of its analysis in the
system instruction and quotes them; it writes nothing of its own, and says so.
"""
