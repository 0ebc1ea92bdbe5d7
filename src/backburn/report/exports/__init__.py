"""Files that other tools read: SARIF, CycloneDX, model cards."""
