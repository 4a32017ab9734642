"""What the analysis says would run, against what bash runs."""
