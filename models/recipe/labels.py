"""The label scheme and the languages, in the order that every file of a model uses."""

LABELS = ["support", "commitment", "request", "concession", "accusation", "rejection", "threat"]

LANGUAGES = "en de fr es it pt nl pl ru uk cs ro sv el tr ar fa he hi id vi zh ja ko".split()

#: Kinds of source, see `data.kind`.
KINDS = ["native", "ntrex", "authored", "newstest"]
