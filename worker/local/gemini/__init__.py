"""The offline model: Gemini's wire protocol in front of answers that are looked up.

For whoever has no GEMINI_API_KEY. `answers.py` finds figures and sentences of a post and of its analysis in the
system instruction and copies them. The other modules are the wire, and the faults that tests ask for.
"""
