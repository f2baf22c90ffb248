"""Speech and transcriptions."""
