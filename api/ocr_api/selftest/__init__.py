"""`ocr-api selftest`, what `helm test` runs: a small project goes the platform's way, from upload to model.

It knows the release by nothing but the facade's HTTP, so what it sees is what every caller gets. Only its
data it removes on the volume itself: the facade deletes none.
"""
