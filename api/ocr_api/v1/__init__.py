"""/api/v1: the resource, its runs and tests, and what lies on the volume, for everybody but the old platform.

spec and status are those of the OcrProject resource, so that who knows `kubectl explain ocr` knows them.
"""
