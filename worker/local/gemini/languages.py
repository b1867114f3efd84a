"""The sentence for questions that the offline model cannot answer, in the language of the question."""

import re

ENGLISH = (
    "I am the offline model: I look up figures and sentences of this post and its analysis, and found none for this; "
    "to write, compare, calculate or translate takes Gemini (set `GEMINI_API_KEY`)."
)
# Frequent words of questions. Those of other languages below leave out English words, such as "comment" or "die".
FREQUENT = (
    "a about advice all also am an analysis and any are as at be been better but by can change could data did do "
    "does fix for from get give go good got grow had has have he her him his how i if improve in into is it its just "
    "know made make many me mistake more most much my need next no not of on one or other our out please post reason "
    "reel say see she should so some strength suggest tell than that the their them then there these they this time "
    "to too up us video was we weak well were what when where which who why will with work wrong you your"
)
_OTHERS = {
    "el las qué cómo por para cuántos cuántas cuándo quién cuál esta tiene puedo mejorar mi una fue es publicación": (
        "Soy el modelo sin conexión y solo entiendo inglés; en español responde Gemini (define `GEMINI_API_KEY`)."
    ),
    "os que como por para quantos quantas quando quem qual esta tem teve posso melhorar meu uma foi não publicação": (
        "Sou o modelo offline e só entendo inglês; em português responde o Gemini (defina `GEMINI_API_KEY`)."
    ),
    "le les des que pourquoi combien quand qui est cette ce quel quelle puis je améliorer une du été résume": (
        "Je suis le modèle hors ligne et ne comprends que l'anglais ; Gemini répond en français (`GEMINI_API_KEY`)."
    ),
    "der das wie viele warum wann wer ist wurde ich kann nicht und ein eine den diesen dieser beitrag verbessern": (
        "Ich bin das Offline-Modell und verstehe nur Englisch; auf Deutsch antwortet Gemini (mit `GEMINI_API_KEY`)."
    ),
    "il gli che perché quanti quante quando chi quale questo questa posso migliorare mio della di una è riassumi": (
        "Sono il modello offline e capisco solo l'inglese; in italiano risponde Gemini (imposta `GEMINI_API_KEY`)."
    ),
}


def sentence(question: str) -> str:
    """The sentence in the language to which most words of the question belong."""
    words = re.findall(r"\w+", question.casefold())
    most, found = max((sum(word in known.split() for word in words), text) for known, text in _OTHERS.items())
    return found if most > sum(word in FREQUENT.split() for word in words) else ENGLISH
