"""Exports of a run for other tools: SARIF, CycloneDX and model cards."""
