"""Why an engine could not be started, in one plain sentence."""


class EmbeddedEngineError(Exception):
    """An engine cannot be prepared, started or stopped; the text is a sentence for whoever sits at the terminal."""
