"""From labelled sentences to a model directory; see README.md."""
