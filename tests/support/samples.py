"""What the metrics of this process say."""

from worker.telemetry import metrics


def sample(name: str, **labels: str) -> float:
    """A figure of this worker's metrics."""
    value = metrics.REGISTRY.get_sample_value(name, labels)
    assert value is not None
    return value


def causes() -> dict[tuple[str, str], float]:
    """What led to the claims so far, and what they found."""
    return {
        (each.labels["cause"], each.labels["found"]): each.value
        for family in metrics.REGISTRY.collect()
        for each in family.samples
        if each.name == "postbro_claims_total"
    }
