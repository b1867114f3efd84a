"""The demo posts: coherent figures, short enough to be told whole; the offline model answers about them."""

from typing import Any

import pytest

from worker.local.demo import DemoPost, read_posts
from worker.local.gemini.answers import answer
from worker.local.gemini.wire import Turn
from worker.prompt import parts
from worker.prompt.context import build_analysis_summary, build_post_context

INTERACTIONS = ("likes", "comments", "shares", "saves", "reactions", "reposts", "clicks")

POSTS = {demo.post["platform"]: demo for demo in read_posts()}


def summary(demo: DemoPost) -> str:
    analysis: Any = demo.analysis
    return build_analysis_summary(analysis)


def ask(demo: DemoPost, question: str) -> str:
    row: Any = demo.post
    post, analysis = parts.render(build_post_context(row)), summary(demo)
    return answer([Turn("user", question)], f"<post>\n{post}\n</post>\n<analysis>\n{analysis}\n</analysis>\n")


@pytest.fixture(params=sorted(POSTS))
def demo(request: pytest.FixtureRequest) -> DemoPost:
    return POSTS[request.param]


def test_there_are_three_platforms() -> None:
    assert set(POSTS) == {"instagram", "linkedin", "tiktok"}


def test_nothing_of_the_analysis_is_cut_off(demo: DemoPost) -> None:
    assert "shortened" not in summary(demo)


def test_the_engagement_rate_is_that_of_the_figures(demo: DemoPost) -> None:
    metrics = demo.post["metrics"]
    rate = sum(metrics.get(name, 0) for name in INTERACTIONS) / metrics.get("views", metrics.get("impressions"))

    assert float(metrics["engagement_rate"].rstrip("%")) == pytest.approx(100 * rate, abs=0.05)


def test_every_figure_is_found_and_written_as_on_the_page(demo: DemoPost) -> None:
    for name, value in demo.post["metrics"].items():
        shown = f"{value:,}" if isinstance(value, int) else value
        assert shown in ask(demo, f"What is the number of {name.replace('_', ' ')}?")


def test_every_framework_is_explained(demo: DemoPost) -> None:
    for framework in demo.analysis["frameworks"]:
        assert framework["explanation"] in ask(demo, f"How is the {framework['name']} used?")


def test_advice_is_found(demo: DemoPost) -> None:
    assert "Next time" in ask(demo, "How can I improve this post?")


def test_links_lead_nowhere(demo: DemoPost) -> None:
    for url in (demo.post["url"], *(item["url"] for item in demo.post["media"])):
        assert url.startswith("https://www.example.com/")
