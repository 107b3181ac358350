"""Models to try Sluice with: fetched as packages, made into folders that SGLang serves (README.md)."""
