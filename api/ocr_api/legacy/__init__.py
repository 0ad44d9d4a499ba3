"""The annotation platform's old endpoints, to the letter: flat JSON, the ten words, ids and verbs as ever."""
