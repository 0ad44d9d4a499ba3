"""Images and annotations that come over HTTP: received in pieces, checked, and put in place as a whole."""
