"""The demo posts: coherent figures, short enough to be told whole; the offline model answers about them."""

import json

import pytest

from worker.local.demo import DemoPost, read_posts
from worker.local.model.answers import answer
from worker.local.model.conversation import Turn

MOST_WORDS = 300  # of the summary that is sent to the model
INTERACTIONS = ("likes", "comments", "shares", "saves", "reactions", "reposts", "clicks")
LISTS = {"quick_takeaways": "Quick takeaways", "key_insights": "Key insights"}

POSTS = {demo.post["platform"]: demo for demo in read_posts()}


def told(demo: DemoPost) -> str:
    lines = [f"{title}:\n- " + "\n- ".join(demo.analysis[name]) for name, title in LISTS.items()]
    frameworks = [f"- {f['name']}: {f['explanation']}" for f in demo.analysis["frameworks"]]
    return "\n".join(
        [
            f"Creator context: {demo.analysis['creator_context']}",
            f"Viral status: {demo.analysis['viral_status']}",
            *lines,
            "Frameworks:",
            *frameworks,
        ]
    )


def ask(demo: DemoPost, question: str) -> str:
    metrics = json.dumps(demo.post["metrics"])
    post = f"<post>\nCaption: {demo.post['caption']}\nMetrics: {metrics}\n</post>"
    return answer([Turn("user", question)], f"{post}\n<analysis>\n{told(demo)}\n</analysis>")


@pytest.fixture(params=sorted(POSTS))
def demo(request):
    return POSTS[request.param]


def test_there_are_three_platforms():
    assert set(POSTS) == {"instagram", "linkedin", "tiktok"}


def test_nothing_of_the_analysis_is_cut_off(demo):
    assert len(told(demo).replace("- ", "").split()) <= MOST_WORDS


def test_the_engagement_rate_is_that_of_the_figures(demo):
    metrics = demo.post["metrics"]
    rate = sum(metrics.get(name, 0) for name in INTERACTIONS) / metrics.get("views", metrics.get("impressions"))

    assert float(metrics["engagement_rate"].rstrip("%")) == pytest.approx(100 * rate, abs=0.05)


def test_every_figure_is_found(demo):
    for name, value in demo.post["metrics"].items():
        assert str(value) in ask(demo, f"What is the number of {name.replace('_', ' ')}?")


def test_every_framework_is_explained(demo):
    for framework in demo.analysis["frameworks"]:
        assert framework["explanation"] in ask(demo, f"How is the {framework['name']} used?")


def test_advice_is_found(demo):
    assert "Next time" in ask(demo, "How can I improve this post?")


def test_links_lead_nowhere(demo):
    for url in (demo.post["url"], *(item["url"] for item in demo.post["media"])):
        assert url.startswith("https://www.example.com/")
