"""The animated picture of a cluster: what it shows, in numbers and words, and how it is drawn. For web pages and notebooks alike."""
